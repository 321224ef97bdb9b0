"""Formulas of the metrics, as pure functions."""
