"""The registry in the page head: chosen there, kept in the session, shown by every page."""

import pytest
from django.test import Client

from registry.models import Registry, Role
from tests.builders import make_model, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role=Role.VIEWER))
    return client


@pytest.fixture
def other() -> Registry:
    Registry.objects.default()
    return Registry.objects.create(name="other")


def use(page: Client, registry: Registry, next: str = "/models/") -> str:
    return page.post("/registries/use/", {"registry": registry.pk, "next": next})["Location"]


def test_a_chosen_registry_is_what_the_pages_show(page: Client, other: Registry) -> None:
    make_model(key="theirs", name="theirs", registry=other)
    make_model(key="ours", name="ours")
    use(page, other)
    body = page.get("/models/").content.decode()
    assert "theirs" in body
    assert ">ours<" not in body


def test_the_navigation_counts_the_models_of_the_chosen_one(page: Client, other: Registry) -> None:
    for _ in range(3):
        make_model(registry=other)
    use(page, other)
    counts = {section.label: section.count for section in page.get("/history/").context["sections"]}
    assert counts["Models"] == 3


def test_the_head_offers_twenty_with_the_chosen_one_first(page: Client, other: Registry) -> None:
    for number in range(30):
        Registry.objects.create(name=f"a{number:02}")
    use(page, other)
    context = page.get("/history/").context
    assert [each.name for each in context["registries"]][:2] == ["other", "a00"]
    assert (len(context["registries"]), context["more_registries"]) == (20, True)


def test_a_registry_that_is_gone_is_the_default_one_again(page: Client, other: Registry) -> None:
    use(page, other)
    other.delete()
    assert page.get("/history/").context["registry"].name == "default"


@pytest.mark.parametrize(
    ("left", "found"),
    [("/models/7/", "/models/"), ("/snapshots/", "/snapshots/"), ("/", "/"), ("https://evil.example/", "/"),
     ("//evil.example/", "/"), ("/nothing/", "/"), ("", "/")],
)  # fmt: skip
def test_switching_stays_at_the_list_and_on_this_site(page: Client, other: Registry, left: str, found: str) -> None:
    assert use(page, other, left) == found


@pytest.mark.parametrize("key", ["", "x", "987654", "9" * 40])
def test_a_registry_that_is_none_is_not_found(page: Client, key: str) -> None:
    assert page.post("/registries/use/", {"registry": key}).status_code == 404


def test_a_fragment_counts_the_chosen_registry_too(page: Client, other: Registry) -> None:
    make_model(registry=other)
    use(page, other)
    body = page.get("/shell/live/", headers={"HX-Request": "true"}).content.decode()
    assert '<span class="count">1</span>' in body
