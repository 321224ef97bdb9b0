"""Continual-learning simulation."""
