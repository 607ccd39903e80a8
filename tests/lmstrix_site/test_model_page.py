"""The page of one model: what it promises, what works here, how that was found out."""

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import LanguageModel
from tests.builders import make_job, make_model, make_probe, make_test, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role="operator"))
    return client


def text(page: Client, model: LanguageModel, live: str = "") -> str:
    answer = page.get(f"/models/{model.pk}/{live}")
    assert answer.status_code == 200
    return answer.content.decode()


def load(model: LanguageModel, name: str, size: int) -> None:
    assert model.server
    model.instances.create(server=model.server, instance_id=name, context_length=size)


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"tested_context": 8192}, "All 8,192 tokens that it declares work here"),
        ({"declared_context": 131072, "tested_context": 37632}, "It declares 131,072 tokens; 37,632 work here"),
        ({"declared_context": None, "tested_context": 4096}, "it does not say how much it holds"),
        ({"tested_context": 4096, "stale": True}, "4,096 tokens worked before its file changed"),
        ({"test_status": "failed", "test_verdict": "crashed"}, "No size works here: crashed"),
        ({}, "It declares 8,192 tokens; nothing is verified yet"),
        ({"type": "embedding"}, "An embedding model has no context window to fill"),
    ],
)
def test_the_heading_says_what_is_known(page: Client, fields: dict[str, Any], finding: str) -> None:
    assert finding in text(page, make_model(**fields))


def test_a_model_can_be_tested_with_options(page: Client) -> None:
    model = make_model()
    shown = text(page, model)
    assert 'action="/context-tests/start/"' in shown
    for field in ("threshold", "fixed_context", "force"):
        assert f'name="{field}"' in shown


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"missing": True}, "no longer on"), ({"server": None}, "is on no server")],
)
def test_a_model_that_cannot_be_tested_says_why(page: Client, fields: dict[str, object], reason: str) -> None:
    model = make_model()
    LanguageModel.objects.filter(pk=model.pk).update(**fields)
    shown = text(page, model)
    assert reason in shown
    assert 'action="/context-tests/start/"' not in shown


def test_a_viewer_gets_no_test_button(client: Client) -> None:
    client.force_login(make_user(role="viewer"))
    assert "/context-tests/start/" not in text(client, make_model())


def test_the_probe_chart_gets_every_probe_with_its_kind_of_verdict(page: Client) -> None:
    model = make_model(declared_context=131072, tested_context=4096, test_status="tested")
    test = make_test(model=model, tested_context=4096)
    make_probe(test=test, requested=4096)
    make_probe(test=test, requested=131072, verdict="out of memory")
    make_probe(test=test, requested=4096, verdict="verified", kind="fill")
    data = re.search(r'<script id="probe-data" type="application/json">(.*?)</script>', text(page, model))
    assert data
    chart = json.loads(data[1])
    assert [(probe["size"], probe["kind"]) for probe in chart["probes"]] == [
        (4096, "ok"),
        (131072, "bad"),
        (4096, "ok"),
    ]
    assert (chart["declared"], chart["tested"]) == (131072, 4096)


def test_a_copy_loaded_beyond_what_was_verified_stands_out(page: Client) -> None:
    model = make_model(tested_context=4096, test_status="tested")
    load(model, "a", 8192)
    shown = text(page, model)
    assert "One instance loaded, beyond what was verified" in shown
    assert "more than verified" in shown


def test_a_running_test_is_shown_with_a_link_to_watch_it(page: Client) -> None:
    model = make_model(test_status="testing")
    job = make_job(kind="context_test", status="running", started=timezone.now())
    test = make_test(model=model, job=job, verdict="", tested_context=None)
    shown = text(page, model)
    assert f'href="/context-tests/{test.pk}/"' in shown
    assert "being tested already" not in shown


def test_names_of_500_characters_and_hostile_ones_are_shown_whole_and_harmless(page: Client) -> None:
    model = make_model(key="k" * 500, name="<script>alert(1)</script>" + "n" * 470, publisher='"><b>')
    shown = text(page, model)
    assert "<script>alert" not in shown
    assert "k" * 500 in shown


def test_the_live_part_is_only_the_fragment(page: Client) -> None:
    shown = text(page, make_model(), "live/")
    assert shown.strip().startswith('<div id="model"')
    assert "<html" not in shown


def test_a_model_that_is_not_there_answers_404(page: Client) -> None:
    assert page.get("/models/99999999/").status_code == 404


def test_queries_do_not_grow_with_tests_and_probes(page: Client) -> None:
    model = make_model()
    _fill(model, 1)
    with CaptureQueriesContext(connection) as few:
        text(page, model)
    _fill(model, 14)
    with CaptureQueriesContext(connection) as many:
        text(page, model)
    assert len(many) <= len(few)


def _fill(model: LanguageModel, count: int) -> None:
    for _ in range(count):
        test = make_test(model=model)
        make_probe(test=test)
        make_probe(test=test, requested=8192)
        number = model.instances.count()
        load(model, f"copy:{number}", 2048)


@pytest.mark.parametrize("asked", [{"threshold": 8192}, {"fixed_context": 8192}])
def test_a_test_that_was_told_to_stop_leaves_the_window_open(page: Client, asked: dict[str, Any]) -> None:
    model = make_model(declared_context=131072, tested_context=8192, test_status="tested")
    test = make_test(model=model, tested_context=8192, **asked)
    make_probe(test=test, requested=8192, kind="fill", verdict="verified")
    assert "It declares 131,072 tokens; 8,192 work here, and more was not tried" in text(page, model)
    assert "8,192 tokens work; more was not tried" in page.get(test.get_absolute_url()).content.decode()


def test_a_limit_found_below_the_size_to_stop_at_is_a_limit(page: Client) -> None:
    model = make_model(declared_context=131072, tested_context=8192, test_status="tested")
    test = make_test(model=model, tested_context=8192, threshold=16384)
    make_probe(test=test, requested=16384, verdict="out of memory")
    make_probe(test=test, requested=8192, kind="fill", verdict="verified")
    assert "more was not tried" not in text(page, model)


def test_the_usage_that_a_file_told_is_shown_with_its_averages(page: Client) -> None:
    counted = {"inference_count": 4, "total_tokens_processed": 1000, "total_inference_time": 8.0}
    shown = text(page, make_model(opening_balance=counted | {"last_used": "2026-01-01T00:00:00Z"}))
    assert "4 requests counted so far" in shown
    assert "250" in shown
    assert "2.0 s a request" in shown


def test_every_tag_says_why(page: Client) -> None:
    model = make_model(tags=("mine",))
    model.tags.create(name="llama", family="architecture", reason="Its architecture is llama, as told.")
    shown = text(page, model)
    assert "Its architecture is llama, as told." in shown
    assert "Take off the tag mine" in shown
    assert "Take off the tag llama" not in shown
