"""Data sets, images and captions in memory."""
