"""`lmstrix report`."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command

from tests.builders import make_model, make_server
from tests.inferences import ask

pytestmark = [pytest.mark.database, pytest.mark.django_db]
JANUARY = ("--start", "2024-01-01", "--end", "2024-01-31")


def report(*arguments: str) -> str:
    output = io.StringIO()
    call_command("report", *arguments, stdout=output)
    return output.getvalue()


def test_the_table_has_a_row_for_each_model_most_used_first() -> None:
    shelf = make_server(name="shelf")
    ask(make_model(key="rare", server=shelf), "2024-01-02")
    ask(make_model(key="qwen", server=shelf), "2024-01-02", times=3)
    title, whole, _, first, second = report(*JANUARY).splitlines()
    assert title == "Usage of registry default, 2024-01-01 to 2024-01-31 (UTC)"
    assert whole.startswith("Requests: 4 (100.0 % answered)   Tokens: 160   Average: 1.0 s")
    assert first.split()[:4] == ["qwen", "shelf", "3", "120"]
    assert second.split()[0] == "rare"


def test_a_period_without_requests_says_so() -> None:
    assert report(*JANUARY).splitlines()[1] == "No request was recorded in this time."


def test_json_has_the_keys_of_the_guide() -> None:
    ask(make_model(key="qwen"), "2024-01-31T23:59:59")
    for arguments in (("--json",), ("--format", "json")):
        told = json.loads(report(*JANUARY, *arguments))
        assert (told["period"], told["total_inferences"]) == ("2024-01-01 to 2024-01-31", 1)
        assert (told["avg_latency"], told["most_used_model"]) == (1.0, "qwen")


def test_csv_and_html_are_whole_files() -> None:
    ask(make_model(key="qwen"), "2024-01-02")
    (row,) = csv.DictReader(io.StringIO(report(*JANUARY, "--format", "csv")))
    assert (row["model"], row["inferences"], row["p95_latency"][:3]) == ("qwen", "1", "1.0")
    page = report(*JANUARY, "--format", "html")
    assert (page.startswith("<!doctype html>"), page.endswith("</html>\n")) == (True, True)


def test_only_the_models_that_are_named_count() -> None:
    ask(make_model(key="one"), "2024-01-02")
    ask(make_model(key="other"), "2024-01-02", times=5)
    assert json.loads(report(*JANUARY, "--models", "one, ", "--json"))["total_inferences"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--start", "soon"), "soon is no day"), (("--models", "nonesuch"), "There is no model named nonesuch")],
)
def test_what_cannot_be_is_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        report(*arguments)
    assert refused.value.returncode == 2
