"""What a name means for one request, as at the gateway: a model, `server/key`, `group:NAME` or `profile:NAME`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F

from registry import finding, grouping, loading, profiling, resolving
from registry.models import LanguageModel, Registry
from registry.models.language_model import State

GROUP, PROFILE = "group:", "profile:"
CHARACTERS = 4.0  # per token, where no test has measured it
IN_MEMORY = (State.ACTIVE, State.LOADED)


@dataclass(frozen=True)
class Called:
    """The models that a name means, the first to take first; what a profile says of the request."""

    models: Sequence[LanguageModel]
    temperature: float | None = None
    max_context: int | None = None


def called(registry: Registry, name: str) -> Called:
    """The models behind `name`; ValueError for people when there is none."""
    if name.startswith(PROFILE):
        profile = profiling.profile_named(registry, name.removeprefix(PROFILE))
        found = resolving.resolve(profile)
        if found.model is None:
            raise ValueError(f"No model meets what the profile {profile} asks for; its page says of each model why.")
        models = [model for model in (found.model, found.runner_up) if model is not None]
        return Called(_whole(models), profile.temperature, profile.max_context)
    if name.startswith(GROUP):
        group = grouping.group_named(registry, name.removeprefix(GROUP))
        models = list(grouping.models_of(group).select_related("server", "registry"))
        if not models:
            raise ValueError(f"The group {group} has no models; add some on its page.")
        return Called(_in_memory_first(models))
    models = list(LanguageModel.objects.filter(registry=registry).named(name).select_related("server", "registry"))
    if len({model.key for model in models}) != 1 or len({(m.server_id, m.key) for m in models}) != len(models):
        models = _whole([finding.model_named(registry, name, otherwise=" See Models for all.")])
    return Called(_in_memory_first(models))


def chosen(call: Called, prompt: str) -> LanguageModel:
    """The first that can be asked and whose window holds `prompt`; ValueError that says why none can, with numbers."""
    reasons = []
    for model in call.models:
        objection = loading.objection(model) or _silent(model) or _no_chat(model) or _too_long(model, prompt)
        if not objection:
            return model
        reasons.append(objection)
    raise ValueError(" ".join(dict.fromkeys(reasons[:3])))


def tokens_of(model: LanguageModel, text: str) -> int:
    """About how many tokens `text` is to `model`."""
    return math.ceil(len(text) / (model.characters_per_token or CHARACTERS))


def _whole(models: Sequence[LanguageModel]) -> list[LanguageModel]:
    """The models with all their fields, in this order: a resolution holds only what it needs."""
    rows = LanguageModel.objects.select_related("server", "registry").in_bulk([model.pk for model in models])
    return [rows[model.pk] for model in models if model.pk in rows]


def _in_memory_first(models: Sequence[LanguageModel]) -> list[LanguageModel]:
    return sorted(models, key=lambda model: model.state not in IN_MEMORY)


def _silent(model: LanguageModel) -> str:
    """A server that did not answer the last look is not waited for; where that is wrong, the next look says so."""
    if model.server is not None and model.server.reachable is False:
        return f"{model.server} does not answer, so {model.key} cannot be asked there; see Servers."
    return ""


def _no_chat(model: LanguageModel) -> str:
    return f"{model.key} makes embeddings; it does not answer prompts." if model.type == "embedding" else ""


def _too_long(model: LanguageModel, prompt: str) -> str:
    window, tokens = model.tested_context or model.declared_context, tokens_of(model, prompt)
    if window is None or tokens < window:
        return ""
    kind = "verified" if model.tested_context else "declared"
    return (
        f"The prompt takes about {tokens:,} tokens ({len(prompt):,} characters), and the {kind} window of "
        f"{model.key} is {window:,}."
    )


def by_name(registry: Registry, limit: int) -> list[LanguageModel]:
    """Models that can be asked, those in memory first: for a list to choose from."""
    models = LanguageModel.objects.filter(registry=registry).present().exclude(server=None).exclude(type="embedding")
    models = models.with_public_id()
    loaded = models.filter(state__in=IN_MEMORY).select_related("server").order_by("key", "pk")
    rest = models.exclude(state__in=IN_MEMORY).select_related("server")
    rest = rest.order_by(F("last_tested").desc(nulls_last=True), "key", "pk")
    return [*loaded[:limit], *rest[:limit]][:limit]
