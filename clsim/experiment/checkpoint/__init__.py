"""Checkpoints of a run: the state of everything that learns, in files that hold no code."""
