"""The overview: a heading that is a finding, what runs, what needs a look, what was found last."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry import notifying, subscribing
from registry.models import Instance, Webhook
from tests.builders import make_job, make_model, make_probe, make_server, make_test, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role="operator"))
    return client


def text(page: Client, address: str = "/") -> str:
    answer = page.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def heading(page: Client) -> str:
    return text(page).partition("<h1>")[2].partition("</h1>")[0]


def test_the_first_page_says_how_to_begin(page: Client) -> None:
    assert heading(page) == "Add a server to begin."
    assert "Add a server</a>" not in text(page)  # only an admin may


def test_an_admin_gets_the_button_to_begin_with(client: Client) -> None:
    client.force_login(make_user(role="admin"))
    assert 'href="/servers/add/"' in text(client)


@pytest.mark.parametrize(
    ("reachable", "expected"),
    [
        ([True], "Laptop answers. Nothing needs a look."),
        ([True, True], "Both servers answer. Nothing needs a look."),
        ([True, True, True], "All three servers answer. Nothing needs a look."),
        ([True, False], "One of two servers answers. One thing needs a look."),
        ([False, False], "No server answers."),
        ([None], "Not scanned yet."),
    ],
)
def test_the_heading_is_made_from_the_data(page: Client, reachable: list[bool | None], expected: str) -> None:
    for number, answers in enumerate(reachable):
        make_server(name=["laptop", "shelf", "attic"][number], reachable=answers)
    assert heading(page) == expected


def test_a_silent_server_needs_a_look_with_its_reason(page: Client) -> None:
    make_server(name="attic", reachable=False, error="it refused the connection")
    shown = text(page)
    assert "attic does not answer" in shown
    assert "it refused the connection" in shown


def test_failed_stale_cut_and_missing_models_need_a_look(page: Client) -> None:
    server = make_server(reachable=True)
    make_model(server=server, key="broken", test_status="failed", test_verdict="crashed")
    make_model(server=server, key="aged", test_status="tested", tested_context=4096, stale=True)
    make_model(server=server, key="cut", test_status="failed", test_verdict="server applied less")
    make_model(server=server, key="vanished", missing=True)
    shown = text(page)
    for what in ("broken could not be tested", "is stale", "cut got less than asked", "vanished is gone"):
        assert what in shown


def test_a_model_in_error_needs_a_look_with_its_reason(page: Client) -> None:
    make_model(server=make_server(reachable=True, name="shelf"), key="huge", state="error", state_error="out of memory")
    shown = text(page)
    assert "huge could not be loaded on shelf" in shown
    assert "Out of memory." in shown
    for _ in range(3):
        make_model(state="error")
    assert "Four models could not be loaded" in text(page)


def make_failing_webhook(name: str) -> Webhook:
    hook, _ = subscribing.add_webhook(name, "https://example.org/hook")
    notifying.message(hook, notifying.TEST, name, {}).save()
    hook.deliveries.update(status="failed", error="HTTP 500")
    return hook


def test_a_webhook_that_takes_nothing_needs_an_admins_look(client: Client) -> None:
    make_server(reachable=True)
    hook = make_failing_webhook("ops")
    client.force_login(make_user(role="admin"))
    shown = text(client)
    assert "The webhook ops does not take its messages" in shown
    assert "HTTP 500." in shown
    notifying.message(hook, notifying.TEST, "ops", {}).save()
    hook.deliveries.filter(status="waiting").update(status="delivered")
    assert "webhook ops" not in text(client)


def test_failing_webhooks_cost_one_query_and_are_told_to_admins_only(page: Client) -> None:
    make_server(reachable=True)
    for name in ("one", "two", "three", "four"):
        make_failing_webhook(name)
    assert "webhook" not in text(page)
    with CaptureQueriesContext(connection) as queries:
        page.force_login(make_user(role="admin"))
        assert "More than three webhooks do not take their messages" in text(page)
    assert len([each for each in queries if "registry_webhook" in each["sql"]]) == 1


def test_many_models_of_one_kind_are_one_line(page: Client) -> None:
    server = make_server(reachable=True)
    for _ in range(5):
        make_model(server=server, test_status="failed")
    assert heading(page).endswith("One thing needs a look.")
    assert "Five models could not be tested" in text(page)


def test_a_running_test_shows_its_bracket_and_can_be_cancelled(page: Client) -> None:
    job = make_job(kind="context_test", status="running", started=timezone.now(), progress=0.4)
    test = make_test(job=job, verdict="", tested_context=None)
    make_probe(test=test, requested=4096)
    make_probe(test=test, requested=6144, verdict="out of memory")
    shown = text(page)
    assert '4,096 <span class="t3">to</span> 6,144' in shown
    assert f'action="/context-tests/{test.pk}/cancel/"' in shown


def test_loaded_models_stand_under_their_server_with_what_they_take(page: Client) -> None:
    server = make_server(memory_limit_bytes=10 * 10**9, reachable=True)
    model = make_model(server=server, key="in-memory", size_bytes=4 * 10**9)
    Instance.objects.create(server=server, model=model, instance_id="in-memory", context_length=4096)
    shown = text(page)
    assert 'aria-label="40% of the memory is taken"' in shown
    assert "estimated" in shown


def test_memory_of_an_unknown_model_stays_unknown(page: Client) -> None:
    server = make_server(memory_limit_bytes=10 * 10**9, reachable=True)
    model = make_model(server=server, size_bytes=None)
    Instance.objects.create(server=server, model=model, instance_id="a")
    assert "memory unknown" in text(page)


def test_the_latest_results_and_the_feed_name_what_was_found(page: Client) -> None:
    make_test(model=make_model(server=make_server(reachable=True), key="proven"), tested_context=8192)
    job = make_job(kind="context_test", status="succeeded", ended=timezone.now())
    make_test(model=make_model(key="ended"), tested_context=4096, job=job)
    shown = text(page)
    assert "proven</a>" in shown
    assert "verified at 4,096" in shown


def test_a_viewer_gets_no_buttons(client: Client) -> None:
    client.force_login(make_user(role="viewer"))
    make_model(server=make_server(reachable=True))
    assert "Scan now" not in text(client)
    assert "Test untested" not in text(client)


def test_the_live_part_is_only_the_fragment(page: Client) -> None:
    make_server(reachable=True)
    shown = text(page, "/live/")
    assert shown.startswith('<div id="overview"')
    assert "<html" not in shown


def test_the_navigation_fragment_marks_the_page_it_was_asked_from(page: Client) -> None:
    shown = page.get("/shell/live/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/jobs/7/"})
    current = shown.content.decode().partition('aria-current="page"')[2]
    assert "Jobs" in current[:200]


def test_queries_do_not_grow_with_rows(page: Client) -> None:
    _fill(1)
    with CaptureQueriesContext(connection) as few:
        text(page)
    _fill(12)
    with CaptureQueriesContext(connection) as many:
        text(page)
    assert len(many) <= len(few) + 1  # many of a kind can only replace single names
    assert len(many) <= 22


def _fill(count: int) -> None:
    for number in range(count):
        server = make_server(reachable=bool(number % 3), memory_limit_bytes=10**10)
        model = make_model(server=server, test_status="failed", tags=())
        Instance.objects.create(server=server, model=model, instance_id="a", context_length=2048)
        make_test(model=make_model(server=server, stale=True, test_status="tested"))
        job = make_job(kind="context_test", status="running", started=timezone.now())
        make_probe(test=make_test(model=model, job=job, verdict="", tested_context=None))
        make_job(kind="scan", status="succeeded", ended=timezone.now())
