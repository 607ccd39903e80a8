"""Finds the model that a profile means now, and says of every other one why it was passed over.

The rule. A model can be taken when its server offers it, is enabled and answers, when it answers prompts (embedding
models do not), and when it meets every requirement of the profile; what is not known meets none. Of those that can be
taken the best is, each point deciding only where those before it are equal:

1. a preferred model, in the order of the profile;
2. one whose verified window holds the profile's max_context;
3. one that is loaded now;
4. the faster one by measured tokens/s;
5. the one with the larger verified window;
6. the one that takes less memory;
7. the first by key, then the one known longest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry.models import LanguageModel, Profile, Server, Tag
from registry.models.language_model import State
from registry.naming import same
from registry.weighing import failings, memory, unverified, verified

READ = (
    "registry", "server", "key", "variant", "name", "type", "missing", "state", "vision", "tool_use",
    "reasoning_options", "tested_context", "test_status", "test_verdict", "stale", "tokens_per_second",
    "peak_memory_bytes", "size_bytes",
)  # fmt: skip
LAST = float("inf")
ABLE = "could be used too"  # the kind of those that nothing keeps out


class PassedOver(NamedTuple):
    """A model that was not taken: the whole reason in words, and in short what kind of reason it is."""

    model: LanguageModel
    reason: str
    kind: str


@dataclass(frozen=True)
class Resolution:
    """The answer of a profile: the model to use now (None: no model can be taken), and why no other one.

    `passed_over` holds every other model of the registry, the nearest first; `unknown` the preferred ids that mean no
    model of it. Models have what `public_id` needs, and their server, without a query.
    """

    profile: Profile
    model: LanguageModel | None
    why: str
    runner_up: LanguageModel | None
    passed_over: list[PassedOver]
    unknown: list[str]
    warning: str = ""

    @property
    def kinds(self) -> list[tuple[str, int]]:
        """The kinds of reasons with how many models each kept out, most first."""
        return Counter(each.kind for each in self.passed_over).most_common()

    def told(self, most: int) -> dict[str, Any]:
        """All of it for programs, with at most so many reasons."""
        return {
            "profile": self.profile.name,
            "model": _named(self.model),
            "why": self.why,
            "runner_up": _named(self.runner_up),
            "warning": self.warning,
            "unknown": self.unknown,
            "passed_over": [
                {**(_named(m) or {}), "reason": reason, "kind": kind} for m, reason, kind in self.passed_over[:most]
            ],
            "passed_over_total": len(self.passed_over),
            "kinds": dict(self.kinds),
        }

    @property
    def sentence(self) -> str:
        """The answer in one line."""
        if self.model is None:
            return f"{self.profile} has no model to use now"
        return f"{self.profile} uses {self.model.key} on {self.model.server}"


def _named(model: LanguageModel | None) -> dict[str, Any] | None:
    if model is None:
        return None
    server = model.server.name if model.server else None
    return {"id": model.pk, "public_id": model.public_id, "key": model.key, "server": server}


class _Rank(NamedTuple):
    """The points of the rule in their order, smaller is better."""

    preferred: float
    narrow: bool
    unloaded: bool
    slowness: float
    smallness: float
    memory: float
    key: str
    pk: int


def resolve(profile: Profile) -> Resolution:
    """The model that `profile` means now; three queries at most, whatever the number of models."""
    models = _candidates(profile)
    preferred, unknown = _preferred(profile, models)
    tags = _tags(profile)
    ranks = {model.pk: _rank(profile, model, preferred.get(model.pk, LAST)) for model in models}
    faults = {model.pk: list(failings(profile, model, tags.get(model.pk, set()))) for model in models}
    models.sort(key=lambda model: ranks[model.pk])
    able = [model for model in models if not faults[model.pk]]
    best = able[0] if able else None
    passed_over = [_passed_over(model, faults[model.pk], best, ranks) for model in models if model is not best]
    # preferred ones first, then those that could have been taken
    passed_over.sort(key=lambda each: (each.model.pk not in preferred, bool(faults[each.model.pk])))
    return Resolution(
        profile, best, _why(best, ranks, len(able)), able[1] if len(able) > 1 else None, passed_over, unknown,
        _warning(profile, best),
    )  # fmt: skip


def _candidates(profile: Profile) -> list[LanguageModel]:
    """All models of the registry with their servers and what `public_id` counts, in two queries."""
    models = list(LanguageModel.objects.filter(registry=profile.registry_id).only(*READ).order_by())
    servers = Server.objects.in_bulk()
    keys = Counter(model.key for model in models)
    places = Counter((model.server_id, model.key) for model in models)
    for model in models:
        model.server = servers.get(model.server_id) if model.server_id else None
        vars(model).update(same_key=keys[model.key], same_here=places[model.server_id, model.key])
    return models


def _preferred(profile: Profile, models: list[LanguageModel]) -> tuple[dict[int, int], list[str]]:
    """The place of each preferred model in the profile's list, and the ids that mean none."""
    names: dict[str, list[int]] = {}
    long_names: dict[str, list[int]] = {}
    for model in models:
        names.setdefault(model.key, []).append(model.pk)
        if model.server is not None:
            long_name = f"{model.server.name}/{model.key}"
            for name in (long_name, f"{long_name}@{model.variant}"):
                long_names.setdefault(name, []).append(model.pk)
    places: dict[int, int] = {}
    unknown = []
    for place, name in enumerate(profile.preferred_models):
        meant = names.get(name) or long_names.get(name) or []
        unknown += [] if meant else [name]
        for pk in meant:
            places.setdefault(pk, place)
    return places, unknown


