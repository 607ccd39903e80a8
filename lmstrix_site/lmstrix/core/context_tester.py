"""Finds real context windows."""

from registry.scripting import ValidationError
from testing.scripting import ContextTester

__all__ = ["ContextTester", "ValidationError"]
