"""Data sets, one module each, with the formats of captions and split lists that they share."""
