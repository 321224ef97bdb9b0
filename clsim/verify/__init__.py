"""Whether the figures of a run follow from what it left and from what they were made of."""

from clsim.results.reader import RunFiles, read_run
from clsim.verify.check import Check
from clsim.verify.verification import Verification, verify

__all__ = ["Check", "RunFiles", "Verification", "read_run", "verify"]
