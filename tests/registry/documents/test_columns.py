"""What files may hold is what the tables can hold."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models

from registry.documents import columns
from registry.documents.checking import Choice, Text, Whole
from registry.models import Group, LanguageModel, Profile, Server, Tag
from testing.models import ContextTest, Probe

TABLES: list[tuple[Any, Any]] = [
    (columns.MODEL, LanguageModel), (columns.SERVER, Server), (columns.GROUP, Group), (columns.PROFILE, Profile),
    (columns.TEST, ContextTest), (columns.PROBE, Probe),
]  # fmt: skip
PAIRS = [
    (check, table._meta.get_field(name))
    for checks, table in TABLES
    for name, check in checks.items()
    if not (table is LanguageModel and name == "tags")
]
SMALL = 2**31 - 1


@pytest.mark.parametrize(("check", "column"), PAIRS, ids=[str(column) for _, column in PAIRS])
def test_a_file_may_hold_what_its_column_holds(check: Any, column: Any) -> None:
    if isinstance(check, Text):
        assert check.limit == column.max_length
    if isinstance(check, Choice):
        assert set(check.options) == {value for value, _ in column.choices}
    if isinstance(check, Whole):
        assert check.most == (SMALL if type(column) is models.IntegerField else 2**63 - 1)


def test_a_tag_may_be_as_long_as_the_table_allows() -> None:
    assert Tag._meta.get_field("name").max_length == columns.LONGEST_NAME
