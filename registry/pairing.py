"""Finds for each model that a server offers the one that is known of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from registry.lmstudio.wire import ReportedModel
from registry.models import LanguageModel


def paired(
    known: Iterable[LanguageModel], offered: Sequence[ReportedModel]
) -> Iterator[tuple[LanguageModel | None, ReportedModel]]:
    """Each offered model with the one of a registry's `known` models of that server, or None for a new one.

    A key that is known once and offered once is the same model, even when its selected variant (its file) changed.
    """
    known = list(known)
    by_identity = {(model.key, model.variant): model for model in known}
    by_key = {model.key: model for model in known}
    known_times, offered_times = Counter(m.key for m in known), Counter(m.key for m in offered)
    for reported in offered:
        key = reported.key
        model = by_identity.get((key, reported.variant or ""))
        if model is None and known_times[key] == offered_times[key] == 1:
            model = by_key[key]
        yield model, reported
