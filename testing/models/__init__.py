"""The tables of testing, one file per noun."""

from testing.models.context_test import ContextTest, Probe

__all__ = ["ContextTest", "Probe"]
