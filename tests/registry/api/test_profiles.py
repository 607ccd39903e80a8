"""Profiles over REST."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from registry import profiling
from registry.models import Profile, Registry, Role
from tests.api_clients import ApiClient
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]

GUIDE: dict[str, Any] = {
    "preferred_models": ["llama"],
    "max_context": 1024,
    "temperature": 0.3,
    "description": "Fast responses",
}


@pytest.fixture
def api() -> ApiClient:
    return ApiClient(Role.OPERATOR)


def save(name: str = "quick", **fields: Any) -> Profile:
    return profiling.save_profile(Registry.objects.default(), name, **fields)


@pytest.mark.parametrize("name", ["quick_answers", "lab/quick", "für Kunden 模型?", "x" * 100])
def test_a_profile_is_made_read_and_deleted_by_any_name(api: ApiClient, name: str) -> None:
    made = api.send("POST", "/api/profiles", {"name": name, **GUIDE})
    assert made.status_code == 201
    assert made.json().items() >= ({"name": name} | GUIDE).items()
    assert api.read(f"/api/profiles/{quote(name)}") == made.json()
    assert api.send("DELETE", f"/api/profiles/{quote(name)}").status_code == 204
    assert not Profile.objects.exists()


def test_only_what_is_given_changes_and_null_takes_a_limit_away(api: ApiClient) -> None:
    save(**GUIDE)
    answer = api.send("PATCH", "/api/profiles/quick", {"name": "slow", "max_context": None, "needs": ["tools"]})
    told = answer.json()
    assert (told["name"], told["max_context"], told["needs"], told["temperature"]) == ("slow", None, ["tools"], 0.3)


def test_the_answer_names_the_model_the_runner_up_and_every_reason(api: ApiClient) -> None:
    server = make_server(name="mac", reachable=True)
    for key, context in (("llama", 32_768), ("qwen", 32_768), ("phi", 8192)):
        make_model(key=key, server=server, test_status="tested", tested_context=context)
    save(preferred_models=["llama", "gone"], min_tested_context=32_768)
    told = api.read("/api/profiles/quick/resolve")
    assert (told["model"]["key"], told["model"]["server"], told["runner_up"]["key"]) == ("llama", "mac", "qwen")
    assert [(each["key"], each["reason"]) for each in told["passed_over"]] == [
        ("qwen", "meets everything, but is not preferred"), ("phi", "tested 8,192 of 32,768 asked for"),
    ]  # fmt: skip
    assert (told["unknown"], told["kinds"]) == (["gone"], {"could be used too": 1, "window too small": 1})


def test_reasons_can_be_cut_short_and_are_still_counted(api: ApiClient) -> None:
    for _ in range(3):
        make_model(missing=True)
    save()
    told = api.read("/api/profiles/quick/resolve", limit=1)
    assert (told["model"], len(told["passed_over"]), told["passed_over_total"]) == (None, 1, 3)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "QUICK"}, 409), ({"name": "x", "needs": ["wings"]}, 422), ({"name": "x", "max_context": 0}, 422),
        ({"name": "x", "temperature": 9}, 422), ({"name": "x", "servers": ["nowhere"]}, 422),
        ({"name": "x", "max_memory_bytes": 2**62}, 422), ({"name": "a/resolve"}, 422), ({"name": "x", "a": 1}, 422),
    ],
)  # fmt: skip
def test_a_profile_that_cannot_be_is_refused_with_a_sentence(api: ApiClient, body: Any, status: int) -> None:
    save()
    answer = api.send("POST", "/api/profiles", body)
    assert (answer.status_code, answer.json()["detail"].endswith(".")) == (status, True)
    assert Profile.objects.count() == 1


def test_a_viewer_reads_profiles_and_changes_none() -> None:
    viewer = ApiClient(Role.VIEWER)
    save()
    assert viewer.read("/api/profiles")["total"] == 1
    assert viewer.read("/api/profiles/quick/resolve")["model"] is None
    for method, path in (("POST", ""), ("PATCH", "/quick"), ("DELETE", "/quick")):
        assert viewer.send(method, f"/api/profiles{path}", {"name": "x"}).status_code == 403


def test_an_unknown_profile_is_404(api: ApiClient) -> None:
    assert api.get("/api/profiles/none/resolve").status_code == 404
