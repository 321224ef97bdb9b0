"""Features of frozen backbones, computed once and stored on disk for all runs."""
