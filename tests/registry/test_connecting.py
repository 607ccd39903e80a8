"""Adding, editing, trying and deleting servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from registry import connecting, scanning, snapshots
from registry.models import Job, LanguageModel, Server
from registry.models.job import JobStatus
from tests.builders import make_job, make_model, make_server, make_test
from tests.scripted_http import HANG, answer
from tests.scripted_lmstudio import LIST, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")]) as server:
        yield server


def test_an_address_is_stored_as_it_was_meant() -> None:
    server = connecting.add_server(name=" shelf ", base_url="LOCALHOST/v1/", token="t", memory_limit_bytes=10**9)
    assert (server.name, server.base_url, server.token, server.memory_limit_bytes) == (
        "shelf", "http://localhost:1234", "t", 10**9
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": ""}, "The name needs 1 to 100 characters"),
        ({"name": "   "}, "The name needs 1 to 100 characters"),
        ({"name": "n" * 101}, "The name needs 1 to 100 characters"),
        ({"name": "a/b"}, "without / and @"),
        ({"name": "a@b"}, "without / and @"),
        ({"name": "a\r\nb"}, "only printable characters"),
        ({"name": "a\x1bb"}, "only printable characters"),
        ({"name": "known"}, "There is already a server named known."),
        ({"base_url": "http://known:1234/api/v1"}, "http://known:1234 is already the server known."),
        ({"base_url": ""}, "Enter the address of the server"),
        ({"base_url": "ftp://box"}, "must start with http"),
        ({"base_url": "http://user:pw@box"}, "enter the token separately"),
        ({"base_url": f"http://box/{'x' * 320}"}, "longer than 300 characters"),
        ({"memory_limit_bytes": 0}, "The memory limit must be above 0"),
        ({"memory_limit_bytes": -1}, "The memory limit must be above 0"),
        ({"memory_limit_bytes": 2**63}, "The memory limit must be above 0"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_text_and_not_stored(fields: dict[str, Any], complaint: str) -> None:
    connecting.add_server(name="known", base_url="http://known:1234")
    with pytest.raises(ValueError, match=complaint):
        connecting.add_server(**({"name": "new", "base_url": "http://new:1234"} | fields))
    assert Server.objects.count() == 1


def test_a_server_can_be_edited_to_its_own_values() -> None:
    server = make_server(token="t")
    connecting.edit_server(server, name=server.name, base_url=server.base_url)
    assert Server.objects.get().token == "t"


def test_an_empty_token_forgets_the_stored_one() -> None:
    server = make_server(token="t")
    connecting.edit_server(server, token="")
    assert Server.objects.get().has_token is False


def test_a_token_does_not_follow_its_server_to_another_address() -> None:
    server = make_server(token="t")
    connecting.edit_server(server, base_url="http://elsewhere:1234")
    assert Server.objects.get().has_token is False


def test_only_what_may_be_edited_can_be_edited() -> None:
    with pytest.raises(ValueError, match="token_sealed is not a field of a server"):
        connecting.edit_server(make_server(), token_sealed="x")


def test_trying_a_server_tells_its_models_and_stores_nothing(studio: ScriptedLMStudio) -> None:
    tried = connecting.try_connection(studio.url)
    assert (tried.ok, tried.models, tried.api) == (True, 2, "v1")
    assert tried.detail.startswith(f"{studio.url} answers in ")
    assert tried.detail.endswith(" ms with 2 models.")
    assert not Server.objects.exists()


def test_trying_the_older_api_says_so(studio: ScriptedLMStudio) -> None:
    studio.script(LIST, answer("no", 404))
    assert connecting.try_connection(studio.url).api == "v0"


def test_trying_tells_what_is_wrong_and_what_to_do(studio: ScriptedLMStudio) -> None:
    studio.script(LIST, answer("<html>"))
    tried = connecting.try_connection(studio.url)
    assert (tried.ok, tried.models) == (False, None)
    assert "unusable answer" in tried.detail
    assert tried.remedy == "check that the address is an LM Studio server and that its version is supported"


@pytest.mark.parametrize("address", ["", "ftp://box", "a b"])
def test_trying_something_that_is_no_address_says_what_one_is(address: str) -> None:
    tried = connecting.try_connection(address)
    assert (tried.ok, tried.remedy) == (False, "Give an address such as http://localhost:1234.")


def test_trying_a_silent_server_ends_in_time(studio: ScriptedLMStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "TRY_SECONDS", 0.3)
    studio.script(LIST, [HANG])
    began = time.monotonic()
    assert "was not done within 0.3 s" in connecting.try_connection(studio.url).detail
    assert time.monotonic() - began < 3


def test_a_stored_server_is_tried_with_its_token(studio: ScriptedLMStudio) -> None:
    studio.behaviour.token = "t"
    server = make_server(base_url=studio.url, token="t")
    assert connecting.try_server(server).ok
    assert not connecting.try_connection(studio.url).ok


def test_a_stored_token_that_is_lost_has_to_be_entered_again() -> None:
    server = make_server(name="shelf", token_sealed="damaged")
    tried = connecting.try_server(server)
    assert (tried.ok, tried.remedy) == (False, "Enter the token again.")
    assert "shelf" in tried.detail


def test_what_a_deletion_would_take_along_is_counted() -> None:
    server = make_server()
    make_model(server=server)
    twice = make_model(server=server)
    for _ in range(2):
        make_test(model=twice)
    LanguageModel.objects.filter(pk=twice.pk).update(last_tested="2026-01-01T00:00:00Z")
    assert connecting.losses(server) == connecting.Losses(models=2, tested=1, tests=2)


def test_a_deleted_server_takes_its_models_along() -> None:
    server, other = make_server(), make_model()
    make_test(model=make_model(server=server))
    scanning.enqueue(server, door="test")
    connecting.delete_server(server)
    assert (LanguageModel.objects.get(), Job.objects.filter(kind="scan").count()) == (other, 1)


def test_a_server_under_experiment_is_not_deleted() -> None:
    server, job = make_server(name="shelf"), make_job()
    assert server.take_for(job)
    server.refresh_from_db()
    with pytest.raises(ValueError, match=rf"shelf is busy with scan {job.pk}; cancel it first"):
        connecting.delete_server(server)
    Job.objects.update(status=JobStatus.FAILED)
    connecting.delete_server(Server.objects.get())


def test_a_deleted_server_comes_back_with_its_models_from_the_snapshot_taken_before(
    settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    model = make_model(server=make_server(name="shelf"), tested_context=4096, test_status="tested")
    model.registry.touch()
    connecting.delete_server(Server.objects.get(name="shelf"))
    snapshots.restore(model.registry.snapshots.get())
    assert LanguageModel.objects.get(key=model.key, server__name="shelf").tested_context == 4096


def test_how_often_a_server_is_looked_at_has_its_bounds() -> None:
    server = connecting.add_server(name="shelf", base_url="http://shelf:1234", poll_seconds=5)
    assert Server.objects.get().poll_seconds == 5
    with pytest.raises(ValueError, match="looked at every 2 to 3,600 seconds"):
        connecting.edit_server(server, poll_seconds=1)
