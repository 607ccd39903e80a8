"""The columns in which commands list models: for people, and as plain values for programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from registry.management.base import wrong_usage
from registry.models import GroupMember, LanguageModel, Tag
from registry.models.language_model import LanguageModelQuerySet
from registry.templatetags.figures import plain_size

UNKNOWN = "–"


def _number(value: int) -> str:
    return f"{value:,}"


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


@dataclass(frozen=True)
class Column:
    """One column: its heading, the JSON value of a model (None = unknown), and how that is shown."""

    heading: str
    value: Callable[[LanguageModel], Any]
    shown: Callable[[Any], str] = _words
    number: bool = False


def _field(name: str, heading: str, shown: Callable[[Any], str] = _words, number: bool = False) -> Column:
    def value(model: LanguageModel) -> Any:
        told = getattr(model, name)
        return None if told == "" else told

    return Column(heading, value, shown, number)


def _status(model: LanguageModel) -> str:
    return model.test_status + (", stale" if model.stale else "") + (", missing" if model.missing else "")


def _day(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}"


COLUMNS = {
    "id": Column("Model", lambda model: model.public_id),
    "name": _field("name", "Name"),
    "key": _field("key", "Key"),
    "variant": _field("variant", "Variant"),
    "server": Column("Server", lambda model: model.server.name if model.server else None),
    "type": _field("type", "Type"),
    "architecture": _field("architecture", "Architecture"),
    "parameters": _field("parameters", "Params", number=True),
    "quantization": _field("quantization", "Quant"),
    "size_bytes": _field("size_bytes", "Size", plain_size, number=True),
    "declared_context": _field("declared_context", "Declared", _number, number=True),
    "tested_context": _field("tested_context", "Tested", _number, number=True),
    "usable_context": _field("usable_context", "Usable", _number, number=True),
    "tokens_per_second": _field("tokens_per_second", "Tokens/s", lambda value: f"{value:.1f}", number=True),
    "ttft_seconds": _field("ttft_seconds", "First token", lambda value: f"{value:.2f} s", number=True),
    "load_seconds": _field("load_seconds", "Load", lambda value: f"{value:.1f} s", number=True),
    "peak_memory_bytes": _field("peak_memory_bytes", "Memory", plain_size, number=True),
    "status": Column("Status", _status),
    "test_status": _field("test_status", "Test"),
    "test_verdict": _field("test_verdict", "Verdict"),
    "last_tested": _field("last_tested", "Last tested", _day),
    "stale": _field("stale", "Stale"),
    "missing": _field("missing", "Missing"),
    "state": _field("state", "State"),
    "vision": _field("vision", "Vision"),
    "tool_use": _field("tool_use", "Tools"),
    "tags": Column("Tags", lambda model: []),
    "groups": Column("Groups", lambda model: []),
    "favourite": _field("favourite", "Favourite"),
    "pinned": _field("pinned", "Pinned"),
    "notes": _field("notes", "Notes"),
    "description": _field("description", "Description"),
    "added": _field("added", "Added", _day),
    "updated": _field("updated", "Updated", _day),
}
SHORT = {
    "ctx": "tested_context", "declared": "declared_context", "size": "size_bytes", "params": "parameters",
    "arch": "architecture", "quant": "quantization", "speed": "tokens_per_second", "date": "last_tested",
    "tag": "tags", "group": "groups", "memory": "peak_memory_bytes", "usable": "usable_context", "model": "id",
}  # fmt: skip
IN_TABLE = (
    "id", "server", "size_bytes", "parameters", "declared_context", "tested_context", "tokens_per_second", "status",
)  # fmt: skip
IN_SHEET = tuple(name for name in COLUMNS if name != "status")  # which is two other columns in words
# columns that are rows of another table: which, and where the name is
NAMES: dict[str, tuple[type[Model], str]] = {"tags": (Tag, "name"), "groups": (GroupMember, "group__name")}


def chosen(text: str) -> tuple[str, ...]:
    """The columns named in `text`, parted by commas; exit 2 that names those there are."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    columns = tuple(dict.fromkeys(SHORT.get(name, name) for name in names))
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or not columns:
        named = f"There is no column {unknown[0]}" if unknown else "--columns names no column"
        raise wrong_usage(f"{named}; there is {', '.join(COLUMNS)}.")
    return columns


def as_rows(models: LanguageModelQuerySet, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Each model as plain values by column, in a fixed number of queries."""
    beside = {name: _names(models, name) for name in NAMES if name in columns}
    return [
        {name: beside[name].get(model.pk, []) if name in beside else COLUMNS[name].value(model) for name in columns}
        for model in models.select_related("server").with_public_id()
    ]


def _names(models: LanguageModelQuerySet, column: str) -> dict[int, list[str]]:
    """The names of the tags or groups by the model's primary key; as plain rows, since objects take far longer."""
    table, path = NAMES[column]
    rows = table._default_manager.filter(model__in=models.order_by().values("pk"))
    found: dict[int, list[str]] = defaultdict(list)
    for key, name in rows.order_by(path).values_list("model_id", path).distinct():
        found[key].append(name)
    return found


def as_cells(row: dict[str, Any]) -> list[str]:
    """A row as it is shown to people; unknown is a dash."""
    return [UNKNOWN if value is None else COLUMNS[name].shown(value) or UNKNOWN for name, value in row.items()]
