"""Finds the one model that a name means."""

from __future__ import annotations

from registry.models import LanguageModel, Registry

SHOWN = 5  # names that are near


def model_named(registry: Registry, name: str, *, where: str = "", otherwise: str = "") -> LanguageModel:
    """The one model that `name` means; ValueError that says what is near, or names the candidates.

    `where` follows the name in the sentence, `otherwise` the sentence when nothing is near.
    """
    found = list(LanguageModel.objects.filter(registry=registry).named(name).for_list()[:20])
    if not found:
        alike = LanguageModel.objects.filter(registry=registry, key__icontains=name)
        near = ", ".join(alike.values_list("key", flat=True)[:SHOWN])
        raise ValueError(f"There is no model named {name}{where}.{f' Near it: {near}.' if near else otherwise}")
    if len(found) > 1:
        raise ValueError(f"{name} may mean {', '.join(model.public_id for model in found)}; name one of them.")
    return found[0]
