"""Groups over REST."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from registry import grouping
from registry.models import Group, LanguageModel, Registry, Role
from tests.api_clients import ApiClient
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def api() -> ApiClient:
    return ApiClient(Role.OPERATOR)


@pytest.fixture
def models() -> list[LanguageModel]:
    return [make_model(key=key) for key in "abc"]


def order(api: ApiClient, name: str) -> str:
    return "".join(each["key"] for each in api.read(f"/api/groups/{quote(name)}/models")["items"])


@pytest.mark.parametrize("name", ["chat_models", "lab/chat/2", "für Kunden 模型?", "x" * 100, "a%2Fb#c"])
def test_a_group_is_made_found_and_deleted_by_any_name(api: ApiClient, models: list[LanguageModel], name: str) -> None:
    made = api.send("POST", "/api/groups", {"name": name, "models": [models[2].pk, models[0].pk]})
    assert (made.status_code, made.json()["models"]) == (201, 2)
    assert api.read(f"/api/groups/{quote(name)}")["name"] == name
    assert order(api, name) == "ca"
    assert api.send("DELETE", f"/api/groups/{quote(name)}").status_code == 204
    assert (Group.objects.count(), LanguageModel.objects.count()) == (0, 3)


def test_models_join_and_leave(api: ApiClient, models: list[LanguageModel]) -> None:
    grouping.create_group(models[0].registry, "g", models[:1])
    ids = [model.pk for model in models]
    assert api.send("POST", "/api/groups/g/models", {"models": ids}).json()["models"] == 3
    assert api.send("DELETE", "/api/groups/g/models", {"models": ids[:2]}).json()["models"] == 1
    assert order(api, "g") == "c"


def test_a_group_is_renamed_and_ordered_anew(api: ApiClient, models: list[LanguageModel]) -> None:
    grouping.create_group(models[0].registry, "g", models)
    answer = api.send("PATCH", "/api/groups/g", {"name": "h", "models": [models[2].pk]})
    assert (answer.json()["name"], order(api, "h")) == ("h", "cab")


def test_its_models_come_page_by_page_in_its_own_order(api: ApiClient, models: list[LanguageModel]) -> None:
    grouping.create_group(models[0].registry, "other", reversed(models))
    grouping.create_group(models[0].registry, "g", models)
    first = api.read("/api/groups/g/models", limit=2)
    rest = api.read("/api/groups/g/models", limit=2, cursor=first["next"])
    assert [each["key"] for each in first["items"] + rest["items"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "G"}, 409), ({"name": "x", "models": [10**6]}, 404), ({"name": "a/models"}, 422),
        ({"name": "x", "registry": "nowhere"}, 404), ({"name": "\u0007"}, 422), ({}, 422),
    ],
)  # fmt: skip
def test_a_group_that_cannot_be_is_refused_with_a_sentence(api: ApiClient, body: Any, status: int) -> None:
    grouping.create_group(Registry.objects.default(), "g")
    answer = api.send("POST", "/api/groups", body)
    assert (answer.status_code, answer.json()["detail"].endswith(".")) == (status, True)
    assert Group.objects.count() == 1


def test_an_unknown_group_is_404_with_those_there_are(api: ApiClient) -> None:
    grouping.create_group(Registry.objects.default(), "g")
    answer = api.get("/api/groups/h/models")
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no group named h; there is g.")


def test_a_viewer_reads_groups_and_changes_none(models: list[LanguageModel]) -> None:
    viewer = ApiClient(Role.VIEWER)
    grouping.create_group(models[0].registry, "g", models)
    assert (viewer.read("/api/groups")["total"], order(viewer, "g")) == (1, "abc")
    for method, path, body in (
        ("POST", "/api/groups", {"name": "x"}), ("PATCH", "/api/groups/g", {"name": "x"}),
        ("DELETE", "/api/groups/g", None), ("POST", "/api/groups/g/models", {"models": [1]}),
        ("DELETE", "/api/groups/g/models", {"models": [1]}),
    ):  # fmt: skip
        assert viewer.send(method, path, body).status_code == 403, path


@pytest.mark.parametrize("count", [2, 12])
def test_the_list_takes_the_same_queries_for_many_groups(
    api: ApiClient, count: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        grouping.create_group(Registry.objects.default(), f"g{number}", [make_model()])
    with django_assert_max_num_queries(5):  # token, registry, keys, rows, count
        api.read("/api/groups")
