"""Loads and unloads as jobs: their progress, their wait, their cancel, and families of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from registry import acting, jobs, loading, supervising
from registry.acting import Actor
from registry.load_lock import loading_on
from registry.models import AuditEvent, Instance, Job, LanguageModel, Server, StateChange
from registry.models.language_model import State
from tests.builders import make_job, make_model, make_server, make_user
from tests.scripted_http import HANG
from tests.scripted_lmstudio import LOAD, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")]) as server:
        yield server


@pytest.fixture
def qwen(studio: ScriptedLMStudio) -> LanguageModel:
    return make_model(key="qwen", server=make_server(name="shelf", base_url=studio.url))


def done(job: Job) -> Job:
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def test_a_load_job_says_what_came_of_it(qwen: LanguageModel) -> None:
    job = done(loading.enqueue_load([qwen], context=8192, options={"flash_attention": True}))
    assert (job.status, job.message) == ("succeeded", "qwen is loaded on shelf with 8,192 tokens")
    assert (job.result["instance"], job.result["context_length"], job.result["drift"]) == ("qwen", 8192, "")
    assert job.result["seconds"] > 0


def test_who_asked_stands_in_the_job(qwen: LanguageModel) -> None:
    person = make_user()
    with acting.acting(Actor("page", person)):
        job = loading.enqueue_load([qwen])
    assert (job.door, job.asked_by, job.params["registry"]) == ("page", person, qwen.registry_id)


def test_a_token_stays_who_did_it(qwen: LanguageModel) -> None:
    with acting.acting(Actor("rest", None, "token adm")):
        load, unload = loading.enqueue_load([qwen]), loading.enqueue_unload([qwen])
    assert (done(load).asker, done(unload).asker) == ("token adm", "token adm")
    notes = AuditEvent.objects.order_by("pk").values_list("action", "who", "door", "job")
    assert list(notes) == [("load", "token adm", "rest", load.pk), ("unload", "token adm", "rest", unload.pk)]


def test_unloading_everything_waits_for_an_experiment(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.put("gemma", 4096)
    studio.put("qwen", 4096)
    test = make_job(kind="context_test", status="running")
    until = timezone.now() + timedelta(minutes=1)
    Server.objects.update(experiment=test, experiment_until=until)
    job = done(loading.enqueue_unload_all(qwen.server))
    assert (job.status, job.waiting_for, job.message) == (
        "queued",
        qwen.server,
        f"waiting: shelf is reserved for job {test.pk}",
    )
    Server.objects.update(experiment=None, experiment_until=None)
    assert (done(job).status, studio.instances()) == ("succeeded", [])


def test_a_load_shows_its_time_against_the_last_one(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.behaviour.delays = {LOAD: 1.2}
    LanguageModel.objects.update(load_seconds=2.0)
    job = loading.enqueue_load([qwen])
    thread = threading.Thread(target=jobs.run, args=(job.pk,))
    thread.start()
    seen: set[tuple[float, str]] = set()
    while thread.is_alive():
        seen.add(Job.objects.filter(pk=job.pk).values_list("progress", "message").get())
        time.sleep(0.05)
    thread.join()
    loads = {share: told for share, told in seen if "so far" in told}
    assert any(0.2 <= share < 1 for share in loads)
    assert all(told.endswith("; the last load took 2 s") for told in loads.values())


def test_the_last_load_counts_more_than_the_last_test(qwen: LanguageModel) -> None:
    qwen.load_seconds = 40.0
    assert loading.last_load_seconds(qwen) == 40.0
    loading.load(qwen)
    took = loading.last_load_seconds(qwen)
    assert took is not None
    assert took < 5


def test_a_refused_load_fails_with_the_servers_words(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.behaviour.limit = 1024
    job = done(loading.enqueue_load([qwen], context=8192))
    assert (job.status, job.tidying) == ("failed", False)
    assert "insufficient system resources" in job.error


def test_a_server_that_does_not_answer_is_told_apart() -> None:
    job = done(loading.enqueue_load([make_model(key="qwen", server=make_server())]))
    assert (job.status, job.result["unreachable"]) == ("failed", True)


def test_a_cancelled_load_is_taken_out_again(
    qwen: LanguageModel, studio: ScriptedLMStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "STRAY_SECONDS", 3.0)
    studio.script(LOAD, [HANG])
    job = loading.enqueue_load([qwen])
    thread = threading.Thread(target=jobs.run, args=(job.pk,))
    thread.start()
    while not studio.calls(LOAD):
        time.sleep(0.02)
    studio.unscript(LOAD)
    supervising.cancel(job)
    time.sleep(0.8)
    studio.put("qwen", 4096)  # the server finishes it all the same
    thread.join(10)
    job.refresh_from_db()
    qwen.refresh_from_db()
    assert (job.status, job.tidying, studio.instances(), qwen.state) == ("cancelled", False, [], "unloaded")
    assert job.result == {}  # a retry has nothing to wait for


def test_it_waits_for_another_load_in_the_queue(qwen: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "SLOT_SECONDS", 0.1)
    job = loading.enqueue_load([qwen])
    with loading_on(Server.objects.get(), "loading gemma"):
        assert (done(job).status, job.message) == ("queued", "waiting: shelf is loading gemma")
    assert done(job).status == "succeeded"


def test_it_waits_for_an_experiment_and_names_it(qwen: LanguageModel) -> None:
    test = make_job(kind="context_test")
    server = Server.objects.get()
    server.take_for(test)
    job = done(loading.enqueue_load([qwen]))
    assert (job.status, job.message) == ("queued", f"waiting: shelf is reserved for job {test.pk}")
    server.release_from(test)
    assert done(job).status == "succeeded"


def test_several_models_are_a_family(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    gemma = make_model(key="gemma", server=qwen.server)
    parent = loading.enqueue_load([qwen, gemma, make_model(missing=True)], context=2048)
    for child in parent.children.all():
        done(child)
    parent.refresh_from_db()
    assert (parent.kind, parent.status, parent.message) == ("loads", "succeeded", "2 of 2 done")
    assert studio.instances() == ["qwen", "gemma"]


def test_models_that_cannot_be_loaded_are_told_at_once() -> None:
    disabled = make_model(key="qwen", server=make_server(name="shelf", enabled=False))
    with pytest.raises(ValueError, match="shelf is disabled; enable it to load qwen"):
        loading.enqueue_load([disabled])
    with pytest.raises(ValueError, match="There is no model to load"):
        loading.enqueue_load([])


def test_too_many_at_once_are_refused_and_of_many_only_the_loaded_are_unloaded(qwen: LanguageModel) -> None:
    models = [qwen, *(LanguageModel(registry=qwen.registry, server=qwen.server, key=str(n)) for n in range(200))]
    LanguageModel.objects.bulk_create(models[1:])
    with pytest.raises(ValueError, match="201 at once are too many"):
        loading.enqueue_load(models)
    with pytest.raises(ValueError, match="None of the 201 models is in memory"):
        loading.enqueue_unload(models)
    Instance.objects.create(model=qwen, server=Server.objects.get(), instance_id="qwen")
    assert (loading.enqueue_unload(models).title, Job.objects.count()) == ("qwen", 1)


def test_an_unload_job_takes_all_copies_of_a_model(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    for _ in range(2):
        studio.put("qwen", 2048)
    studio.put("gemma", 2048)
    job = done(loading.enqueue_unload([qwen]))
    assert (job.status, job.message, studio.instances()) == ("succeeded", "2 copies unloaded", ["gemma"])


def test_an_unload_job_takes_only_the_copy_it_names(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    for _ in range(2):
        studio.put("qwen", 2048)
    done(loading.enqueue_unload([qwen], instance="qwen:2"))
    assert studio.instances() == ["qwen"]


def test_a_model_that_is_not_loaded_needs_no_unload(qwen: LanguageModel) -> None:
    LanguageModel.objects.update(state=State.ERROR, state_error="it did not fit")
    job = done(loading.enqueue_unload([qwen]))
    qwen.refresh_from_db()
    assert (job.message, qwen.state, qwen.state_error) == ("it was not loaded", "unloaded", "")


def test_unload_all_is_one_job_a_server(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.put("gemma", 2048)
    assert done(loading.enqueue_unload_all()).message == "1 copy unloaded"
    make_server()
    parent = loading.enqueue_unload_all()
    assert (parent.kind, parent.title, parent.children.count()) == ("unload_everywhere", "2 servers", 2)


def test_a_load_that_its_worker_left_is_not_done_twice(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    job = loading.enqueue_load([qwen])
    Job.objects.update(result={"in_flight": True})
    timer = threading.Timer(0.5, studio.put, ("qwen", 4096))
    timer.start()
    assert done(job).status == "succeeded"
    assert (studio.calls(LOAD), Instance.objects.count()) == ([], 1)
    assert StateChange.objects.count() == 1
