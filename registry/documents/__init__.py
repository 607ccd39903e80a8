"""Registries as documents: what is in one, and how files of every format are read and written; pure."""
