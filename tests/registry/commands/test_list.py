"""`lmstrix list`."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import Registry
from registry.ordering import SORTS
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def listed(*arguments: str) -> str:
    output = io.StringIO()
    call_command("list", *arguments, stdout=output)
    return output.getvalue()


def keys(*arguments: str) -> list[str]:
    return list(json.loads(listed(*arguments, "--json"))["models"])


def test_the_table_shows_what_is_known_and_a_dash_for_the_rest() -> None:
    shelf = make_server(name="shelf")
    make_model(server=shelf, key="qwen", parameters="4B", tested_context=4096, tokens_per_second=41.52, stale=True)
    make_model(server=shelf, key="odd", size_bytes=None, declared_context=None, missing=True)
    first, second = (line.split() for line in listed().splitlines()[1:])
    assert second == ["qwen", "shelf", "145", "MB", "4B", "8,192", "4,096", "41.5", "untested,", "stale"]
    assert first == ["odd", "shelf", "–", "–", "–", "–", "–", "untested,", "missing"]


def test_no_models_is_said() -> None:
    assert listed() == "No models yet. `lmstrix scan` asks the servers.\n"


def test_json_is_the_structure_of_the_guide() -> None:
    make_model(server=make_server(name="shelf"), key="qwen", size_bytes=2**30, tested_context=4096)
    told = json.loads(listed("--show", "json"))
    assert (told["version"], told["registry"]) == ("1.0", "default")
    row: dict[str, Any] = told["models"]["qwen"]
    assert (row["size_mb"], row["size_bytes"], row["server"], row["tested_context"]) == (1024, 2**30, "shelf", 4096)
    assert row["performance_metrics"]["avg_tokens_per_second"] is None
    assert row["metadata"]["source"] == "lm_studio_scan"


def test_models_of_one_key_are_told_apart() -> None:
    for name in ("shelf", "rack"):
        make_model(server=make_server(name=name), key="qwen")
    assert sorted(keys()) == ["rack/qwen", "shelf/qwen"]


@pytest.mark.parametrize(
    ("sort", "column", "small", "large"),
    [
        ("size", "size_bytes", 1, 2),
        ("ctx", "tested_context", 1024, 2048),
        ("speed", "tokens_per_second", 1.5, 2.5),
        ("date", "last_tested", timezone.now(), timezone.now() + timedelta(days=1)),
    ],
)
def test_what_is_unknown_comes_last_in_both_directions(sort: str, column: str, small: Any, large: Any) -> None:
    for key, value in (("a", None), ("b", large), ("c", small)):
        fields: dict[str, Any] = {column: value}
        make_model(key=key, **fields)
    assert keys("--sort", sort) == ["c", "b", "a"]
    assert keys("--sort", sort, "--reverse") == ["b", "c", "a"]


@pytest.mark.parametrize("sort", ["name", "status"])
def test_a_text_is_sorted_in_both_directions(sort: str) -> None:
    for key, status in (("b", "tested"), ("a", "failed")):
        make_model(key=key, test_status=status)
    assert keys("--sort", sort) == ["a", "b"]
    assert keys("--sort", sort, "--reverse") == ["b", "a"]


def test_a_filter_chooses_the_models() -> None:
    make_model(key="small", size_bytes=10**9, test_status="tested")
    make_model(key="large", size_bytes=6 * 10**9, test_status="tested", tags=("mine",))
    make_model(key="new", size_bytes=6 * 10**9)
    assert keys("--filter", "status:tested,size:>5GB,tag:mine") == ["large"]
    assert [line.split()[0] for line in listed("--filter", "status:tested").splitlines()[1:]] == ["large", "small"]


def test_a_filter_that_lets_nothing_through_is_said() -> None:
    make_model(key="a")
    assert listed("--filter", "name:zzz") == "No model meets this filter.\n"


def test_a_bad_filter_is_exit_2_with_its_message() -> None:
    with pytest.raises(CommandError, match="status:done: status is one of tested, untested") as stopped:
        listed("--filter", "status:done")
    assert stopped.value.returncode == 2


def test_a_filtered_model_keeps_the_id_it_has_in_the_registry() -> None:
    for name in ("shelf", "rack"):
        make_model(server=make_server(name=name), key="qwen")
    told = json.loads(listed("--show", "json", "--filter", "server:rack"))["models"]
    assert (list(told), told["rack/qwen"]["id"]) == (["rack/qwen"], "rack/qwen")


def test_json_and_yaml_are_the_same_document() -> None:
    make_model(key="größe: 2", notes="=1+1")
    assert yaml.safe_load(listed("--show", "yaml")) == json.loads(listed("--show", "json"))


def test_columns_make_a_flat_list_in_every_format() -> None:
    make_model(key="qwen", size_bytes=5, tested_context=None, tags=("b", "a"))
    expected = [{"id": "qwen", "size_bytes": 5, "tested_context": None, "tags": ["a", "b"]}]
    chosen = ("--columns", "id,size, ctx,tags")
    assert (
        json.loads(listed("--show", "json", *chosen)) == expected == yaml.safe_load(listed("--show", "yaml", *chosen))
    )
    assert listed("--show", "csv", *chosen) == 'id,size_bytes,tested_context,tags\nqwen,5,,"a, b"\n'
    assert [line.split() for line in listed(*chosen).splitlines()] == [
        ["Model", "Size", "Tested", "Tags"], ["qwen", "5", "bytes", "–", "a,", "b"],
    ]  # fmt: skip


def test_csv_has_every_column_and_defuses_formulas() -> None:
    make_model(key="qwen", name="=HYPERLINK(1)", notes="＋1")
    (row,) = csv.DictReader(io.StringIO(listed("--show", "csv")))
    assert (row["id"], row["name"], row["notes"], row["tested_context"]) == ("qwen", "'=HYPERLINK(1)", "'＋1", "")


def test_an_unknown_column_is_exit_2_with_those_there_are() -> None:
    with pytest.raises(CommandError, match="There is no column colour; there is id, name, key") as stopped:
        listed("--columns", "id,colour")
    assert stopped.value.returncode == 2


def test_a_summary_counts() -> None:
    shelf = make_server(name="shelf")
    for number in range(2):
        make_model(server=shelf, key=f"m{number}", size_bytes=10**9, test_status="tested", tested_context=4096)
    make_model(server=shelf, key="new", size_bytes=None, type="")
    assert listed("--show", "summary").splitlines() == [
        "3 models on 1 server, 2 GB", "Status: 1 untested, 2 tested", "Types: 2 chat, 1 unknown", "Servers: 3 shelf",
        "Largest tested context: 4,096 tokens",
    ]  # fmt: skip
    told = json.loads(listed("--show", "summary", "--json", "--filter", "status:tested"))
    assert (told["models"], told["status"]) == (2, {"tested": 2})


@pytest.mark.parametrize("sort", SORTS)
def test_every_column_sorts(sort: str) -> None:
    make_model(key="a")
    assert keys("--sort", sort) == keys("--sort", sort, "--reverse") == ["a"]


def test_a_registry_shows_its_own_models() -> None:
    make_model(key="mine", registry=Registry.objects.create(name="other"))
    assert (keys(), keys("--registry", "other")) == ([], ["mine"])


def test_an_unknown_registry_is_exit_2() -> None:
    with pytest.raises(CommandError, match="There is no registry named nowhere") as stopped:
        listed("--registry", "nowhere")
    assert stopped.value.returncode == 2


def test_long_names_stay_on_one_line_in_a_pipe() -> None:
    make_model(key="organisation/" + "x" * 100)
    assert len(listed().splitlines()) == 2


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_hundred_models_cost_as_many_queries_as_one(arguments: list[str]) -> None:
    server = make_server()
    counts = []
    for number in range(2):
        for each in range(1 + 99 * number):
            make_model(server=server, key=f"m{number}-{each}")
        with CaptureQueriesContext(connection) as queries:
            listed(*arguments)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


@pytest.mark.parametrize("columns", ["bogus", ""])
def test_a_column_that_is_none_is_wrong_usage_in_one_sentence(columns: str) -> None:
    with pytest.raises(CommandError, match=r"There is no column bogus; there is id|names no column") as stopped:
        listed("--columns", columns)
    assert stopped.value.returncode == 2


def test_a_form_can_be_named_as_in_exports() -> None:
    make_model(key="qwen")
    assert listed("--format", "csv") == listed("--show", "csv")
