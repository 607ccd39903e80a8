"""The native structure as YAML; read without anchors, aliases and tags, so that a small file stays small."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from registry.documents.checking import MAX_DEPTH
from registry.documents.content import Content, Fault, Unreadable
from registry.documents.native import as_native

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
# only what a writer of YAML 1.1 puts in quotes when it means a text
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,399})")
_REAL = re.compile(r"[-+]?[0-9]{1,400}\.[0-9]{0,400}(?:[eE][-+][0-9]{1,4})?")
_ODD = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|[-+]?[0-9]{400,}")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def as_yaml(content: Content, *, full: bool = False) -> bytes:
    """The native document as YAML in UTF-8."""
    text = yaml.dump(as_native(content, full=full), Dumper=_Dumper, allow_unicode=True, sort_keys=True, width=120)
    return str(text).encode()


def loads(text: str, *, max_values: int) -> Any:
    """One YAML document as JSON values, times as texts; Unreadable with line and column when it is none."""
    try:
        return _Builder(max_values).value(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise Unreadable([Fault(_place(error.problem_mark), f"is not YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise Unreadable([Fault("", f"the file is not YAML: {' '.join(str(error).split())[:200]}")]) from None


def _place(mark: Any) -> str:
    return f"line {mark.line + 1:,}, column {mark.column + 1:,}" if mark else ""


class _Builder:
    """Makes values of the parser's events, without recursion."""

    def __init__(self, max_values: int) -> None:
        self._left = max_values
        self._max_values = max_values
        self._open: list[Any] = []  # containers that are not closed yet
        self._keys: list[str | None] = []  # for each the key whose value comes next
        self._root: Any = None
        self._documents = 0

    def value(self, events: Any) -> Any:
        for event in events:
            if isinstance(event, yaml.AliasEvent):
                self._refuse(event, "an alias (*) is not allowed; write the value out")
            elif isinstance(event, yaml.NodeEvent):
                self._take(event)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._open.pop()
                self._keys.pop()
            elif isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self._refuse(event, "there must be one document only")
        return self._root

    def _take(self, event: Any) -> None:
        if event.anchor is not None:
            self._refuse(event, "an anchor (&) is not allowed")
        if event.tag is not None:
            self._refuse(event, f"the tag {event.tag[:60]} is not allowed")
        self._left -= 1
        if self._left < 0:
            self._refuse(event, f"there are more than {self._max_values:,} values")
        if isinstance(event, yaml.ScalarEvent):
            if self._awaits_key():
                self._keys[-1] = event.value
                if event.value in self._open[-1]:
                    self._refuse(event, "the same key stands twice in one object")
            else:
                self._put(self._scalar(event))
            return
        if self._awaits_key():
            self._refuse(event, "a key must be a text")
        if len(self._open) >= MAX_DEPTH:
            self._refuse(event, f"it is nested deeper than {MAX_DEPTH} levels")
        container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(container)
        self._open.append(container)
        self._keys.append(None)

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1], dict) and self._keys[-1] is None

    def _put(self, value: Any) -> None:
        if not self._open:
            self._root = value
        elif isinstance(self._open[-1], dict):
            self._open[-1][self._keys[-1]] = value
            self._keys[-1] = None
        else:
            self._open[-1].append(value)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if not event.implicit[0]:  # in quotes, or a block
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _WHOLE.fullmatch(text):
            return int(text)
        if _REAL.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        if _REAL.fullmatch(text) or _ODD.fullmatch(text):
            self._refuse(event, "is a number that no registry can hold")
        return text

    def _refuse(self, event: Any, text: str) -> None:
        raise Unreadable([Fault(_place(event.start_mark), text)])
