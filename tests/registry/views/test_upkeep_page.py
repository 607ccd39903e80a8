"""Upkeep: broken rules with their objects, mending, cleaning up, compacting."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from registry.models import Job, LanguageModel, Profile, Registry, Role, Snapshot
from tests.builders import make_model, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


def broken() -> LanguageModel:
    """A model that claims to be in test although nothing tests it."""
    return make_model(key="lab/broken", test_status="testing")


def test_a_registry_in_order_says_so(page: Client) -> None:
    make_model()
    assert "breaks no rule" in page.get("/upkeep/").content.decode()


def test_a_broken_rule_stands_with_a_link_to_its_object(page: Client) -> None:
    broken()
    [row] = page.get("/upkeep/").context["issues"]
    assert row["issue"].object == "model lab/broken"
    assert page.get(row["page"]).status_code == 200


def test_a_profile_that_prefers_an_unknown_model_is_linked(page: Client) -> None:
    profile = Profile.objects.create(registry=Registry.objects.default(), name="p", preferred_models=["nowhere"])
    [row] = page.get("/upkeep/").context["issues"]
    assert row["page"] == profile.get_absolute_url()


def test_mending_says_first_what_it_will_do_then_what_it_did(page: Client) -> None:
    model = broken()
    assert "Mend one thing?" in page.get("/upkeep/fix/").content.decode()
    model.refresh_from_db()
    assert model.test_status == "testing"
    assert "One thing mended" in page.post("/upkeep/fix/").content.decode()
    model.refresh_from_db()
    assert model.test_status != "testing"
    assert Snapshot.objects.get().origin == "safety"


def test_cleaning_up_shows_first_what_goes(page: Client) -> None:
    make_model(key="orphan", missing=True)
    make_model(key="stays")
    answer = page.get("/upkeep/cleanup/?orphans=on")
    assert [block.change.id for block in answer.context["plan"].blocks if block.change.kind == "model"] == ["orphan"]
    assert not Job.objects.exists()


def test_cleaning_up_is_a_job(page: Client) -> None:
    make_model(last_tested=timezone.now() - timedelta(days=90))
    page.post("/upkeep/cleanup/", {"days": "30"})
    assert Job.objects.get().params["days"] == 30


@pytest.mark.parametrize("asked", ["", "days=-1", "days=x", "days=99999999999999999999"])
def test_a_clean_up_of_nothing_or_of_nonsense_is_said(page: Client, asked: str) -> None:
    answer = page.get(f"/upkeep/cleanup/?{asked}")
    assert answer.status_code == 200
    assert "error" in answer.content.decode() or "Say what is to go" in answer.content.decode()


def test_compacting_says_how_much_it_saved(page: Client) -> None:
    make_model()
    assert "saved" in page.post("/upkeep/compact/", follow=True).content.decode()


def test_a_viewer_sees_what_is_broken_and_mends_nothing(client: Client) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    broken()
    body = client.get("/upkeep/").content.decode()
    assert "lab/broken" in body
    assert "/upkeep/fix/" not in body
