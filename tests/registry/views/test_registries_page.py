"""Registries: the list, making, renaming, deleting, opening, what is in one."""

from unittest import mock

import pytest
from django.test import Client

from registry.holding import Busy
from registry.models import Registry, Role
from tests.builders import make_model, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def other() -> Registry:
    Registry.objects.default()
    return Registry.objects.create(name="other")


def test_the_list_has_every_registry_with_its_models_and_size(page: Client, other: Registry) -> None:
    make_model(registry=other, size_bytes=2_000_000_000)
    body = page.get("/registries/").content.decode()
    assert "Two registries; the pages show default" in body
    assert "2 GB" in body


def test_the_list_takes_the_same_queries_however_many_there_are(
    page: Client, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    for number in range(40):
        Registry.objects.create(name=f"r{number}")
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        page.get("/registries/")


def test_one_is_made_by_its_name(page: Client) -> None:
    page.post("/registries/add/", {"name": "production"})
    assert Registry.objects.filter(name="production").exists()


@pytest.mark.parametrize(("name", "told"), [("other", "named other already"), ("a/b", "a slash means a file")])
def test_a_name_that_cannot_be_is_said_at_the_field(page: Client, other: Registry, name: str, told: str) -> None:
    assert told in page.post("/registries/add/", {"name": name}).content.decode()


def test_one_is_renamed(page: Client, other: Registry) -> None:
    page.post(f"/registries/{other.pk}/rename/", {"name": "laptop"})
    other.refresh_from_db()
    assert other.name == "laptop"


def test_deleting_one_says_what_is_lost_and_offers_it_as_a_file(page: Client, other: Registry) -> None:
    make_model(registry=other)
    body = page.get(f"/registries/{other.pk}/delete/").content.decode()
    assert "One model with tags" in body
    assert f"/registries/{other.pk}/download/" in body
    page.post(f"/registries/{other.pk}/delete/")
    assert not Registry.objects.filter(pk=other.pk).exists()


def test_the_default_registry_is_not_deleted(page: Client) -> None:
    default = Registry.objects.default()
    answer = page.post(f"/registries/{default.pk}/delete/", follow=True)
    assert "cannot be deleted" in answer.content.decode()
    assert Registry.objects.filter(pk=default.pk).exists()


def test_the_page_of_one_has_its_statistics_in_words(page: Client, other: Registry) -> None:
    make_model(registry=other)
    told = {name: value.text for name, value in page.get(f"/registries/{other.pk}/").context["statistics"]}
    assert told["models"] == "1"


def test_one_that_is_bound_to_a_file_says_which(page: Client) -> None:
    Registry.objects.create(name="/data/prod.json", path="/data/prod.json")
    body = page.get("/registries/").content.decode()
    assert "bound to a file" in body
    assert "/data/prod.json" in body


def test_the_download_is_the_whole_registry(page: Client, other: Registry) -> None:
    make_model(key="inside", registry=other)
    answer = page.get(f"/registries/{other.pk}/download/")
    assert b'"inside"' in answer.content
    assert answer["Content-Disposition"] == 'attachment; filename="other.json"'


def test_a_viewer_makes_none(client: Client, other: Registry) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    assert "Make a registry" not in client.get("/registries/").content.decode()
    assert client.post("/registries/add/", {"name": "x"}).status_code == 403


@pytest.mark.parametrize("action", ["rename", "delete"])
def test_a_busy_registry_says_so(page: Client, other: Registry, action: str) -> None:
    with mock.patch(f"registry.registries.{action}_registry", side_effect=Busy("Registry other is being written")):
        answer = page.post(f"/registries/{other.pk}/{action}/", {"name": "new"}, follow=True)
    assert "Registry other is being written" in answer.content.decode()
