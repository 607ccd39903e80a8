"""Chooses the model and the loaded copy that answer a request (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import groupby
from typing import NamedTuple

from registry.gateway.asking import Asked
from registry.gateway.refusals import INVALID, UNAVAILABLE, Refusal
from registry.gateway.routes import InstanceRoute, Meaning, ModelRoute

RETRY_SECONDS = 5
SLACK = 1.1  # English prose has up to 4.4 characters per token, where 4 are taken
MEASURED_SLACK = 1.02  # what was measured may have moved by so much before it is written again


class Choice(NamedTuple):
    """Who answers; without an instance the model has to be loaded first."""

    model: ModelRoute
    instance: InstanceRoute | None


def choose(meaning: Meaning, asked: Asked, busy: Mapping[str, int], avoided: Collection[int] = ()) -> Choice:
    """Who answers `asked`: of several servers with the same model the one with the fewest requests in flight.

    `busy`: requests in flight by instance. `avoided`: models (pk) that were tried. Refusal says why nobody
    can: the prompt fits no window, an experiment has the servers, or none answers.
    """
    tiers = _tiers(_able(meaning, asked, avoided))
    if not meaning.strict:
        tiers.sort(key=lambda models: not any(_ready(model) for model in models))
    tier = tiers[0]
    loaded = [(model, instance) for model in tier for instance in _ready(model)]
    if not loaded:
        return Choice(min(tier, key=lambda model: _load_of(model, busy)), None)
    fitting = [each for each in loaded if _fits(*each, asked)] or [each for each in loaded if _may_fit(*each, asked)]
    return Choice(*min(fitting, key=lambda each: busy.get(each[1].key, 0)))


def _tiers(models: list[ModelRoute]) -> list[list[ModelRoute]]:
    """The models in their order, those of the same key together: they stand for each other."""
    first = {model.key: place for place, model in reversed(list(enumerate(models)))}
    models = sorted(models, key=lambda model: first[model.key])
    return [list(same) for _, same in groupby(models, key=lambda model: model.key)]


def _ready(model: ModelRoute) -> list[InstanceRoute]:
    return [instance for instance in model.instances if not instance.draining]


def _load_of(model: ModelRoute, busy: Mapping[str, int]) -> int:
    """Requests in flight on its server."""
    prefix = f"{model.server.pk}:"
    return sum(count for key, count in busy.items() if key.startswith(prefix))


def _copies(model: ModelRoute) -> list[InstanceRoute] | list[None]:
    """What can answer for a model: its loaded copies; None stands for the one that would be loaded."""
    return _ready(model) or [None]


def _bound(model: ModelRoute, copy: InstanceRoute | None) -> int | None:
    """The tokens that a copy holds: no more than it is loaded with, nor than were verified; None: nobody knows."""
    known = [window for window in (model.window, copy.context if copy else None) if window is not None]
    return min(known, default=None)


def _fits(model: ModelRoute, copy: InstanceRoute | None, asked: Asked, slack: float = 1.0) -> bool:
    bound = _bound(model, copy)
    return bound is None or asked.tokens(model.characters_per_token) <= bound * slack


def _may_fit(model: ModelRoute, copy: InstanceRoute | None, asked: Asked) -> bool:
    """Whether it fits unless the estimate is further off than it usually is."""
    return _fits(model, copy, asked, MEASURED_SLACK if model.characters_per_token else SLACK)


def _able(meaning: Meaning, asked: Asked, avoided: Collection[int]) -> list[ModelRoute]:
    models = [m for m in meaning.models if any(_may_fit(m, copy, asked) for copy in _copies(m))]
    if not models:
        raise _too_long(meaning.models, asked)
    free = [model for model in models if not model.server.experiment]
    if not free:
        raise _occupied(models)
    usable = [model for model in free if model.pk not in avoided and not model.server.fault]
    if not usable:
        raise unreached(free)
    usable = [model for model in usable if model.server.reachable] or usable
    roomy = [model for model in usable if any(_fits(model, copy, asked) for copy in _copies(model))]
    return roomy or usable


def _too_long(models: tuple[ModelRoute, ...], asked: Asked) -> Refusal:
    """A refusal with the numbers of the model that holds most."""
    widest = max(models, key=lambda model: max(_bound(model, copy) or 0 for copy in _copies(model)))
    copy = max(_copies(widest), key=lambda copy: _bound(widest, copy) or 0)
    bound, tokens = _bound(widest, copy) or 0, asked.tokens(widest.characters_per_token)
    loaded = bound != widest.window
    most = " has the largest window: it" if len(models) > 1 else ""
    return Refusal(
        400,
        f"The prompt takes about {tokens:,} tokens ({asked.longest:,} characters), and {widest.key} on "
        f"{widest.server.name}{most} is {'loaded with' if loaded else 'verified to'} {bound:,} tokens. "
        f"Send a shorter prompt, {'load it with more, ' if loaded else ''}or name a model with a larger window.",
        kind=INVALID, code="context_length_exceeded", param="prompt" if asked.endpoint == "completions" else None,
    )  # fmt: skip


def _occupied(models: list[ModelRoute]) -> Refusal:
    server = min((model.server for model in models), key=lambda server: server.seconds_left)
    return Refusal(
        503,
        f"{server.name} is taken by the experiment {server.experiment}, for about {server.seconds_left} s more, "
        "and no other server has the model. Try again then.",
        kind=UNAVAILABLE, code="server_busy", retry_after=server.seconds_left,
    )  # fmt: skip


def unreached(models: list[ModelRoute]) -> Refusal:
    """No server that has the model can be asked."""
    servers = {model.server.name: model.server for model in models}
    faults = [f"{name}: {server.fault or 'it does not answer'}" for name, server in servers.items()]
    return Refusal(
        502, f"No server can be asked for the model. {'; '.join(faults)}. Look at Servers in LMStrix.",
        kind=UNAVAILABLE, code="server_unreachable", retry_after=RETRY_SECONDS,
    )  # fmt: skip
