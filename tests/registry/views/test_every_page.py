"""Who may open pages and who may change things, for every address of both apps."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, resolve, reverse

import registry.urls
import testing.urls
from registry import snapshots
from registry.models import Group, LoginLink, Profile, Role, Scan
from tests.builders import make_job, make_model, make_server, make_test, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]

PATTERNS: list[URLPattern] = [*registry.urls.urlpatterns, *testing.urls.urlpatterns]
OPEN_TO_ALL = {"login"}
# what they change is one's own session, or nothing
OPEN_TO_EVERY_ROLE = {
    "logout",
    "settings-password",
    "registry-use",
    "compare",
    "models-columns",
    "models-export-chosen",
}


def addresses() -> Iterator[tuple[str, str]]:
    """Every page with an address that exists."""
    test = make_test()
    registry = test.model.registry
    rows = {
        "context-test": test, "job": make_job(), "group": Group.objects.create(registry=registry, name="g"),
        "profile": Profile.objects.create(registry=registry, name="p"), "registry": registry, "model": test.model,
        "snapshot": snapshots.create(registry, "s"), "import": snapshots.store_upload(registry, "u", b'{"llms": {}}'),
    }  # fmt: skip
    for pattern in PATTERNS:
        name = str(pattern.name)
        key = next((row.pk for prefix, row in rows.items() if name.startswith(prefix)), test.server.pk)
        key = UUID(int=1) if "<uuid:" in str(pattern.pattern) else key
        arguments = [key] if "<" in str(pattern.pattern) else []
        yield name, reverse(name, args=arguments)


def test_a_stranger_is_sent_to_sign_in_from_every_page(client: Client) -> None:
    for name, address in addresses():
        if name not in OPEN_TO_ALL:
            answer = client.get(address)
            assert answer.status_code == 302, name
            assert answer["Location"].startswith("/login/?next="), name


def test_a_viewer_changes_nothing(client: Client) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    for name, address in addresses():
        answer = client.post(address)
        allowed = {200, 302, 404} if name in OPEN_TO_EVERY_ROLE | OPEN_TO_ALL else {403, 405}
        assert answer.status_code in allowed, name
        if name == "logout":
            client.force_login(make_user(role=Role.VIEWER))


ADMINS = ("server-", "settings-", "usage-request-", "snapshot-", "import", "compare-", "sync", "registry-", "upkeep-")
NOT_ADMINS = ("-live", "-scan", "-unload", "-password", "-use", "-download", "snapshot-take")


def test_an_operator_changes_no_servers_tokens_people_snapshots_and_registries(client: Client) -> None:
    client.force_login(make_user(role=Role.OPERATOR))
    for name, address in addresses():
        admins = name.startswith(ADMINS) and not name.endswith(NOT_ADMINS)
        if admins:
            assert client.post(address).status_code == 403, name


def test_a_viewer_can_read_every_page(client: Client) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    for name, address in addresses():
        answer = client.get(address)
        assert answer.status_code in {200, 403, 405}, name
        assert answer.status_code != 403 or hasattr(resolve(address).func, "needed_role"), name


LISTS = ["models", "servers", "jobs", "context-tests", "settings", "snapshots", "upkeep", "history", "registries"]


@pytest.mark.parametrize("name", [*LISTS, "playground", "server", "server-edit", "server-delete", "job"])
def test_names_from_a_server_are_text_never_markup(client: Client, name: str) -> None:
    client.force_login(make_user())
    evil = '"><script>alert(1)</script>{{7*7}}<img src=x onerror=alert(1)>'
    server = make_server(name=evil[:90], error=evil, reachable=False)
    model = make_model(key=evil, server=server, quantization=evil[:20], stale=True, stale_reason=evil)
    test = make_test(model=model, job=make_job(title=evil, message=evil, error=evil, status="failed"))
    Scan.objects.create(server=server, registry=model.registry, added=[evil], rejected=[evil], missing=[evil])
    keys = [] if name in (*LISTS, "playground") else [test.job_id] if name == "job" else [server.pk]
    body = client.get(reverse(name, args=keys)).content.decode()
    assert "<script>alert" not in body
    assert "<img src=x" not in body


def test_the_list_of_people_never_shows_a_key(client: Client) -> None:
    user = make_user()
    key = LoginLink.issue(user)
    client.force_login(user)
    assert key not in client.get("/settings/").content.decode()
