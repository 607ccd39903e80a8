"""Tags over REST."""

from __future__ import annotations

from typing import Any

import pytest

from registry import tagging
from registry.models import AuditEvent, Registry, Role, Tag
from tests.api_clients import ApiClient
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def api() -> ApiClient:
    return ApiClient(Role.OPERATOR)


def test_tags_are_added_to_a_model_and_answered_with_reasons(api: ApiClient) -> None:
    model = make_model(architecture="llama")
    tagging.derive_tags([model])
    answer = api.send("POST", f"/api/models/{model.pk}/tags", {"tags": ["prod"]}).json()
    assert [(tag["name"], tag["family"], bool(tag["reason"])) for tag in answer] == [
        ("llama", "architecture", True), ("prod", "custom", False), ("chat", "type", True),
    ]  # fmt: skip
    note = AuditEvent.objects.get()
    assert (note.door, note.who) == ("rest", "token operator's script")


def test_tags_are_taken_off_a_model(api: ApiClient) -> None:
    model = make_model(tags=("prod", "qa"))
    answer = api.send("DELETE", f"/api/models/{model.pk}/tags", {"tags": ["PROD", "other"]})
    assert [tag["name"] for tag in answer.json()] == ["qa"]


def test_a_tag_of_a_rule_is_not_taken_off(api: ApiClient) -> None:
    model = make_model()
    tagging.derive_tags([model])
    answer = api.send("DELETE", f"/api/models/{model.pk}/tags", {"tags": ["chat"]})
    assert (answer.status_code, "follows from a fact" in answer.json()["detail"]) == (422, True)


def test_many_models_are_tagged_at_once(api: ApiClient) -> None:
    models = [make_model(tags=("old",)) for _ in range(3)]
    body = {"models": [model.pk for model in models[:2]], "add": ["new"], "remove": ["old"]}
    assert api.send("POST", "/api/tags/apply", body).json() == {"models": 2, "added": 2, "removed": 2}


def test_models_are_chosen_by_a_filter(api: ApiClient) -> None:
    make_model(key="llama-a"), make_model(key="qwen-b")
    body = {"filter": "name:llama*", "add": ["x"]}
    assert api.send("POST", "/api/tags/apply", body).json() == {"models": 1, "added": 1, "removed": 0}
    assert Tag.objects.get().model.key == "llama-a"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"models": [1], "filter": "x", "add": ["a"]}, 422), ({"add": ["a"]}, 422), ({"filter": "x"}, 422),
        ({"filter": "nokey:x", "add": ["a"]}, 422), ({"models": [999], "add": ["a"]}, 404),
        ({"filter": "", "add": ["a,b"]}, 422), ({"filter": "", "add": ["a"], "registry": "nowhere"}, 404),
    ],
)  # fmt: skip
def test_a_request_that_says_too_little_or_too_much_is_refused(api: ApiClient, body: Any, status: int) -> None:
    answer = api.send("POST", "/api/tags/apply", body)
    assert (answer.status_code, answer.json()["detail"].endswith(".")) == (status, True)


def test_tags_are_listed_with_counts(api: ApiClient) -> None:
    for _ in range(2):
        make_model(tags=("prod",))
    make_model(registry=Registry.objects.create(name="lab"), tags=("elsewhere",))
    told = api.read("/api/tags", family="custom")
    assert told == {"items": [{"name": "prod", "family": "custom", "models": 2}], "total": 1}


def test_a_tag_is_renamed_and_deleted_everywhere(api: ApiClient) -> None:
    make_model(tags=("qa",)), make_model(tags=("qa",))
    assert api.send("POST", "/api/tags/rename", {"tag": "qa", "name": "quality"}).json()["models"] == 2
    assert api.send("DELETE", "/api/tags?tag=quality").json()["removed"] == 2
    assert api.send("DELETE", "/api/tags?tag=quality").status_code == 422


def test_a_viewer_reads_tags_and_changes_none() -> None:
    viewer, model = ApiClient(Role.VIEWER), make_model(tags=("a",))
    assert viewer.read(f"/api/models/{model.pk}/tags")[0]["name"] == "a"
    for method, path, body in (
        ("POST", f"/api/models/{model.pk}/tags", {"tags": ["x"]}),
        ("DELETE", f"/api/models/{model.pk}/tags", {"tags": ["a"]}),
        ("POST", "/api/tags/apply", {"filter": "", "add": ["x"]}),
        ("POST", "/api/tags/rename", {"tag": "a", "name": "b"}),
        ("DELETE", "/api/tags?tag=a", None),
    ):
        assert viewer.send(method, path, body).status_code == 403, path
