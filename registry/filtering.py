"""The models that a filter lets through, as a query."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import CharField, Exists, F, Lookup, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.db.models.lookups import Exact

from registry.filters import KEYS, WORDS, Bounds, Condition, Expression, parse
from registry.models import GroupMember, Instance, LanguageModel, Server, Tag
from registry.models.language_model import CheckStatus, LanguageModelQuerySet, State

COLUMNS = {
    "status": "test_status",
    "size": "size_bytes",
    "ctx": "tested_context",
    "declared": "declared_context",
    "type": "type",
    "arch": "architecture",
    "params": "parameter_count",
    "quant": "quantization",
    "state": "state",
    "date": "last_tested",
    "speed": "tokens_per_second",
}
OVERSTATED = Q(test_status=CheckStatus.TESTED, stale=False, tested_context__lt=F("declared_context"))
MARKS = {
    ("has", "vision"): Q(vision=True),
    ("has", "tools"): Q(tool_use=True),
    ("has", "reasoning"): ~Q(reasoning_options=[]),
    ("is", "favourite"): Q(favourite=True),
    ("is", "pinned"): Q(pinned=True),
    ("is", "stale"): Q(stale=True),
    ("is", "missing"): Q(missing=True),
    ("is", "overstated"): OVERSTATED,
    ("is", "custom"): Q(server=None),
    ("is", "loaded"): Q(state__in=[State.LOADED, State.ACTIVE]),
    ("is", "drifting"): Q(Exists(Instance.objects.filter(model=OuterRef("pk")).exclude(drift=""))),
}


def filtered(
    models: LanguageModelQuerySet, wanted: Expression | str, *, now: datetime | None = None, many: bool = False
) -> LanguageModelQuerySet:
    """Those of `models` that meet every condition, each once; BadFilter when a text cannot be read.

    The answer is the same either way, the time is not: `many` tries the models one by one in the order they are asked
    for, which is soon done when one in a few is meant; else those meant are found first, and put in order.
    """
    expression = parse(wanted, now=now) if isinstance(wanted, str) else wanted
    for condition in expression.conditions:
        models = models.filter(_any(condition, many))
    return models


def _any(condition: Condition, many: bool) -> Q:
    key = condition.key
    if key not in ELSEWHERE:
        return reduce(or_, (_one(key, value) for value in condition.values))
    path, table, column, meets = ELSEWHERE[key]
    meant = reduce(or_, (meets(str(value)) for value in condition.values))
    if many and table is LanguageModel:
        return meant
    found: QuerySet[Any] = table._default_manager.order_by().filter(meant)
    if many and path == "pk":
        return Q(Exists(found.filter(**{column: OuterRef("pk")})))
    return Q(**{f"{path}__in": found.values(column)})  # a subquery: no join that would show a model twice


def _one(key: str, value: str | Bounds) -> Q:
    if isinstance(value, Bounds):
        return reduce(and_, (Q(**{f"{COLUMNS[key]}__{lookup}": limit}) for lookup, limit in value.limits))
    if (key, value) in MARKS:
        return MARKS[key, value]
    if KEYS[key].choices:
        return Q(**{COLUMNS[key]: value})
    return like(COLUMNS[key], value) & Q(**{f"{COLUMNS[key]}__gt": ""})  # empty is unknown, also for `*`


def _named(text: str) -> Q:
    return like("name", f"*{text}*") | like("key", f"*{text}*")


def _all_words(text: str) -> Q:
    return reduce(and_, (_named(word) for word in text.split()))


def _tagged(name: str) -> Q:
    if name.isascii() and "*" not in name:
        return Q(Exact(Lower("name"), name.lower()))  # has an index
    return like("name", name)


# what stands in another table, or is found apart: the models' path, the table, its column, and when a row is meant
ELSEWHERE: dict[str, tuple[str, type[Model], str, Callable[[str], Q]]] = {
    # names apart, so that an index that holds both is read instead of every row in the order of the list
    WORDS: ("pk", LanguageModel, "pk", _all_words),
    "name": ("pk", LanguageModel, "pk", _named),
    "server": ("server", Server, "pk", lambda name: like("name", name)),
    "tag": ("pk", Tag, "model", _tagged),
    "group": ("pk", GroupMember, "model", lambda name: like("group__name", name)),
}


class Like(Lookup):
    """Whether a text has a form in which `*` is anything and letters are of either case, in one way everywhere.

    What the databases do by themselves to ignore case knows ASCII only (SQLite) or depends on a locale (PostgreSQL).
    """

    lookup_name = "like"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, parameters = self.process_lhs(compiler, connection)
        postgresql, form = connection.vendor == "postgresql", str(self.rhs)
        if form.isascii():
            pattern = re.sub(r"([\\%_])", r"\\\1", form).replace("*", "%")
            return f"{left} {'ILIKE' if postgresql else 'LIKE'} %s ESCAPE '\\'", (*parameters, pattern)
        if postgresql:
            pattern = "".join(".*" if sign == "*" else _either(sign, f"\\{sign}") for sign in form)
            return f"{left} ~ %s", (*parameters, f"^{pattern}$")
        pattern = "".join("*" if sign == "*" else _either(sign, f"[{sign}]") for sign in form)
        return f"{left} GLOB %s", (*parameters, pattern)


CharField.register_lookup(Like)


def like(path: str, form: str) -> Q:
    """Whether the text at `path` has this form, where `*` stands for anything."""
    return Q(**{f"{path}__like": form})


def _either(sign: str, literal: str) -> str:
    """A sign in a form: a letter in all its cases, a sign that would mean something taken as itself."""
    cases = sorted({case for case in (sign, sign.lower(), sign.upper()) if len(case) == 1})
    if len(cases) > 1:
        return f"[{''.join(cases)}]"
    return literal if sign.isascii() and not sign.isalnum() else sign
