"""Models over REST."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from registry.models import Instance, LanguageModel, Registry, Role
from registry.models.language_model import CheckStatus
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
    with django_assert_num_queries(7):  # token, registry, keys, rows, tags, instances, count
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
