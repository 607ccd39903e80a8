"""Rows as JSON, CSV and YAML."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry.rendering import defused, render

NOW = datetime(2026, 3, 15, 13, 30, tzinfo=UTC)
ROW: dict[str, Any] = {
    "id": "größe, 2", "size": 5, "speed": -1.5, "stale": False, "tags": ["a", "b"], "tested": None, "date": NOW,
    "extra": {"x": 1},
}  # fmt: skip


def sheet(*rows: dict[str, Any]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(render(rows, list(rows[0]), "csv"))))


def test_json_and_yaml_hold_the_chosen_columns_exactly() -> None:
    expected = [{"size": 5, "id": "größe, 2", "tested": None, "date": "2026-03-15T13:30:00+00:00"}]
    columns = ["size", "id", "tested", "date"]
    assert json.loads(render([ROW], columns, "json")) == expected
    assert yaml.safe_load(render([ROW], columns, "yaml")) == expected
    assert list(json.loads(render([ROW], columns, "json"))[0]) == columns


def test_csv_has_a_heading_and_plain_cells() -> None:
    heading, row = sheet(ROW)
    assert heading == list(ROW)
    assert row == ["größe, 2", "5", "-1.5", "no", "a, b", "", "2026-03-15T13:30:00+00:00", '{"x": 1}']


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "=1", "＋1", "－1", "＠x", "﹣1", "\ufeff=1",
        "\u200b=1", "\u00a0=1", "\x00=1", "\tplain",
    ],
)  # fmt: skip
def test_a_cell_that_a_sheet_would_run_is_defused(cell: str) -> None:
    assert defused(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", " ", "plain", "a=b", "1-2", "3.2B", "größe", "'quoted'"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert defused(cell) == cell


def test_headings_and_lists_are_defused_too() -> None:
    assert sheet({"=x": ["=1", "b"]}) == [["'=x"], ["'=1, b"]]


def test_json_is_not_defused() -> None:
    assert json.loads(render([{"a": "=1"}], ["a"], "json")) == [{"a": "=1"}]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no format xml; there is json, csv, yaml"):
        render([], [], "xml")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False))))
def test_any_row_comes_back_from_json_and_yaml(row: dict[str, Any]) -> None:
    assert json.loads(render([row], list(row), "json")) == [row]
    assert yaml.safe_load(render([row], list(row), "yaml")) == [row]


@given(TEXTS)
def test_no_cell_of_a_sheet_begins_a_formula(text: str) -> None:
    ((_, cell),) = [sheet({"a": "x", "b": text})[1]]
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
