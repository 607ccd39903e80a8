"""Columns of a table as the JSON values of a content, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import CharField, DateTimeField, Field, JSONField, Model, TextField

from registry.documents.content import Fields, iso


def moment(text: str) -> datetime:
    """The time that a content tells; one without a zone is UTC. ValueError when it is none."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Columns:
    """Some columns of one table in the form of a content's fields."""

    def __init__(self, table: type[Model], names: Iterable[str]) -> None:
        fields: dict[str, Field[Any, Any]] = {field.name: field for field in table._meta.concrete_fields}
        self.fields = {name: fields[name] for name in names if name in fields}
        self.names = tuple(self.fields)
        self._times = frozenset(name for name, field in self.fields.items() if isinstance(field, DateTimeField))
        self._unknown = {name: _unknown(field) for name, field in self.fields.items() if not field.null}

    def told(self, row: Sequence[Any]) -> Fields:
        """The values of `names`, as a query gives them, as a content has them."""
        told = dict(zip(self.names, row, strict=True))
        for name in self._times:
            told[name] = iso(told[name])
        return told

    def changes(self, before: Fields, wanted: Fields) -> Fields:
        """What of `wanted` differs from `before` (which is of `told`); what it does not tell stays."""
        differing = {}
        for name in self.names:
            if name in wanted and wanted[name] != before[name]:
                value = self._normal(name, wanted[name])
                if value != before[name] and (value is not None or self.fields[name].null):
                    differing[name] = value
        return differing

    def values(self, fields: Fields) -> dict[str, Any]:
        """What of `fields` an object of the table takes; what is left out gets the column's default."""
        found = {}
        for name in self.names:
            if name in fields and ((value := self._normal(name, fields[name])) is not None or self.fields[name].null):
                found[name] = moment(value) if value is not None and name in self._times else value
        return found

    def _normal(self, name: str, value: Any) -> Any:
        """As `told` gives it; null where the column must hold something says nothing, except of texts and lists."""
        if value is None:
            return self._unknown.get(name)
        return iso(moment(value)) if name in self._times else value


def _unknown(field: Field[Any, Any]) -> Any:
    """What stands for unknown in a column that must hold something; None where nothing does."""
    if isinstance(field, CharField | TextField) and field.blank:
        return ""
    return field.get_default() if isinstance(field, JSONField) else None
