"""The filter language in plain Python: made-up models, made-up filters, and which of them should be let through."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from registry.filters import KEYS

NOW = datetime(2026, 3, 15, 13, 30, tzinfo=UTC)
Row = dict[str, Any]
Meets = Callable[[Row], bool]

NAMES = [
    "Qwen3 8B",
    "llama-3.2-3b",
    "Ünïcode",
    "модель Ж",
    "100%_real",
    "a[b]c?",
    "back\\slash",
    "naïve*",
    "模型",
    "O'Neil",
]
SERVERS = ["desk", "Shelf", "größe, 2"]
LABELS = ["chat", "Llama", "my tag", "a:b", "größe", "x_y", "50%"]
GROUPS = ["daily", "CI", "Äpfel"]
SIZES = [None, 0, 999_999_999, 10**9, 5 * 10**9, 5 * 10**9 + 1, 4 * 2**30, 2**62]
CONTEXTS = [None, 1, 8192, 32_767, 32_768, 32_769, 131_072]
SPEEDS = [None, 0.0, 12.5, 40.0, 40.1]
COUNTS = [None, 135 * 10**6, 7 * 10**9, 7 * 10**9 + 1]
TIMES = [
    None, NOW, NOW - timedelta(days=1), NOW - timedelta(days=30), NOW - timedelta(days=30, seconds=1),
    datetime(2026, 3, 15, tzinfo=UTC), datetime(2026, 3, 14, 23, 59, 59, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC),
]  # fmt: skip
WHAT_IS: dict[str, Meets] = {
    "favourite": lambda row: row["favourite"],
    "pinned": lambda row: row["pinned"],
    "stale": lambda row: row["stale"],
    "missing": lambda row: row["missing"],
    "custom": lambda row: row["server"] is None,
    "loaded": lambda row: row["state"] in ("loaded", "active"),
    "drifting": lambda row: False,  # no invented model has a loaded copy
    "overstated": lambda row: (
        (row["test_status"], row["stale"]) == ("tested", False) and row["tested_context"] is not None
        and row["tested_context"] < (row["declared_context"] or 0)
    ),
}  # fmt: skip
WHAT_HAS: dict[str, Meets] = {
    "vision": lambda row: row["vision"] is True,
    "tools": lambda row: row["tool_use"] is True,
    "reasoning": lambda row: bool(row["reasoning_options"]),
}


def invented(pick: random.Random, number: int) -> Row:
    """The fields of one model, many of them unknown."""
    choice = pick.choice
    texts: dict[str, Sequence[Any]] = {
        "key": [f"org/{name.lower()}-{number}" for name in NAMES], "name": NAMES, "type": ["", *KEYS["type"].choices],
        "architecture": ["", "llama", "Qwen3", "größe"], "quantization": ["", "Q4_K_M", "q4-0", "MXFP4"],
        "test_status": KEYS["status"].choices, "state": KEYS["state"].choices,
    }  # fmt: skip
    others: dict[str, Sequence[Any]] = {
        "parameter_count": COUNTS, "size_bytes": SIZES, "declared_context": CONTEXTS, "tested_context": CONTEXTS,
        "last_tested": TIMES, "tokens_per_second": SPEEDS, "vision": [None, True, False],
        "tool_use": [None, True, False], "reasoning_options": [[], ["on"], ["low", "high"]],
    }  # fmt: skip
    marks = {name: [True, False, False] for name in ("favourite", "pinned", "stale", "missing")}
    return {name: choice(values) for name, values in {**texts, **others, **marks}.items()}


def fits(form: str, text: str | None) -> bool:
    """Whether `text` has the form, sign by sign, where `*` is any signs and letters are of any case."""
    if text is None:
        return False
    ends = {0}
    for sign in form:
        if sign == "*":
            ends = set(range(min(ends), len(text) + 1)) if ends else set()
        else:
            ends = {end + 1 for end in ends if text[end : end + 1] in {sign, sign.lower(), sign.upper()} - {""}}
    return len(text) in ends


def in_name(form: str) -> Meets:
    return lambda row: fits(f"*{form}*", row["name"]) or fits(f"*{form}*", row["key"])


def quoted(value: str) -> str:
    return f'"{value}"' if set(value) & set(',:"') else value


def form_of(pick: random.Random, texts: list[str]) -> str:
    """One of the texts, perhaps in other case, perhaps a piece of it with a `*`."""
    form = pick.choice(texts)
    form = pick.choice([form, form.lower(), form.upper(), form.swapcase()])
    cut = pick.randrange(len(form))
    return pick.choice([form, form[:cut] + "*", "*" + form[cut:], form[:cut] + "*" + form[cut + 1 :], form + "x"])


def a_text(pick: random.Random, key: str) -> tuple[str, Meets]:
    known = {
        "name": NAMES, "server": SERVERS, "tag": LABELS, "group": GROUPS,
        "arch": ["llama", "Qwen3", "größe"], "quant": ["Q4_K_M", "q4-0", "MXFP4"],
    }  # fmt: skip
    form = form_of(pick, known[key])
    column = {"arch": "architecture", "quant": "quantization", "server": "server"}.get(key, "")
    meets: dict[str, Meets] = {
        "name": in_name(form),
        "tag": lambda row: any(fits(form, tag) for tag in row["tags"]),
        "group": lambda row: any(fits(form, group) for group in row["groups"]),
    }
    return quoted(form), meets.get(key, lambda row: bool(row[column]) and fits(form, row[column]))


def a_choice(pick: random.Random, key: str) -> tuple[str, Meets]:
    value = pick.choice(KEYS[key].choices)
    if key in ("is", "has"):
        return value, {**WHAT_IS, **WHAT_HAS}[value]
    column = {"status": "test_status"}.get(key, key)
    return value.title(), lambda row: row[column] == value


AMOUNTS: dict[str, tuple[str, dict[str, float]]] = {
    "size": ("size_bytes", {"1GB": 1e9, "5 GB": 5e9, "4GiB": 2**32, "0": 0, "999999999": 999_999_999, "0.5tb": 5e11}),
    "ctx": ("tested_context", {"32k": 32_768, "8192": 8192, "128K": 131_072, "1": 1}),
    "declared": ("declared_context", {"32768": 32_768, "8k": 8192}),
    "params": ("parameter_count", {"7B": 7e9, "135M": 135e6, "1.5b": 1.5e9}),
    "speed": ("tokens_per_second", {"40": 40.0, "12.5": 12.5, "0": 0.0}),
}
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b, "": lambda a, b: a == b,
}  # fmt: skip


def an_amount(pick: random.Random, key: str) -> tuple[str, Meets]:
    column, known = AMOUNTS[key]
    (low, least), (high, most) = sorted(pick.choices(list(known.items()), k=2), key=lambda each: each[1])
    if pick.random() < 0.4:
        return f"{low}-{high}", lambda row: row[column] is not None and least <= row[column] <= most
    sign = pick.choice(list(COMPARED))
    return f"{sign}{low}", lambda row: row[column] is not None and COMPARED[sign](row[column], least)


def a_day(pick: random.Random, key: str) -> tuple[str, Meets]:
    days = {"today": "2026-03-15", "yesterday": "2026-03-14"}
    first, last = sorted(pick.choices(["2026-03-15", "2026-03-14", "2024-01-01", "2020-05-05"], k=2))
    sign = pick.choice(list(COMPARED))
    word = pick.choice(list(days))
    forms: list[tuple[str, Callable[[datetime], bool]]] = [
        ("30d", lambda at: at >= NOW - timedelta(days=30)),
        ("36h", lambda at: at >= NOW - timedelta(hours=36)),
        (f"{first}-{last}", lambda at: first <= at.date().isoformat() <= last),
        (f"{sign}{first}", lambda at: COMPARED[sign](at.date().isoformat(), first)),
        (f"{sign}{word}", lambda at: COMPARED[sign](at.date().isoformat(), days[word])),
    ]
    text, meets = pick.choice(forms)
    return text, lambda row: row["last_tested"] is not None and meets(row["last_tested"])


def a_value(pick: random.Random, key: str) -> tuple[str, Meets]:
    if key == "date":
        return a_day(pick, key)
    make = a_choice if KEYS[key].choices else an_amount if key in AMOUNTS else a_text
    return make(pick, key)


def an_expression(pick: random.Random) -> tuple[str, Meets]:
    """A filter of up to three conditions, perhaps after some words, and whether a row meets it."""
    texts: list[str] = []
    all_of: list[list[Meets]] = []
    if pick.random() < 0.2:
        words = [pick.choice(["qwen", "8B", "ORG", "üN", "%", "ж", "_"]) for _ in range(pick.randrange(1, 3))]
        texts.append(" ".join(words))
        all_of.append([lambda row: all(in_name(word)(row) for word in words)])
    for key in pick.choices(list(KEYS), k=pick.randrange(0 if texts else 1, 4)):
        values = [a_value(pick, key) for _ in range(pick.choice([1, 1, 2, 3]))]
        texts.append(f"{key}:" + ",".join(text for text, _ in values))
        all_of.append([meets for _, meets in values])
    return ",".join(texts), lambda row: all(any(meets(row) for meets in any_of) for any_of in all_of)
