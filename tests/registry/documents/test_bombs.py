"""Files made to hurt: each is refused with a sentence, below two seconds and 200 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from registry.documents import reading
from registry.documents.content import ModelId
from tests.registry.documents.bombs import BOMBS, zipped

ROOT = Path(__file__).resolve().parents[3]
SENTENCES = {
    "gzip": "unpacks to more than 300 times its size", "zip": "unpacks to more than 300 times its size",
    "twice": "packed twice", "cut": "cut off", "two files": "must hold one file, and holds 2",
    "laughs": "line 1, column 4: an anchor", "anchor": "an anchor", "tag": "the tag",
    "deep json": "nested deeper than 100 levels", "deep list": "nested deeper than 100 levels",
    "deep yaml": "nest", "deep yaml lines": "nested deeper than 100 levels",
    "NaN": "NaN, which is not a number", "Infinity": "Infinity, which is not a number",
    "yaml NaN": "is a number that no registry can hold", "surrogate": "half a character",
    "NUL": 'models["m"].name: holds the character NUL', "NUL in a key": "holds the character NUL",
    "NUL in yaml": "holds the character NUL", "raw NUL": "holds the character NUL",
    "digits": "more than 400 digits", "yaml digits": "is a number that no registry can hold",
    "csv digits": "line 2, column size_bytes: must be a number", "same key": "the same key twice",
    "same yaml key": "the same key stands twice", "values": "more than 2,000,000 values",
    "cells": "more than the 1 columns",
}  # fmt: skip


@cache
def costs() -> dict[str, tuple[float, int, str]]:
    """What each bomb cost, all read one after the other in one process of their own."""
    command = [sys.executable, "-m", "tests.registry.documents.bombs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: (seconds, growth, text) for name, seconds, growth, text in lines}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little_and_is_refused_with_a_sentence(name: Any) -> None:
    seconds, growth, text = costs()[name]
    assert SENTENCES[name] in text
    assert (seconds < 2, growth < 200_000_000) == (True, True), (seconds, growth)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a/../../b"])
def test_a_path_is_a_name_like_any_other(name: Any) -> None:
    document = json.dumps({"registry": name, "models": {name: {}}}).encode()
    content = reading.read(zipped((name, document)), name=name)
    assert (list(content.models), content.registry) == ([ModelId("", name, "")], name)
