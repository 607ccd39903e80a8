"""The registry for scripts and `manage.py shell`, by the guide's names."""

from registry.documents.content import Unreadable as ValidationError
from registry.scripting.opening import load_model_registry
from registry.scripting.registry import ModelRegistry

__all__ = ["ModelRegistry", "ValidationError", "load_model_registry"]
