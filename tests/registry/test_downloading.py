"""Downloads: followed to their end, resumed, refused in clear words, at every door."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from registry import downloading, jobs
from registry.lmstudio.wire import Download
from registry.models import Job, LanguageModel, Role, Scan, Server
from tests.api_clients import ApiClient
from tests.builders import make_server, make_user
from tests.scripted_http import answer
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = [pytest.mark.django_db, pytest.mark.database]

START, STATUS = "POST /api/v1/models/download", "GET /api/v1/models/download/status/job_1"


def told(status: str, done: int = 0, **more: Any) -> dict[str, Any]:
    return {"job_id": "job_1", "status": status, "total_size_bytes": 4_000_000_000, "downloaded_bytes": done} | more


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with mock.patch.object(downloading, "LOOK_SECONDS", 0.0):
        yield


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen")]) as server:
        server.script(START, told("downloading"))
        server.script(STATUS, told("downloading", 10**9, bytes_per_second=5e7), told("completed", 4 * 10**9))
        yield server


@pytest.fixture
def shelf(studio: ScriptedLMStudio) -> Server:
    return make_server(name="shelf", base_url=studio.url)


def done(job: Job) -> Job:
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def test_a_download_is_followed_and_what_came_is_scanned(studio: ScriptedLMStudio, shelf: Server) -> None:
    job = done(downloading.enqueue(shelf, "qwen/qwen3-4b", "Q4_K_M"))
    assert (job.status, job.message) == ("succeeded", "qwen/qwen3-4b is downloaded")
    assert studio.calls(START)[0].json == {"model": "qwen/qwen3-4b", "quantization": "Q4_K_M"}
    jobs.run(Scan.objects.get(job=job.result["scan"]).job_id or 0)
    assert LanguageModel.objects.get().key == "qwen"


def test_how_far_it_is_is_told_in_bytes_speed_and_time_left() -> None:
    now = Download("downloading", "job_1", 4 * 10**9, 10**9, 5e7)
    assert downloading.told(now) == (0.25, "downloading 1 GB of 4 GB, 50 MB a second, about 60 s left")
    assert downloading.told(Download("downloading", "job_1")) == (None, "downloading")
    assert "paused on the server at 1 GB" in downloading.told(Download("paused", "j", None, 10**9))[1]


def test_what_is_there_already_is_said(studio: ScriptedLMStudio, shelf: Server) -> None:
    studio.script(START, {"status": "already_downloaded"})
    assert done(downloading.enqueue(shelf, "qwen/qwen3-4b")).message == "qwen/qwen3-4b was there already"


@pytest.mark.parametrize(
    "reply", [answer({"error": "Unexpected endpoint or method. (POST ...)"}), answer("Not found", 404), None]
)
def test_a_server_that_does_not_offer_it_is_named_with_the_remedy(
    studio: ScriptedLMStudio, shelf: Server, reply: Any
) -> None:
    studio.script(START, reply) if reply else studio.unscript(START)
    job = done(downloading.enqueue(shelf, "qwen/qwen3-4b"))
    assert job.status == "failed"
    assert 'does not offer what is needed to download "qwen/qwen3-4b"' in job.error
    assert "update it to 0.4.0 or later" in job.error


def test_a_name_that_the_server_does_not_know_is_its_word(studio: ScriptedLMStudio, shelf: Server) -> None:
    studio.script(START, answer({"error": {"type": "model_not_found", "message": "Model 'x' not found."}}, 404))
    assert "Model 'x' not found" in done(downloading.enqueue(shelf, "x")).error


def test_a_failed_download_begins_anew_on_retry(studio: ScriptedLMStudio, shelf: Server) -> None:
    studio.script(STATUS, told("failed"), told("completed"))
    job = done(downloading.enqueue(shelf, "qwen/qwen3-4b"))
    assert job.error == "shelf could not download qwen/qwen3-4b: it did not say why."
    Job.objects.update(status="queued", tidying=False)
    assert done(job).status == "succeeded"
    assert len(studio.calls(START)) == 2


def test_a_reason_that_the_server_gives_is_told(studio: ScriptedLMStudio, shelf: Server) -> None:
    studio.script(STATUS, told("failed", error="the disk is full"))
    error = done(downloading.enqueue(shelf, "qwen/qwen3-4b")).error
    assert error.startswith("shelf did not finish the download of qwen/qwen3-4b:")
    assert "the disk is full" in error


def test_a_job_whose_worker_died_follows_the_download_that_was_begun(studio: ScriptedLMStudio, shelf: Server) -> None:
    job = downloading.enqueue(shelf, "qwen/qwen3-4b")
    Job.objects.update(result={"download": "job_1"})
    assert done(job).status == "succeeded"
    assert not studio.calls(START)


def test_a_server_that_is_silent_for_a_while_is_waited_for(studio: ScriptedLMStudio, shelf: Server) -> None:
    studio.script(STATUS, answer("", 503), answer("nonsense"), told("completed"))
    assert done(downloading.enqueue(shelf, "qwen/qwen3-4b")).status == "succeeded"
    studio.script(STATUS, answer("", 503))
    with mock.patch.object(downloading, "PATIENCE", 0.0):
        job = done(downloading.enqueue(shelf, "qwen/qwen3-4b"))
    assert "The download may still go on there; retry to follow it." in job.error


def test_a_cancel_says_that_lm_studio_goes_on(studio: ScriptedLMStudio, shelf: Server) -> None:
    job = downloading.enqueue(shelf, "qwen/qwen3-4b")
    with mock.patch.object(downloading, "_look", side_effect=lambda held, *_: _cancelled(held)):
        done(job)
    assert (job.status, job.message.partition(";")[0]) == ("cancelled", "cancelled here")


def _cancelled(held: Any) -> None:
    Job.objects.filter(pk=held.job.pk).update(cancel_requested=True)
    held.check()


def test_a_second_request_for_the_same_is_the_same_job(shelf: Server) -> None:
    assert downloading.enqueue(shelf, "qwen/qwen3-4b") == downloading.enqueue(shelf, " qwen/qwen3-4b ")
    assert downloading.enqueue(shelf, "qwen/qwen3-8b") != downloading.enqueue(make_server(), "qwen/qwen3-8b")


@pytest.mark.parametrize("name", ["", " ", "a b", "x" * 501, "a\nb"])
def test_a_name_that_is_none_is_refused(shelf: Server, name: str) -> None:
    with pytest.raises(ValueError, match="catalogue"):
        downloading.enqueue(shelf, name)


def test_the_server_page_offers_it_to_operators_and_shows_what_is_under_way(client: Client, shelf: Server) -> None:
    client.force_login(make_user(role=Role.OPERATOR))
    assert "Download a model to it" in client.get(shelf.get_absolute_url()).content.decode()
    page = client.post(f"/servers/{shelf.pk}/downloads/", {"model": "qwen/qwen3-4b"}, follow=True).content.decode()
    assert Job.objects.get().get_absolute_url() in page
    refused = client.post(f"/servers/{shelf.pk}/downloads/", {"model": ""}, follow=True).content.decode()
    assert "Give the model&#x27;s name" in refused
    client.force_login(make_user(role=Role.VIEWER))
    assert "Download a model to it" not in client.get(shelf.get_absolute_url()).content.decode()


def test_rest_answers_the_job(shelf: Server) -> None:
    operator = ApiClient(Role.OPERATOR)
    started = operator.send("POST", f"/api/servers/{shelf.pk}/downloads", {"model": "qwen/qwen3-4b"})
    assert (started.status_code, started.json()["job"]["kind"]) == (202, "download")
    assert operator.send("POST", f"/api/servers/{shelf.pk}/downloads", {"model": ""}).status_code == 422
    shelf.enabled = False
    shelf.save()
    refused = operator.send("POST", f"/api/servers/{shelf.pk}/downloads", {"model": "x"})
    assert "shelf is disabled" in refused.json()["detail"]


def command(*arguments: str) -> str:
    output = io.StringIO()
    call_command("download", *arguments, stdout=output)
    return output.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_command_downloads_and_scans(shelf: Server) -> None:
    assert "qwen/qwen3-4b is downloaded; the server is scanned." in command("qwen/qwen3-4b")
    assert LanguageModel.objects.get().key == "qwen"


@pytest.mark.django_db(transaction=True)
def test_the_command_says_with_its_exit_code_what_went_wrong(studio: ScriptedLMStudio, shelf: Server) -> None:
    studio.unscript(START)
    with pytest.raises(CommandError, match="does not offer") as refused:
        command("qwen/qwen3-4b", "--json")
    make_server(name="dead")
    with pytest.raises(CommandError, match="Say which server") as unclear:
        command("qwen/qwen3-4b")
    with pytest.raises(CommandError, match="cannot be reached") as dead:
        command("qwen/qwen3-4b", "--server", "dead")
    assert [each.value.returncode for each in (refused, unclear, dead)] == [1, 2, 3]


@pytest.mark.django_db(transaction=True)
def test_the_command_prints_json(shelf: Server) -> None:
    told = json.loads(command("qwen/qwen3-4b", "--server", "shelf", "--json"))
    assert (told["status"], told["server"], told["error"]) == ("succeeded", "shelf", None)
