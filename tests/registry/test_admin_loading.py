"""Loads, unloads and pins from the admin."""

from __future__ import annotations

import pytest
from django.test import Client

from registry.models import Instance, Job, LanguageModel
from tests.builders import make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(username="ann"))
    return client


def act(page: Client, action: str, *rows: int) -> str:
    address = "/admin/registry/languagemodel/"
    answer = page.post(address, {"action": action, "_selected_action": rows}, follow=True)
    return answer.content.decode()


def test_models_are_loaded_and_unloaded_as_jobs_of_the_admin(page: Client) -> None:
    rows = [make_model(key=key).pk for key in ("qwen", "gemma")]
    for action, kind in (("load", "loads"), ("unload", "unloads")):
        assert "Jobs shows how it goes" in act(page, action, *rows)
        job = Job.objects.get(kind=kind)
        assert (job.door, str(job.asked_by), job.children.count()) == ("admin", "ann", 2)


def test_what_cannot_be_loaded_is_said(page: Client) -> None:
    assert "no longer on" in act(page, "load", make_model(missing=True).pk)


def test_models_are_pinned_and_let_go(page: Client) -> None:
    row = make_model().pk
    act(page, "pin", row)
    assert LanguageModel.objects.get().pinned
    act(page, "unpin", row)
    assert not LanguageModel.objects.get().pinned


def test_the_copies_show_their_drift(page: Client) -> None:
    server = make_server()
    Instance.objects.create(model=make_model(server=server), server=server, instance_id="q", drift="asked for more")
    assert "asked for more" in page.get("/admin/registry/instance/").content.decode()
