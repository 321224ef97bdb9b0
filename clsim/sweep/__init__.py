"""Many runs from one file: every scenario, strategy, setting and seed, on one machine or on a cluster.

Nothing here imports torch: runs are processes of their own.
"""
