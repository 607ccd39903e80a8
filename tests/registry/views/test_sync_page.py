"""Syncing from a page: asked, shown, done as a job; a token that was typed is never kept."""

import pytest
from django.test import Client

from registry.models import Job, Registry
from tests.builders import make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def other() -> Registry:
    """A registry with a model that the default one lacks."""
    server = make_server()
    make_model(key="ours", server=server)
    other = Registry.objects.create(name="other")
    make_model(key="theirs", server=server, registry=other)
    return other


def sent(other: Registry | None = None, **more: str) -> dict[str, str]:
    return {"registry": str(other.pk) if other else "", "strategy": "prefer_newer", **more}


def test_what_changes_on_both_sides_is_shown_and_nothing_written(page: Client, other: Registry) -> None:
    sides = page.post("/sync/", sent(other)).context["sides"]
    assert [(label, [block.change.id for block in blocks]) for label, _, blocks in sides] == [
        ("default", ["theirs"]), ("other", ["ours"]),
    ]  # fmt: skip
    assert not Job.objects.exists()


def test_a_sync_is_a_job_with_what_was_chosen(page: Client, other: Registry) -> None:
    page.post("/sync/run/", sent(other, strategy="skip", results="on"))
    params = Job.objects.get().params
    assert (params["first"], params["second"]) == ("registry:default", "registry:other")
    assert (params["strategy"], params["results"]) == ("skip", True)


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:1"])
def test_one_side_has_to_be_named_and_only_one(page: Client, other: Registry, address: str) -> None:
    answer = page.post("/sync/", sent(other if address else None, address=address))
    assert "one of them" in answer.content.decode()


def test_a_typed_token_is_neither_kept_nor_shown(page: Client, other: Registry) -> None:
    asked = sent(address="http://127.0.0.1:1", token="s3cret")
    shown = page.post("/sync/", asked).content.decode()
    done = page.post("/sync/run/", asked, follow=True).content.decode()
    assert "cannot be reached" in shown
    assert "cannot be reached" in done
    assert "s3cret" not in shown + done
    assert not Job.objects.exists()


@pytest.mark.parametrize("address", ["http://me:secret@host:8000", "/etc/passwd", "file:/etc/passwd"])
def test_an_address_that_is_none_starts_no_job(page: Client, address: str) -> None:
    assert page.post("/sync/run/", sent(address=address)).status_code == 200
    assert not Job.objects.exists()
