"""Servers on their pages: listed, added, tried, changed, switched, scanned and deleted."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry.models import Job, LanguageModel, Role, Scan, Server
from tests.builders import make_job, make_model, make_server, make_test, make_user
from tests.scripted_lmstudio import ScriptedLMStudio

pytestmark = [pytest.mark.django_db, pytest.mark.database]

FORM = {"name": "workstation", "base_url": "http://192.168.1.20:1234", "token": "", "memory_limit_bytes": "24 GB"}


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio() as server:
        yield server


def body(page: Client, address: str) -> str:
    return page.get(address).content.decode()


def test_a_server_is_added_with_its_memory_in_bytes_and_its_token_sealed(page: Client) -> None:
    page.post("/servers/add/", FORM | {"token": "s3cret"})
    server = Server.objects.get()
    assert (server.memory_limit_bytes, server.token) == (24 * 10**9, "s3cret")
    assert "s3cret" not in server.token_sealed


@pytest.mark.parametrize("amount", ["24", "lots", "24 XB", "-1 GB", "0 GB", "9" * 30])
def test_an_amount_that_cannot_be_read_is_said_at_the_field(page: Client, amount: str) -> None:
    answer = page.post("/servers/add/", FORM | {"memory_limit_bytes": amount})
    assert answer.context["form"].errors["memory_limit_bytes"]


def test_a_second_server_of_the_same_name_is_refused_with_the_reason(page: Client) -> None:
    make_server(name="workstation")
    assert "already a server named workstation" in page.post("/servers/add/", FORM).content.decode()


def test_an_empty_token_keeps_the_stored_one(page: Client) -> None:
    server = make_server(token="s3cret", base_url="http://127.0.0.1:9")
    page.post(f"/servers/{server.pk}/edit/", FORM | {"base_url": server.base_url})
    server.refresh_from_db()
    assert (server.name, server.token) == ("workstation", "s3cret")


def test_a_token_can_be_forgotten(page: Client) -> None:
    server = make_server(token="s3cret")
    page.post(f"/servers/{server.pk}/edit/", FORM | {"forget_token": "on"})
    server.refresh_from_db()
    assert not server.has_token


def test_a_stored_token_goes_to_no_other_address(page: Client) -> None:
    server = make_server(token="s3cret")
    answer = page.post(f"/servers/{server.pk}/edit/", FORM)
    assert "enter the token for it again" in answer.content.decode()


def test_the_token_is_never_shown_again(page: Client) -> None:
    server = make_server(token="s3cret")
    for address in ("/servers/", f"/servers/{server.pk}/", f"/servers/{server.pk}/edit/"):
        assert "s3cret" not in body(page, address)
        assert server.token_sealed not in body(page, address)


def test_trying_a_connection_says_what_answers_and_saves_nothing(page: Client, studio: ScriptedLMStudio) -> None:
    answer = page.post("/servers/try/", FORM | {"base_url": studio.url}, headers={"HX-Request": "true"})
    assert "answers in" in answer.content.decode()
    assert "<html" not in answer.content.decode()
    assert not Server.objects.exists()


def test_trying_without_a_script_shows_the_form_with_the_result(page: Client) -> None:
    answer = page.post("/servers/try/", FORM | {"base_url": "http://127.0.0.1:9"}).content.decode()
    assert 'value="workstation"' in answer
    assert "notice-bad" in answer


def test_trying_a_known_server_sends_its_stored_token_to_its_own_address_only(
    page: Client, studio: ScriptedLMStudio
) -> None:
    server = make_server(token="s3cret", base_url=studio.url)
    elsewhere = make_server(token="hidden")
    page.post(f"/servers/{server.pk}/try/", FORM | {"base_url": studio.url})
    page.post(f"/servers/{elsewhere.pk}/try/", FORM | {"base_url": studio.url})
    sent = [request.headers.get("authorization") for request in studio.requests]
    assert "Bearer s3cret" in sent
    assert "Bearer hidden" not in sent


def test_deleting_says_first_what_is_lost(page: Client) -> None:
    test = make_test()
    LanguageModel.objects.update(last_tested=test.created)
    page_text = body(page, f"/servers/{test.server.pk}/delete/")
    assert "1 model of this server" in page_text
    assert "one context test with all probes" in page_text
    assert Server.objects.exists()


def test_deleting_takes_the_server_and_its_models(page: Client) -> None:
    model = make_model()
    page.post(f"/servers/{model.server_id}/delete/")
    assert not Server.objects.exists()


def test_a_server_under_test_is_not_deleted(page: Client) -> None:
    server = make_server(experiment=make_job(kind="context_test"))
    answer = page.post(f"/servers/{server.pk}/delete/", follow=True)
    assert "cancel it first" in answer.content.decode()
    assert Server.objects.exists()


def test_a_server_is_disabled_and_enabled(page: Client) -> None:
    server = make_server()
    page.post(f"/servers/{server.pk}/disable/")
    assert not Server.objects.get().enabled
    page.post(f"/servers/{server.pk}/enable/")
    assert Server.objects.get().enabled


def test_an_operator_starts_a_scan(client: Client) -> None:
    client.force_login(make_user(role=Role.OPERATOR))
    server = make_server()
    client.post(f"/servers/{server.pk}/scan/")
    assert Scan.objects.get().server == server
    assert Job.objects.get().door == "page"


def test_scan_all_without_a_server_says_so(page: Client) -> None:
    assert "add one first" in page.post("/servers/scan/", follow=True).content.decode()


def test_the_page_of_a_server_shows_what_its_scans_found(page: Client) -> None:
    server = make_server(reachable=True)
    job = make_job(status="succeeded")
    changed = [{"key": "k", "fields": {"size_bytes": [1, 2]}}]
    registry = make_model(server=server).registry
    Scan.objects.create(
        job=job, server=server, registry=registry, added=["a"], changed=changed, rejected=["models[3]: odd"], found=1
    )
    text = body(page, f"/servers/{server.pk}/")
    assert "1 added, 1 changed" in " ".join(text.split())
    assert "k (size_bytes)" in text
    assert "models[3]: odd" in text


def test_a_dead_server_shows_its_error_and_remedy(page: Client) -> None:
    make_server(name="mac", reachable=False, error="does not answer; check that it is started.")
    text = body(page, "/servers/")
    assert "check that it is started" in text
    assert "The server does not answer" in text


def test_queries_do_not_grow_with_servers(page: Client) -> None:
    counts = []
    for _ in range(2):
        for _ in range(5):
            make_model()
        with CaptureQueriesContext(connection) as queries:
            page.get("/servers/")
            counts.append(len(queries))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(("role", "seen"), [("operator", False), ("admin", True)])
def test_only_an_admin_sees_the_button_that_edits_a_server(client: Client, role: str, seen: bool) -> None:
    server = make_server()
    client.force_login(make_user(role=role))
    assert (f"/servers/{server.pk}/edit/" in client.get(f"/servers/{server.pk}/").content.decode()) is seen
