"""Context tests over REST."""

from __future__ import annotations

from typing import Any

import pytest

from registry import grouping
from registry.models import Job, Registry, Role
from testing.models import ContextTest
from tests.api_clients import ApiClient
from tests.builders import make_model, make_probe, make_server, make_test

pytestmark = [pytest.mark.django_db, pytest.mark.database]

FIELDS = ["id", "model", "job", "verdict", "tested_context", "iterations", "duration"]
PROBE = [
    "order",
    "kind",
    "requested",
    "applied",
    "verdict",
    "message",
    "load_seconds",
    "answer_seconds",
    "input_tokens",
    "peak_memory_bytes",
]


@pytest.fixture
def operator() -> ApiClient:
    return ApiClient(Role.OPERATOR)


def test_a_test_is_shown_with_its_probes_and_the_bracket(operator: ApiClient) -> None:
    test = make_test()
    make_probe(test=test)
    make_probe(test=test, requested=4096, verdict="out of memory")
    shown = operator.read(f"/api/context-tests/{test.pk}")
    assert shown.keys() >= {*FIELDS, "probes"}
    assert [each["requested"] for each in shown["probes"]] == [2048, 4096]
    assert shown["probes"][0].keys() >= set(PROBE)
    assert (shown["low"], shown["high"]) == (2048, 4096)


def test_one_model_makes_one_job(operator: ApiClient) -> None:
    model = make_model()
    wanted = {"models": [model.pk], "threshold": 4096, "force": True, "timeout": 60}
    answer = operator.send("POST", "/api/context-tests", wanted)
    test = ContextTest.objects.get()
    assert answer.status_code == 202
    assert answer.json()["job"]["object"] == {"type": "context-test", "id": test.pk}
    assert (test.threshold, test.fixed_context, test.force, test.timeout_seconds) == (4096, None, True, 60.0)


def test_several_models_make_a_parent_with_children(operator: ApiClient) -> None:
    models = [make_model().pk, make_model().pk]
    job = operator.send("POST", "/api/context-tests", {"models": [*models, models[0]]}).json()["job"]
    assert job["children"] == 2
    assert {each["kind"] for each in operator.read("/api/jobs", parent=job["id"])["items"]} == {"context_test"}


def test_all_means_the_untested_of_the_registry(operator: ApiClient) -> None:
    wanted = make_model()
    make_model(test_status="tested")
    make_model(registry=Registry.objects.create(name="lab"))
    operator.send("POST", "/api/context-tests", {"models": "all"})
    assert list(ContextTest.objects.values_list("model", flat=True)) == [wanted.pk]


def test_all_without_an_untested_model_is_409(operator: ApiClient) -> None:
    assert operator.send("POST", "/api/context-tests", {"models": "all"}).status_code == 409


def test_an_unknown_model_is_404_and_nothing_starts(operator: ApiClient) -> None:
    answer = operator.send("POST", "/api/context-tests", {"models": [make_model().pk, 987654]})
    assert answer.status_code == 404
    assert "987654" in answer.json()["detail"]
    assert not Job.objects.exists()


def test_a_model_that_cannot_be_tested_is_409_with_the_reason(operator: ApiClient) -> None:
    model = make_model(server=make_server(enabled=False))
    answer = operator.send("POST", "/api/context-tests", {"models": [model.pk]})
    assert answer.status_code == 409
    assert "disabled" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"models": []},
        {"models": "some"},
        {"models": [0]},
        {"models": ["1"]},
        {"models": [1], "ctx": 1},
        {"models": [1], "threshold": 2**40},
        {"models": [1], "timeout": 0},
        {"models": [1], "force": "yes"},
    ],
)
def test_wrong_options_are_422(operator: ApiClient, body: dict[str, Any]) -> None:
    assert operator.send("POST", "/api/context-tests", body).status_code == 422


def test_queries_do_not_grow_with_tests(operator: ApiClient, django_assert_num_queries: Any) -> None:
    for _ in range(8):
        make_test()
    with django_assert_num_queries(3):  # token, rows, count
        assert len(operator.read("/api/context-tests")["items"]) == 8


def test_queries_do_not_grow_with_probes(operator: ApiClient, django_assert_num_queries: Any) -> None:
    test = make_test()
    for _ in range(8):
        make_probe(test=test)
    with django_assert_num_queries(3):  # token, test, probes
        assert len(operator.read(f"/api/context-tests/{test.pk}")["probes"]) == 8


def test_a_group_is_tested_model_by_model(operator: ApiClient) -> None:
    models = [make_model(), make_model()]
    grouping.create_group(models[0].registry, "g", models)
    job = operator.send("POST", "/api/context-tests", {"models": {"group": "g"}}).json()["job"]
    assert job["children"] == 2
    assert list(ContextTest.objects.order_by("pk").values_list("model", flat=True)) == [each.pk for each in models]


@pytest.mark.parametrize(("group", "status"), [("x", 404), ("empty", 409), ("", 422)])
def test_a_group_that_cannot_be_tested_is_refused(operator: ApiClient, group: str, status: int) -> None:
    grouping.create_group(Registry.objects.default(), "empty")
    assert operator.send("POST", "/api/context-tests", {"models": {"group": group}}).status_code == status
