"""Loads and unloads over REST."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from registry import grouping, jobs
from registry.models import Job, LanguageModel, Role
from tests.api_clients import ApiClient
from tests.builders import make_model, make_server
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")]) as server:
        yield server


@pytest.fixture
def qwen(studio: ScriptedLMStudio) -> LanguageModel:
    return make_model(key="qwen", server=make_server(name="shelf", base_url=studio.url))


@pytest.fixture
def api() -> ApiClient:
    return ApiClient(Role.OPERATOR)


def accepted(api: ApiClient, path: str, body: Any = None) -> Job:
    """The job that a 202 answer names, done."""
    answer = api.send("POST", path, body)
    assert answer.status_code == 202, answer.content
    job = Job.objects.get(pk=answer.json()["job"]["id"])
    for each in list(job.children.all()) or [job]:
        jobs.run(each.pk)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("size", ["context", "context_length"])
def test_a_load_is_a_job_and_the_ledger_shows_both_sides(api: ApiClient, qwen: LanguageModel, size: str) -> None:
    job = accepted(api, f"/api/models/{qwen.pk}/load", {size: 8192, "flash_attention": False})
    assert (job.status, job.door) == ("succeeded", "rest")
    [copy] = api.read(f"/api/models/{qwen.pk}/instances")
    assert (copy["id"], copy["context_length"], copy["loaded_by"]) == ("qwen", 8192, "us")
    assert copy["asked"] == {"context_length": 8192, "flash_attention": False}
    assert copy["drift"] == "asked for flash attention off, which is on"
    assert api.read(f"/api/models/{qwen.pk}")["state"] == "loaded"


def test_a_load_needs_no_body(api: ApiClient, qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    assert accepted(api, f"/api/models/{qwen.pk}/load").status == "succeeded"
    assert accepted(api, f"/api/models/{qwen.pk}/unload").message == "1 copy unloaded"
    assert studio.instances() == []


def test_unload_all_empties_one_server_or_all(api: ApiClient, qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    for body in (None, {"server": qwen.server_id}):
        studio.put("qwen", 2048)
        studio.put("gemma", 2048)
        assert accepted(api, "/api/models/unload-all", body).message == "2 copies unloaded"
    assert studio.instances() == []


def test_a_group_is_loaded_and_unloaded(api: ApiClient, qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    gemma = make_model(key="gemma", server=qwen.server)
    grouping.create_group(qwen.registry, "lab/chat", [gemma, qwen])
    assert accepted(api, "/api/groups/lab/chat/load", {"context": 2048}).status == "succeeded"
    assert studio.instances() == ["qwen", "gemma"]
    assert accepted(api, "/api/groups/lab/chat/unload").status == "succeeded"
    assert studio.instances() == []


def test_a_copy_can_be_unloaded_alone(api: ApiClient, qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.put("qwen", 2048)
    studio.put("qwen", 2048)
    accepted(api, f"/api/models/{qwen.pk}/unload", {"instance": "qwen:2"})
    assert studio.instances() == ["qwen"]


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("models/{pk}/load", {"context": 0}, 422, "greater than or equal to 1"),
        ("models/{pk}/load", {"ttl": 5}, 422, "ttl"),
        ("models/{pk}/load", {"flash_attention": "on"}, 422, "valid boolean"),
        ("models/999/load", None, 404, "There is no model 999"),
        ("models/unload-all", {"server": 999}, 404, "There is no server 999"),
        ("groups/none/load", None, 404, "There is no group named none"),
    ],
)
def test_a_wrong_wish_is_a_problem_document(
    api: ApiClient, qwen: LanguageModel, path: str, body: Any, status: int, told: str
) -> None:
    answer = api.send("POST", f"/api/{path.format(pk=qwen.pk)}", body)
    assert (answer.status_code, told in answer.content.decode()) == (status, True), answer.content


def test_what_cannot_be_loaded_is_a_conflict(api: ApiClient) -> None:
    gone = make_model(key="qwen", missing=True, server=make_server(name="shelf"))
    answer = api.send("POST", f"/api/models/{gone.pk}/load")
    assert (answer.status_code, "no longer on shelf" in answer.json()["detail"]) == (409, True)


def test_a_viewer_reads_the_ledger_and_loads_nothing(qwen: LanguageModel) -> None:
    viewer = ApiClient(Role.VIEWER)
    assert viewer.read(f"/api/models/{qwen.pk}/instances") == []
    assert viewer.send("POST", f"/api/models/{qwen.pk}/load").status_code == 403


def test_a_group_is_pinned_and_let_go(api: ApiClient, qwen: LanguageModel) -> None:
    grouping.create_group(qwen.registry, "chat", [qwen])
    for body, pinned in ((None, True), ({"pinned": False}, False)):
        assert api.send("POST", "/api/groups/chat/pin", body).json() == {"models": 1}
        qwen.refresh_from_db()
        assert qwen.pinned is pinned
