"""Opens registries by name or file."""

from __future__ import annotations

import os

from registry import registries
from registry.models import Registry
from registry.models.registry import DEFAULT
from registry.scripting.registry import ModelRegistry


def load_model_registry(name_or_path: str | os.PathLike[str] | None = None) -> ModelRegistry:
    """The default registry, one by its name, or one bound to a file (a path, also of a file that is not there yet).

    Raises ValueError for a name that no registry has, ValidationError for a file that cannot be read as a registry.
    """
    text = os.fspath(name_or_path) if name_or_path is not None else DEFAULT
    if text == DEFAULT:
        return ModelRegistry(Registry.objects.default())
    if found := Registry.objects.filter(name=text, path="").first():
        return ModelRegistry(found)
    if registries.is_path(text):
        return ModelRegistry(registries.bound_to(text))
    known = ", ".join(Registry.objects.values_list("name", flat=True)[:20])
    raise ValueError(f"There is no registry named {text}; there is {known}. A file needs a path or .json at its end.")
