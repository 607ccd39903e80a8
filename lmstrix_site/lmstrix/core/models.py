"""States of models, and the memory they take."""

from registry.scripting import ValidationError
from registry.scripting.states import ModelStateManager

__all__ = ["ModelStateManager", "ValidationError"]
