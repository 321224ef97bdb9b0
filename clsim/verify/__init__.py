"""Recomputation of a run's figures from its files and their sources.

May import `experiment` and the packages below it.
"""

from clsim.results.reader import RunFiles, read_run
from clsim.verify.check import Check
from clsim.verify.verification import Verification, verify

__all__ = ["Check", "RunFiles", "Verification", "read_run", "verify"]
