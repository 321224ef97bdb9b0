"""Runs of one experiment side by side: strategies over seeds, with intervals, differences and published rows."""

from clsim.report.compare.comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
