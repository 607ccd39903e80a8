"""Opens registries."""

from registry.scripting import ModelRegistry, ValidationError, load_model_registry

__all__ = ["ModelRegistry", "ValidationError", "load_model_registry"]
