"""Signing in by link and by password, and out again."""

import logging
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from registry.models import LoginLink, User
from tests.builders import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_link_signs_in_once(client: Client) -> None:
    key = LoginLink.issue(make_user())
    answer = client.get(f"/login/?key={key}")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert signed_in(client)
    again = Client().get(f"/login/?key={key}", follow=True)
    assert "has been used already" in again.content.decode()
    assert "lmstrix login" in again.content.decode()


def test_an_old_link_says_that_it_is_too_old(client: Client) -> None:
    key = LoginLink.issue(make_user())
    LoginLink.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert "older than ten minutes" in client.get(f"/login/?key={key}", follow=True).content.decode()
    assert not signed_in(client)


@pytest.mark.parametrize("key", ["", "wrong", "x" * 5000, "%F0%9F%A6%89"])
def test_an_unknown_link_says_so(client: Client, key: str) -> None:
    assert "not known here" in client.get(f"/login/?key={key}", follow=True).content.decode()


def test_the_link_of_a_disabled_account_says_so(client: Client) -> None:
    key = LoginLink.issue(make_user(is_active=False))
    assert "disabled" in client.get(f"/login/?key={key}", follow=True).content.decode()


def test_a_preview_by_head_does_not_use_the_link_up(client: Client) -> None:
    key = LoginLink.issue(make_user())
    Client().head(f"/login/?key={key}")
    client.get(f"/login/?key={key}")
    assert signed_in(client)


def test_the_answer_to_a_link_is_kept_nowhere_and_tells_no_other_page(client: Client) -> None:
    for key in (LoginLink.issue(make_user()), "wrong"):
        answer = client.get(f"/login/?key={key}")
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]
        assert key not in answer["Location"]


def test_the_session_gets_a_new_key(client: Client) -> None:
    client.get("/login/")
    session = client.session
    session["x"] = 1
    session.save()
    before = session.session_key
    client.cookies["lmstrix_session"] = str(before)
    client.get(f"/login/?key={LoginLink.issue(make_user())}")
    assert client.session.session_key != before


@pytest.mark.parametrize(
    "place", ["//evil.example/x", "https://evil.example", "javascript:alert(1)", r"\\evil.example"]
)
def test_next_leads_to_this_site_only(client: Client, place: str) -> None:
    key = LoginLink.issue(make_user())
    assert client.get("/login/", {"key": key, "next": place})["Location"] == "/"


def test_next_is_followed_on_this_site(client: Client) -> None:
    key = LoginLink.issue(make_user())
    assert client.get("/login/", {"key": key, "next": "/models/?q=a"})["Location"] == "/models/?q=a"


def test_a_password_signs_in(client: Client) -> None:
    make_user(username="ann", password="correct horse battery")
    answer = client.post("/login/", {"username": "ann", "password": "correct horse battery", "next": "/jobs/"})
    assert answer["Location"] == "/jobs/"


def test_a_user_without_a_password_cannot_sign_in_with_one(client: Client) -> None:
    make_user(username="ann")
    client.post("/login/", {"username": "ann", "password": ""})
    client.post("/login/", {"username": "ann", "password": "!"})
    assert not signed_in(client)


def test_wrong_passwords_are_throttled(client: Client) -> None:
    cache.clear()
    make_user(username="ann", password="correct horse battery")
    for _ in range(5):
        answer = client.post("/login/", {"username": "ann", "password": "wrong"})
    assert answer.status_code == 429
    assert "Too many wrong passwords" in answer.content.decode()
    client.post("/login/", {"username": "ann", "password": "correct horse battery"})
    assert not signed_in(client)


def test_a_key_is_in_no_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys = [LoginLink.issue(make_user()), "wrong-key-of-somebody"]
    for key in keys:
        client.get(f"/login/?key={key}")
        client.post(f"/login/?key={key}", {"username": "a", "password": "b"})
    written = [record for record in caplog.records if not record.name.startswith("django.db")]
    assert not any(key in record.getMessage() for key in keys for record in written)


def test_signing_out_takes_a_post(client: Client) -> None:
    client.force_login(make_user())
    assert client.get("/logout/").status_code == 405
    client.post("/logout/")
    assert not signed_in(client)


def test_no_password_is_made_up_for_people_who_come_by_link(client: Client) -> None:
    client.get(f"/login/?key={LoginLink.issue(make_user())}")
    assert not User.objects.get().has_usable_password()
