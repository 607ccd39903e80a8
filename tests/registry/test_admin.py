"""Django's admin: every table, the useful actions, and no way around the verbs."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from registry.models import ApiToken, Job, LoginLink, Role, Scan, Server, User
from tests.builders import make_job, make_model, make_probe, make_server, make_test, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SERVER = {"name": "mac", "base_url": "localhost:1234/", "enabled": "on", "memory_limit_bytes": "", "token": ""}


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(username="ann"))
    return client


def act(page: Client, table: str, action: str, *rows: int) -> None:
    answer = page.post(f"/admin/{table}/", {"action": action, "_selected_action": rows})
    assert answer.status_code == 302, answer.content.decode()[:2000]


def ours() -> list[str]:
    """List pages of all tables of the two apps."""
    models = [model for model in admin.site._registry if model._meta.app_label in ("registry", "testing")]
    return [reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in models]


def test_every_table_but_login_links_has_its_pages(page: Client) -> None:
    make_probe(test=make_test())
    ApiToken.issue("ci", Role.VIEWER)
    addresses = ours()
    assert len(addresses) >= 13
    assert LoginLink not in admin.site._registry
    for address in addresses:
        assert page.get(address).status_code == 200, address


def test_the_page_of_each_row_opens(page: Client) -> None:
    test = make_test()
    make_probe(test=test)
    Scan.objects.create(server=test.server, registry=test.model.registry)
    for model in admin.site._registry:
        row = model._default_manager.first()
        if row is not None and model._meta.app_label in ("registry", "testing"):
            address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
            assert page.get(address).status_code == 200, address


def test_queries_do_not_grow_with_rows(page: Client) -> None:
    for address in ours():
        counts = []
        for _ in range(2):
            for _ in range(3):
                test = make_test()
                Scan.objects.create(server=test.server, registry=test.model.registry, job=make_job())
                ApiToken.issue("ci", Role.VIEWER, created_by=make_user())
            page.get(address)
            with CaptureQueriesContext(connection) as queries:
                page.get(address)
                counts.append(len(queries))
        assert counts[0] == counts[1], address


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_come_in(client: Client, role: Role) -> None:
    client.force_login(make_user(role=role))
    assert client.get("/admin/").status_code == 302


def test_a_server_is_saved_by_the_verb_with_a_sealed_token(page: Client) -> None:
    page.post("/admin/registry/server/add/", SERVER | {"token": "s3cret"})
    server = Server.objects.get()
    assert (server.base_url, server.token) == ("http://localhost:1234", "s3cret")
    shown = page.get(f"/admin/registry/server/{server.pk}/change/").content.decode()
    assert "s3cret" not in shown
    assert server.token_sealed not in shown


def test_an_empty_token_keeps_the_stored_one(page: Client) -> None:
    server = make_server(token="s3cret", base_url="http://localhost:1234")
    page.post(f"/admin/registry/server/{server.pk}/change/", SERVER | {"memory_limit_bytes": "24 GB"})
    server.refresh_from_db()
    assert (server.token, server.memory_limit_bytes) == ("s3cret", 24 * 10**9)


def test_a_stored_token_goes_to_no_other_address(page: Client) -> None:
    server = make_server(token="s3cret")
    answer = page.post(f"/admin/registry/server/{server.pk}/change/", SERVER)
    assert "enter the token for it again" in answer.content.decode()


def test_a_name_that_the_verb_refuses_is_said(page: Client) -> None:
    answer = page.post("/admin/registry/server/add/", SERVER | {"name": "a/b"}, follow=True)
    assert "without / and @" in answer.content.decode()
    assert not Server.objects.exists()


def test_the_action_scans_servers(page: Client) -> None:
    server = make_server()
    act(page, "registry/server", "scan", server.pk)
    assert Job.objects.get().door == "admin"


def test_the_action_tests_models(page: Client) -> None:
    model = make_model()
    act(page, "registry/languagemodel", "start_tests", model.pk)
    assert Job.objects.get(kind="context_test").door == "admin"


def test_actions_cancel_and_retry_jobs(page: Client) -> None:
    going, broke = make_job(status="running"), make_job(status="failed")
    act(page, "registry/job", "cancel", going.pk)
    act(page, "registry/job", "retry", broke.pk)
    going.refresh_from_db()
    broke.refresh_from_db()
    assert (going.cancel_requested, broke.status) == (True, "queued")


def test_tokens_are_revoked_here_but_issued_in_settings(page: Client) -> None:
    token, secret = ApiToken.issue("ci", Role.VIEWER)
    assert page.get("/admin/registry/apitoken/add/").status_code == 403
    assert "/settings/#tokens" in page.get("/admin/registry/apitoken/").content.decode()
    act(page, "registry/apitoken", "revoke", token.pk)
    assert ApiToken.objects.holder(secret) is None


def test_evidence_is_read_only(page: Client) -> None:
    test = make_test()
    for table in ("registry/job", "registry/scan", "testing/contexttest", "registry/pulse", "registry/instance"):
        assert page.get(f"/admin/{table}/add/").status_code == 403
    assert page.post(f"/admin/testing/contexttest/{test.pk}/delete/", {"post": "yes"}).status_code == 403


def test_nobody_changes_their_own_role(page: Client) -> None:
    ann = User.objects.get(username="ann")
    page.post(f"/admin/registry/user/{ann.pk}/change/", {"username": "ann", "email": "", "role": "viewer"})
    ann.refresh_from_db()
    assert (ann.role, ann.is_active) == ("admin", True)


def test_a_person_added_here_comes_in_by_a_link(page: Client) -> None:
    page.post("/admin/registry/user/add/", {"username": "bob", "email": "", "role": "operator", "is_active": "on"})
    bob = User.objects.get(username="bob")
    assert not bob.has_usable_password()
    assert not bob.is_staff
