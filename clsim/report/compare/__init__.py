"""Comparison of strategies over seeds: intervals, differences, published rows."""

from clsim.report.compare.comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
