"""Schemas of the recipes of models."""
