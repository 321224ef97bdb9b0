"""The command line: commands, listings and benchmarks.

May import every package.
"""
