"""Sheets (CSV): values that survive a spreadsheet, any subset of columns, faults by line and column."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from registry.documents import reading
from registry.documents.content import Content, ModelId, Unreadable
from registry.documents.sheets import as_csv
from tests.registry.documents.contents_strategy import contents

MODEL = ModelId("", "a", "")


def fields_of(data: bytes) -> dict[str, Any]:
    return next(iter(reading.read(data).models.values()))


@settings(
    suppress_health_check=[HealthCheck.too_slow], phases=(Phase.reuse, Phase.generate), max_examples=60, deadline=None
)
@given(contents(whole=True, with_tests=False))
def test_every_value_of_a_sheet_comes_back(content: Content) -> None:
    read = reading.read(as_csv(content), name="x.csv")
    beside = ("extra", "opening_balance")
    kept = {
        model: {name: value for name, value in fields.items() if name not in beside}
        for model, fields in content.models.items()
    }
    assert read.models == kept


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\r=1", "＝1", " =1", "'=1", "\u200b=1"])
def test_no_cell_starts_a_formula_and_the_value_comes_back(text: Any) -> None:
    data = as_csv(Content(models={MODEL: {"notes": text}}))
    assert f"'{text}".encode() in data
    assert fields_of(data)["notes"] == text


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_seen_from_the_names_of_the_columns(delimiter: Any) -> None:
    data = f"key{delimiter}tags\na{delimiter}qa".encode()
    assert fields_of(data) == {"tags": ["qa"]}


def test_columns_that_are_not_there_tell_nothing() -> None:
    assert fields_of(b"\xef\xbb\xbfkey\r\na\r\n") == {}


def test_columns_may_have_the_names_of_the_native_file() -> None:
    assert fields_of(b"id,context_window\na,4096\n") == {"declared_context": 4096}


def test_groups_hold_their_models_in_the_order_of_the_rows() -> None:
    content = reading.read(b"key,groups\nb,fast;small\na,fast\n")
    assert content.groups["fast"] == {"models": [ModelId("", "b", ""), ModelId("", "a", "")]}


def test_a_fault_is_told_with_line_and_column() -> None:
    with pytest.raises(Unreadable, match='line 3, column size_bytes: must be a number, got "big"'):
        reading.read(b"key,size_bytes\na,1\nb,big\n")


def test_a_server_is_found_by_its_name() -> None:
    content = reading.read(b"key,server\na,lab\n", servers={"lab": "http://lab:1234"})
    assert list(content.models) == [ModelId("http://lab:1234", "a", "")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"name\nx\n", "must name the columns, with key among them"),
        (b"key,key\na,b\n", 'names the column "key" twice'),
        (b"key\na,b\n", "line 2: has 2 cells"),
        (b"key\na\na\n", "line 3: is the same model as line 2"),
        (b'key,tags\na,"b,c"\n', "line 2, column tags: holds"),
        (b'key,notes\na,"x\n', "is not CSV"),
        ("key,notes\na,ä\n".encode("latin-1"), "not text in UTF-8"),
        ("key\na\n".encode("utf-16"), "UTF-16"),
    ],
    ids=range(8),
)
def test_a_sheet_that_cannot_be_taken_is_refused_with_the_reason(data: Any, text: Any) -> None:
    with pytest.raises(Unreadable, match=text):
        reading.read(data, name="x.csv")
