"""Finds the real context window of a model."""
