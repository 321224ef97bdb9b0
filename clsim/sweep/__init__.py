"""Many runs from one file: grids and seeds, on one machine or a cluster.

May import `api` and the packages below it. Imports no torch: each run is a process.
"""
