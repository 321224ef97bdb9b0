"""Builders of streams, one kind a file."""
