"""Checkpoints of a run: the state of everything that learns, in files without code."""
