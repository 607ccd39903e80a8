"""One context test: waiting, live, cancelled, failed, done; how it is started and cancelled."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import Job
from registry.models.job import JobStatus
from testing.models import ContextTest
from tests.builders import make_job, make_model, make_probe, make_test, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role="operator"))
    return client


def text(page: Client, test: ContextTest, live: str = "") -> str:
    answer = page.get(f"/context-tests/{test.pk}/{live}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def running(**fields: object) -> ContextTest:
    job = make_job(kind="context_test", status="running", started=timezone.now() - timedelta(seconds=90), progress=0.5)
    return make_test(model=make_model(declared_context=131072), job=job, verdict="", tested_context=None, **fields)


def ended(status: JobStatus, **job: object) -> ContextTest:
    now = timezone.now()
    made = make_job(kind="context_test", status=status, started=now - timedelta(minutes=2), ended=now, **job)
    return make_test(job=made, verdict="", tested_context=None)


def test_a_running_test_shows_the_bracket_in_large_type(page: Client) -> None:
    test = running(phase="bracket")
    make_probe(test=test, requested=36864)
    make_probe(test=test, requested=40960, verdict="out of memory")
    make_probe(test=test, requested=38912, verdict="")
    shown = text(page, test)
    assert '<span class="between">between</span>36,864<span class="between">and</span>40,960' in shown
    assert "Probe 3: loading at 38,912 tokens" in shown
    assert "Two sizes" not in shown


@pytest.mark.parametrize(
    ("verdicts", "heading"), [([], "at most"), (["loads, answers"], "at least"), (["crashed"], "below")]
)
def test_the_bracket_is_told_also_while_one_end_is_open(page: Client, verdicts: list[str], heading: str) -> None:
    test = running()
    for verdict in verdicts:
        make_probe(test=test, verdict=verdict)
    assert f'<span class="between">{heading}</span>' in text(page, test)


def test_a_size_that_fails_when_filled_closes_the_bracket_from_above(page: Client) -> None:
    test = running(phase="bracket")
    make_probe(test=test, requested=4096)
    make_probe(test=test, requested=8192)
    make_probe(test=test, requested=8192, kind="fill", verdict="loads but fails when filled")
    assert "between</span>4,096<span" in text(page, test)


def test_what_the_server_applied_although_more_was_asked_works(page: Client) -> None:
    test = running()
    make_probe(test=test, requested=131072, applied=8192, verdict="server applied less")
    assert "between</span>8,192<span" in text(page, test)


def test_a_live_page_asks_for_its_fragment_and_an_ended_one_stops(page: Client) -> None:
    test = running()
    assert f'hx-get="/context-tests/{test.pk}/live/"' in text(page, test)
    fragment = text(page, test, "live/")
    assert fragment.startswith('<div id="test"')
    Job.objects.filter(context_test=test).update(status="succeeded")
    assert "hx-get" not in text(page, test, "live/")


def test_a_waiting_test_names_who_holds_the_server(page: Client) -> None:
    other = running()
    server = other.server
    server.experiment = other.job
    server.save()
    job = make_job(kind="context_test", status="queued", waiting_for=server, message=f"waiting for {server.name}")
    test = make_test(model=make_model(server=server), job=job, verdict="", tested_context=None)
    shown = text(page, test)
    assert f"Waiting until {server.name} is free" in shown
    assert f'href="/context-tests/{other.pk}/"' in shown


def test_a_cancelled_test_says_what_is_being_put_back(page: Client) -> None:
    test = ended(JobStatus.CANCELLED, tidying=True, message="loading phi-4 again at 8,192")
    shown = text(page, test)
    assert "putting back what was loaded" in shown
    assert "Loading phi-4 again at 8,192" in shown
    assert "hx-get" in shown.partition('id="test"')[2][:200]


def test_a_failed_test_says_why(page: Client) -> None:
    assert "the shelf stopped answering" in text(page, ended(JobStatus.FAILED, error="the shelf stopped answering"))


def test_a_finished_test_is_a_report(page: Client) -> None:
    test = make_test(model=make_model(declared_context=131072), tested_context=37632, recall_found=3, recall_asked=3)
    make_probe(test=test)
    shown = text(page, test)
    assert "37,632 tokens work, 131,072 are declared" in shown
    assert "Recalled 3 of 3 facts" in shown
    assert 'data-chart="probes"' in shown


def test_no_size_that_works_breaks_the_first_step(page: Client) -> None:
    test = make_test(verdict="crashed", tested_context=None, phase="put_back", put_back=True)
    make_probe(test=test, verdict="crashed")
    shown = text(page, test)
    assert "No size works: crashed" in shown
    assert '<li class="broke"><b>Try small</b>' in shown
    assert '<li class="todo"><b>Fill the winner</b>' in shown


def test_refusals_with_their_gigabytes_become_a_memory_line(page: Client) -> None:
    test = running()
    test.server.memory_limit_bytes = 10 * 10**9
    test.server.save()
    for size in (65536, 131072):
        make_probe(test=test, requested=size, verdict="out of memory", needed_bytes=5 * 10**9 + size * 10**5)
    assert "Every 1,000 tokens cost 100 MB" in text(page, test)


def test_cancelling_ends_a_waiting_test_and_stays_on_its_page(page: Client) -> None:
    job = make_job(kind="context_test", status="queued")
    test = make_test(job=job, verdict="", tested_context=None)
    answer = page.post(f"/context-tests/{test.pk}/cancel/")
    assert answer.headers["Location"] == f"/context-tests/{test.pk}/"
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_a_viewer_can_neither_start_nor_cancel(client: Client) -> None:
    client.force_login(make_user(role="viewer"))
    test = running()
    assert client.post(f"/context-tests/{test.pk}/cancel/").status_code == 403
    assert client.post("/context-tests/start/", {"model": test.model_id}).status_code == 403
    assert "Cancel test" not in text(client, test)


def test_starting_one_model_leads_to_its_live_page(page: Client) -> None:
    model = make_model()
    answer = page.post("/context-tests/start/", {"model": model.pk, "threshold": 4096, "force": "on"})
    test = ContextTest.objects.get(model=model)
    assert answer.headers["Location"] == f"/context-tests/{test.pk}/"
    assert (test.threshold, test.force, Job.objects.get(context_test=test).door) == (4096, True, "page")


def test_starting_several_models_leads_to_the_job_of_all(page: Client) -> None:
    models = [make_model(), make_model()]
    answer = page.post("/context-tests/start/", {"model": [model.pk for model in models]})
    parent = Job.objects.get(kind="context_tests")
    assert answer.headers["Location"] == f"/jobs/{parent.pk}/"


def test_all_untested_models_can_be_started_at_once(page: Client) -> None:
    wanted = make_model()
    make_model(test_status="tested")
    page.post("/context-tests/start/untested/")
    assert [test.model for test in ContextTest.objects.all()] == [wanted]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"threshold": "12"}, "greater than or equal to 256"),
        ({"threshold": "a lot"}, "Enter a whole number"),
        ({"model": "x"}, "No model was chosen"),
        ({"model": "9" * 30}, "No model was chosen"),
    ],
)
def test_a_mistake_is_told_and_nothing_starts(page: Client, fields: dict[str, str], text: str) -> None:
    answer = page.post("/context-tests/start/", {"model": str(make_model().pk)} | fields)
    assert text in " ".join(str(message) for message in get_messages(answer.wsgi_request))
    assert not ContextTest.objects.exists()


def test_a_refusal_leads_back_to_this_site_only(page: Client) -> None:
    model = make_model(type="embedding")
    answer = page.post("/context-tests/start/", {"model": model.pk}, headers={"Referer": "http://evil.example/"})
    assert answer.headers["Location"] == "/"


def test_queries_do_not_grow_with_probes(page: Client) -> None:
    test = running()
    make_probe(test=test)
    with CaptureQueriesContext(connection) as few:
        text(page, test)
    for size in range(20):
        make_probe(test=test, requested=2048 + 256 * size, peak_memory_bytes=10**9 + size)
    with CaptureQueriesContext(connection) as many:
        text(page, test)
    assert len(many) == len(few)
