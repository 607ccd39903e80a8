"""Who changed what, when, from which door."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from registry import acting, admitting, auditing, connecting
from registry.acting import Actor
from registry.models import ApiToken, AuditEvent, Role
from tests.api_clients import ApiClient
from tests.builders import make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def last() -> AuditEvent:
    event = AuditEvent.objects.first()
    assert event is not None
    return event


def told(event: AuditEvent) -> tuple[Any, ...]:
    return event.door, event.who, event.action, event.kind, event.name


def test_a_change_on_a_page_is_noted_with_the_person(client: Client) -> None:
    boss, server = make_user(username="noor"), make_server(name="shelf")
    client.force_login(boss)
    client.post(f"/servers/{server.pk}/disable/")
    assert told(last()) == ("page", "noor", "edit", "server", "shelf")
    assert (last().user, last().changes) == (boss, {"enabled": [True, False]})


def test_a_change_by_a_program_is_noted_with_its_token() -> None:
    server = make_server(name="shelf")
    ApiClient(Role.ADMIN).send("PATCH", f"/api/servers/{server.pk}", {"memory_limit_bytes": 2**30})
    assert (last().door, last().changes) == ("rest", {"memory_limit_bytes": [None, 2**30]})
    assert last().who.startswith("token ")


def test_a_change_by_a_command_is_noted() -> None:
    call_command("token", "create", "ci")
    assert told(last())[::2] == ("command", "add", "ci")


def test_a_secret_is_never_noted() -> None:
    server = make_server(token="first-secret")
    connecting.edit_server(server, token="second-secret")
    assert last().changes == {"token": ["stored", "stored"]}


def test_what_a_deletion_took_along_is_noted() -> None:
    server = make_server(name="shelf")
    connecting.delete_server(server)
    assert (last().action, last().summary) == ("delete", "with 0 models and 0 tests")


def test_the_history_of_an_object_is_its_own() -> None:
    first, second = make_user(), make_user()
    admitting.change_role(first, Role.VIEWER)
    admitting.let_in(second, False)
    assert [event.action for event in auditing.of(second)] == ["disable"]


def test_a_long_value_is_cut() -> None:
    auditing.note("edit", make_server(), changes={"name": ("", "x" * 5000)})
    assert len(last().changes["name"][1]) == auditing.LONGEST


def test_an_actor_ends_with_its_block() -> None:
    with acting.acting(Actor("schedule")):
        assert acting.current().door == "schedule"
    assert acting.current().door == "python"


def test_a_token_can_do_no_more_than_its_maker_may_now(client: Client) -> None:
    maker = make_user(role="admin")
    _, secret = ApiToken.issue("ci", "admin", created_by=maker)
    admitting.change_role(maker, Role.VIEWER)
    answer = client.get("/api/tokens", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 403
