"""Models over REST."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from registry.models import Group, Instance, LanguageModel, Registry, Role
from registry.models.language_model import CheckStatus
from registry.ordering import SORTS
from tests.api_clients import ApiClient
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]

FIELDS = [
    "id",
    "key",
    "variant",
    "server",
    "registry",
    "name",
    "type",
    "architecture",
    "parameters",
    "quantization",
    "size_bytes",
    "declared_context",
    "tested_context",
    "usable_context",
    "test_status",
    "last_tested",
    "stale",
    "missing",
    "state",
    "tags",
    "groups",
    "performance_metrics",
    "usage_stats",
]


@pytest.fixture
def viewer() -> ApiClient:
    return ApiClient(Role.VIEWER)


def keys(answer: dict[str, Any]) -> list[str]:
    return [each["key"] for each in answer["items"]]


def test_a_model_has_every_promised_field_and_null_where_nothing_is_known(viewer: ApiClient) -> None:
    model = make_model(size_bytes=None, type="")
    shown = viewer.read(f"/api/models/{model.pk}")
    assert shown.keys() >= set(FIELDS)
    unknown = ("variant", "type", "architecture", "size_bytes", "tested_context", "performance_metrics", "usage_stats")
    assert {shown[name] for name in unknown} == {None}
    assert (shown["groups"], shown["tags"]) == ([], [])


def test_what_was_measured_is_shown_in_its_units(viewer: ApiClient) -> None:
    model = make_model(
        tokens_per_second=42.3,
        peak_memory_bytes=3847 * 2**20,
        load_seconds=8.2,
        last_tested=datetime(2026, 1, 15, 10, 30, tzinfo=UTC),
    )
    shown = viewer.read(f"/api/models/{model.pk}")
    metrics = shown["performance_metrics"]
    assert shown["last_tested"] == "2026-01-15T10:30:00Z"
    assert [metrics[name] for name in ("avg_tokens_per_second", "peak_memory_mb", "load_time_seconds")] == [
        42.3,
        3847,
        8.2,
    ]


def test_loaded_copies_and_tags_are_shown(viewer: ApiClient) -> None:
    model = make_model(tags=("fast",))
    Instance.objects.create(server=make_server(), model=model, instance_id="m:2", context_length=4096)
    shown = viewer.read(f"/api/models/{model.pk}")
    assert (shown["tags"], shown["instances"]) == (["fast"], [{"id": "m:2", "context_length": 4096}])


def test_a_filter_finds_every_word_in_name_or_key(viewer: ApiClient) -> None:
    server = make_server()
    for key in ("qwen3-4b", "qwen3-8b", "llama-8b"):
        make_model(key=key, server=server)
    assert keys(viewer.read("/api/models", filter="8B qwen")) == ["qwen3-8b"]


def test_a_filter_may_be_any_of_the_language(viewer: ApiClient) -> None:
    make_model(key="a", size_bytes=6 * 10**9, test_status="tested", tags=("Coding",))
    make_model(key="b", size_bytes=4 * 10**9, test_status="tested", tags=("Coding",))
    make_model(key="c", size_bytes=6 * 10**9, test_status="tested")
    shown = viewer.read("/api/models", filter="status:tested,size:>5GB,tag:coding,chat")
    assert (keys(shown), shown["total"]) == (["a"], 1)


@pytest.mark.parametrize("text", ["size:>5XB", "colour:red", "a,", 'tag:"', "x" * 2001])
def test_a_bad_filter_is_422_at_its_place(viewer: ApiClient, text: str) -> None:
    answer = viewer.get("/api/models", {"filter": text})
    assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "query.filter")


def test_a_bad_filter_says_what_is_allowed(viewer: ApiClient) -> None:
    detail = viewer.get("/api/models", {"filter": "status:done"}).json()["detail"]
    assert detail == "query.filter: status:done: status is one of tested, untested, testing, failed."


def test_what_people_added_and_why_a_tag_is_there_are_shown(viewer: ApiClient) -> None:
    model = make_model(notes="good at lists", favourite=True, pinned=True, tags=("mine", "8b"))
    model.tags.create(name="8b", family="size", reason="8 B parameters")
    Group.objects.create(registry=model.registry, name="daily").members.create(model=model, position=0)
    shown = viewer.read(f"/api/models/{model.pk}")
    assert (shown["tags"], shown["groups"], shown["notes"]) == (["8b", "mine"], ["daily"], "good at lists")
    assert shown["favourite"] is shown["pinned"] is True
    assert {"name": "8b", "family": "size", "reason": "8 B parameters"} in shown["tag_details"]


@pytest.mark.parametrize("sort", SORTS)
def test_every_column_sorts_in_both_directions_with_unknown_values_last(viewer: ApiClient, sort: str) -> None:
    server = make_server(name="shelf")
    nothing: dict[str, Any] = {"type": "", "size_bytes": None, "declared_context": None}
    known: dict[str, Any] = {
        "architecture": "llama", "quantization": "Q4", "test_verdict": "verified", "tested_context": 1,
        "usable_context": 1, "tokens_per_second": 1.0, "peak_memory_bytes": 1, "parameter_count": 1,
        "last_tested": timezone.now(),
    }  # fmt: skip
    make_model(key="a", server=server, **known)
    LanguageModel.objects.filter(pk=make_model(key="b", **nothing).pk).update(server=None)
    forward = viewer.read("/api/models", sort=sort, limit=1)
    back = viewer.read("/api/models", sort=sort, reverse=True, limit=1)
    always_known = sort in ("name", "key", "status", "state", "added", "updated")
    assert (keys(forward), keys(back)) == (["a"], ["b"] if always_known else ["a"])
    assert keys(viewer.read("/api/models", sort=sort, limit=1, cursor=forward["next"])) == ["b"]


@pytest.mark.parametrize(("sort", "expected"), [("size", ["b", "c", "a"]), ("name", ["a", "b", "c"])])
def test_models_are_sorted_with_unknown_values_last(viewer: ApiClient, sort: str, expected: list[str]) -> None:
    server = make_server()
    for key, size in (("a", None), ("b", 1), ("c", 2)):
        make_model(key=key, size_bytes=size, server=server)
    assert keys(viewer.read("/api/models", sort=sort)) == expected


def test_an_unknown_order_is_422_with_those_there_are(viewer: ApiClient) -> None:
    answer = viewer.get("/api/models", {"sort": "colour"})
    assert answer.status_code == 422
    assert "size" in answer.json()["detail"]


def test_a_key_finds_the_model_also_with_its_server(viewer: ApiClient) -> None:
    for name in ("desk", "shelf"):
        make_model(key="qwen", server=make_server(name=name))
    assert len(viewer.read("/api/models", key="qwen")["items"]) == 2
    found = viewer.read("/api/models", key="shelf/qwen")["items"]
    assert [(each["server_name"], each["public_id"]) for each in found] == [("shelf", "shelf/qwen")]


def test_a_registry_shows_its_own_models_only(viewer: ApiClient) -> None:
    make_model(key="mine", registry=Registry.objects.create(name="lab"))
    make_model(key="other")
    assert keys(viewer.read("/api/models", registry="lab")) == ["mine"]
    assert viewer.get("/api/models", {"registry": "none"}).status_code == 404


def test_pages_stay_steady_while_models_come(viewer: ApiClient) -> None:
    server = make_server()
    for key in "bdf":
        make_model(key=key, server=server)
    first = viewer.read("/api/models", limit=2)
    make_model(key="a", server=server)
    assert keys(first) + keys(viewer.read("/api/models", limit=2, cursor=first["next"])) == ["b", "d", "f"]


def test_queries_do_not_grow_with_models(viewer: ApiClient, django_assert_num_queries: Any) -> None:
    server = make_server()
    for _ in range(30):
        make_model(server=server)
    with django_assert_num_queries(9):  # token, registry, rows, count, servers, tags, groups, instances, usage
        assert len(viewer.read("/api/models")["items"]) == 30


@pytest.mark.parametrize("fields", [{"missing": True}, {"server": None}])
def test_a_model_that_is_nowhere_can_be_deleted(fields: dict[str, Any]) -> None:
    model = make_model()
    LanguageModel.objects.filter(pk=model.pk).update(**fields)
    assert ApiClient().send("DELETE", f"/api/models/{model.pk}").status_code == 204
    assert not LanguageModel.objects.exists()


@pytest.mark.parametrize("fields", [{}, {"missing": True, "test_status": CheckStatus.TESTING}])
def test_a_model_that_is_there_or_in_a_test_stays(fields: dict[str, Any]) -> None:
    model = make_model(**fields)
    assert ApiClient().send("DELETE", f"/api/models/{model.pk}").status_code == 409


def test_a_custom_model_is_added_with_its_facts_and_tags() -> None:
    body = {"key": "my/llama", "name": "My Llama", "size_bytes": 7 * 2**30, "parameters": "7B", "type": "chat",
            "declared_context": 4096, "tags": ["mine"], "notes": "ours", "favourite": True}  # fmt: skip
    answer = ApiClient().send("POST", "/api/models", body)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert {name: shown[name] for name in body if name != "tags"} == {
        name: body[name] for name in body if name != "tags"
    }
    assert ("mine" in shown["tags"], shown["server"], shown["parameter_count"]) == (True, None, 7 * 10**9)


def test_a_second_custom_model_of_the_same_key_is_409() -> None:
    ApiClient().send("POST", "/api/models", {"key": "twice"})
    answer = ApiClient().send("POST", "/api/models", {"key": "twice"})
    assert (answer.status_code, "There is a model twice" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "body",
    [{}, {"key": ""}, {"key": "a", "type": "singer"}, {"key": "a", "size_bytes": -1}, {"key": "a\0"}, {"key": 1}],
)
def test_a_custom_model_with_a_bad_field_is_422(body: dict[str, Any]) -> None:
    assert ApiClient().send("POST", "/api/models", body).status_code == 422
    assert not LanguageModel.objects.exists()


def test_an_operator_sets_notes_marks_and_facts() -> None:
    model = make_model()
    changes = {"notes": "slow", "favourite": True, "pinned": True, "name": "Better name", "type": "code"}
    answer = ApiClient(Role.OPERATOR).send("PATCH", f"/api/models/{model.pk}", changes)
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert {name: shown[name] for name in changes} == changes
    assert shown["edited"] == ["name", "type"]


def test_null_makes_a_fact_unknown_and_what_is_not_sent_stays() -> None:
    model = make_model(architecture="llama", notes="kept")
    shown = ApiClient().send("PATCH", f"/api/models/{model.pk}", {"architecture": None, "type": None}).json()
    assert (shown["architecture"], shown["type"], shown["notes"]) == (None, None, "kept")


def test_the_size_of_a_servers_model_cannot_be_set() -> None:
    answer = ApiClient().send("PATCH", f"/api/models/{make_model().pk}", {"size_bytes": 5})
    assert (answer.status_code, "only models added by hand" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("method", "role"), [("POST", Role.OPERATOR), ("PATCH", Role.VIEWER), ("DELETE", Role.OPERATOR)]
)
def test_a_role_below_what_an_operation_takes_is_403(method: str, role: Role) -> None:
    path = "/api/models" if method == "POST" else f"/api/models/{make_model().pk}"
    assert ApiClient(role).send(method, path, {"key": "a"} if method == "POST" else None).status_code == 403


def test_suggestions_follow_what_is_typed(viewer: ApiClient) -> None:
    make_model(tags=("coding",))
    told = viewer.read("/api/models/suggest", filter="status:tested,tag:c")
    assert told["items"] == [{"insert": "tag:coding", "meaning": "", "text": "status:tested,tag:coding"}]
    assert "status" not in told["keys"]


@pytest.mark.parametrize(
    "field", [{"key": "a\x1b"}, {"tags": ["a\nb", "  "]}, {"name": "\u202e"}, {"size_bytes": 2**63 - 1}]
)
def test_odd_texts_and_large_numbers_are_taken_or_422(field: dict[str, Any]) -> None:
    assert ApiClient().send("POST", "/api/models", {"key": "odd"} | field).status_code in (201, 422)
