"""Checks of a scenario across its sections."""
