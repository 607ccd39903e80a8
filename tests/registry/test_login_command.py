"""`lmstrix login`."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from registry.models import Role, User
from registry.signing_in import ADDRESS_FILE, link_for, site_url, url_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def admin(settings: Settings, tmp_path: Path) -> User:
    settings.DATA_DIR = tmp_path
    User.objects.all().delete()
    return User.objects.create(username="admin", role=Role.ADMIN)


def login(*arguments: str) -> str:
    output = StringIO()
    call_command("login", *arguments, stdout=output)
    return output.getvalue().strip()


def test_the_link_signs_the_first_admin_in(client: Client, admin: User) -> None:
    client.get(login().removeprefix(site_url()))
    assert client.session["_auth_user_id"] == str(admin.pk)


def test_the_link_of_a_named_user_signs_that_one_in(client: Client) -> None:
    viewer = User.objects.create(username="eve", role=Role.VIEWER)
    client.get(login("eve").removeprefix(site_url()))
    assert client.session["_auth_user_id"] == str(viewer.pk)


def test_an_unknown_user_is_wrong_usage_and_the_known_ones_are_named() -> None:
    with pytest.raises(CommandError, match="admin") as refusal:
        login("nobody")
    assert refusal.value.returncode == 2


def test_the_address_is_the_one_up_listens_on(settings: Settings, admin: User) -> None:
    (settings.DATA_DIR / ADDRESS_FILE).write_text("http://127.0.0.1:8123\n")
    assert link_for(admin).startswith("http://127.0.0.1:8123/login/?key=")


def test_the_public_address_comes_first(settings: Settings, admin: User) -> None:
    settings.PUBLIC_URL = "https://lmstrix.example.org"
    assert link_for(admin).startswith("https://lmstrix.example.org/login/?key=")


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://localhost:80"), ("::1", "http://[::1]:80")],  # noqa: S104
)
def test_a_host_becomes_an_address_a_browser_can_open(host: str, url: str) -> None:
    assert url_of(host, 80) == url