def _tags(profile: Profile) -> dict[int, set[str]]:
    """The tags of each model, without their capitals, when the profile asks for any."""
    tags: dict[int, set[str]] = {}
    if profile.tags:
        asked = {same(name) for name in profile.tags}
        rows = Tag.objects.filter(model__registry=profile.registry_id).order_by().values_list("model_id", "name")
        for model, name in rows:
            if same(name) in asked:
                tags.setdefault(model, set()).add(same(name))
    return tags


def _loaded(model: LanguageModel) -> bool:
    return model.state in (State.LOADED, State.ACTIVE)


def _rank(profile: Profile, model: LanguageModel, preferred: float) -> _Rank:
    window = verified(model) or 0
    return _Rank(
        preferred, bool(profile.max_context and window < profile.max_context), not _loaded(model),
        -(model.tokens_per_second or 0), -window, memory(model) or LAST, model.key, model.pk,
    )  # fmt: skip


def _passed_over(
    model: LanguageModel, faults: list[tuple[str, str]], best: LanguageModel | None, ranks: dict[int, _Rank]
) -> PassedOver:
    if faults or best is None:
        return PassedOver(model, "; ".join(reason for _, reason in faults), faults[0][0])
    return PassedOver(model, _behind(model, best, ranks), ABLE)


def _behind(model: LanguageModel, best: LanguageModel, ranks: dict[int, _Rank]) -> str:
    """The first point of the rule in which `model` comes after `best`."""
    mine, first = ranks[model.pk], ranks[best.pk]
    if mine.preferred != first.preferred:
        return (
            "preferred, but later in the list" if mine.preferred != LAST else "meets everything, but is not preferred"
        )
    if mine.narrow != first.narrow and not mine.smallness:
        return unverified(model)
    if mine.narrow != first.narrow:
        return f"its verified window of {-mine.smallness:,.0f} does not hold a whole request"
    if mine.unloaded != first.unloaded:
        return f"{best.key} is loaded already, this one is not"
    if mine.slowness != first.slowness:
        if not mine.slowness:
            return f"its speed was not measured; {best.key} makes {-first.slowness:,.1f} tokens/s"
        return f"slower: {-mine.slowness:,.1f} of {-first.slowness:,.1f} tokens/s"
    if mine.smallness != first.smallness:
        return f"a smaller verified window: {-mine.smallness:,.0f} of {-first.smallness:,.0f}"
    if mine.memory != first.memory:
        return "takes more memory" if mine.memory != LAST else "what it takes is not known"
    return f"equal in everything; {best.public_id} comes first by name"


def _why(best: LanguageModel | None, ranks: dict[int, _Rank], able: int) -> str:
    if best is None:
        return ""
    rank = ranks[best.pk]
    if rank.preferred == 0:
        return "It is the first preferred model."
    if rank.preferred != LAST:
        return "It is the first preferred model that can be used now."
    told = _told(rank)
    among = f"best of {able:,}" if able > 1 else "only one"
    return f"It is the {among} that can be used{f': {told}' if told else ''}."


def _told(rank: _Rank) -> str:
    """What is known of a model, as far as it decides."""
    known = [
        "loaded now" if not rank.unloaded else "", f"{-rank.slowness:,.1f} tokens/s" if rank.slowness else "",
        f"{-rank.smallness:,.0f} tokens verified" if rank.smallness else "",
    ]  # fmt: skip
    return ", ".join(part for part in known if part)


def _warning(profile: Profile, best: LanguageModel | None) -> str:
    """What the profile promises and its model was not seen to keep."""
    if best is None or not profile.max_context:
        return ""
    window = verified(best)
    if window is None:
        return f"A request may take {profile.max_context:,} tokens, and no window of {best.key} is verified; test it."
    if window < profile.max_context:
        return f"A request may take {profile.max_context:,} tokens, but only {window:,} are verified for {best.key}."
    return ""
