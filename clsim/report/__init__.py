"""Console, HTML report, comparison of runs, trackers.

May import `verify` and the packages below it.
"""
