"""Django's admin for the tables of testing, and testing from the list of models."""

from testing.admin import context_tests

__all__ = ["context_tests"]
