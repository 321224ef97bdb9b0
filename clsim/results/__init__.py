"""The files of a run: results, manifest, provenance.

May import `pretraining` and the packages below it. Imports no torch before it is needed.
"""
