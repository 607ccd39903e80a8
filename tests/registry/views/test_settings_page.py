"""Settings: one's own password, tokens of programs, people."""

import pytest
from django.test import Client

from registry import admitting
from registry.models import ApiToken, LoginLink, Role, User
from tests.builders import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NEW = {"new_password1": "tr0ub4dor-and-three", "new_password2": "tr0ub4dor-and-three"}


@pytest.fixture
def admin() -> User:
    return make_user(username="ann")


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def test_a_first_password_needs_no_old_one_and_keeps_the_session(page: Client, admin: User) -> None:
    page.post("/settings/password/", NEW)
    admin.refresh_from_db()
    assert admin.check_password(NEW["new_password1"])
    assert page.get("/settings/").status_code == 200


def test_a_second_password_needs_the_old_one(page: Client, admin: User) -> None:
    admin.set_password("the old one 123")
    admin.save()
    page.force_login(admin)
    assert "old_password" in page.post("/settings/password/", NEW).context["password"].errors
    page.post("/settings/password/", NEW | {"old_password": "the old one 123"})
    admin.refresh_from_db()
    assert admin.check_password(NEW["new_password1"])


def test_a_token_is_shown_once_on_the_answer(page: Client) -> None:
    answer = page.post("/settings/tokens/", {"name": "ci", "role": "operator"})
    secret = answer.context["secret"]
    assert ApiToken.objects.holder(secret) == ApiToken.objects.get()
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert secret not in page.get("/settings/").content.decode()


def test_a_token_has_limits_for_the_gateway(page: Client) -> None:
    limits = {"requests_per_minute": "60", "tokens_per_day": "5000", "keep_content": "on", "keep_days": "3"}
    page.post("/settings/tokens/", {"name": "ci", "role": "operator", **limits})
    token = ApiToken.objects.get()
    assert (token.requests_per_minute, token.tokens_per_day, token.keep_content, token.keep_days) == (60, 5000, True, 3)
    assert "60 requests/min, 5,000 tokens/day, prompts kept for 3 days" in page.get("/settings/").content.decode()
    assert (
        "requests_per_minute"
        in page.post("/settings/tokens/", {"name": "x", "requests_per_minute": "0"}).context["token"].errors
    )


def test_a_token_without_a_name_is_refused(page: Client) -> None:
    page.post("/settings/tokens/", {"name": "", "role": "viewer"})
    assert not ApiToken.objects.exists()


def test_a_revoked_token_is_no_longer_usable(page: Client) -> None:
    token, secret = ApiToken.issue("ci", Role.VIEWER)
    page.post(f"/settings/tokens/{token.pk}/revoke/")
    assert ApiToken.objects.holder(secret) is None


def test_a_new_person_gets_a_link_and_no_password(page: Client, client: Client) -> None:
    answer = page.post("/settings/people/", {"username": "bob", "role": "operator"})
    link = answer.context["link"]
    bob = User.objects.get(username="bob")
    assert (bob.role, bob.has_usable_password()) == ("operator", False)
    stranger = Client()
    stranger.get("/login/" + link.partition("/login/")[2])
    assert stranger.session["_auth_user_id"] == str(bob.pk)


def test_a_second_person_of_the_same_name_is_refused(page: Client) -> None:
    page.post("/settings/people/", {"username": "ann", "role": "viewer"})
    assert User.objects.count() == 1


def test_a_role_is_changed_and_reaches_the_admin_only_as_admin(page: Client) -> None:
    bob = make_user(role=Role.ADMIN)
    page.post(f"/settings/people/{bob.pk}/role/", {"role": "viewer"})
    bob.refresh_from_db()
    assert (bob.role, bob.is_staff, bob.is_superuser) == ("viewer", False, False)


def test_a_disabled_person_is_out_at_once(page: Client) -> None:
    bob, session = make_user(), Client()
    session.force_login(bob)
    page.post(f"/settings/people/{bob.pk}/disable/")
    assert session.get("/settings/").status_code == 302


@pytest.mark.parametrize("action", ["role", "disable"])
def test_nobody_changes_their_own_account(page: Client, admin: User, action: str) -> None:
    assert page.post(f"/settings/people/{admin.pk}/{action}/", {"role": "viewer"}).status_code == 400
    admin.refresh_from_db()
    assert (admin.role, admin.is_active) == ("admin", True)


def test_a_fresh_link_is_made_for_anybody(page: Client) -> None:
    bob = make_user()
    page.post(f"/settings/people/{bob.pk}/link/")
    assert LoginLink.objects.get().user == bob


def test_others_see_only_their_own_password(client: Client) -> None:
    client.force_login(make_user(role=Role.OPERATOR))
    text = client.get("/settings/").content.decode()
    assert "Set a password" in text
    assert "API token" not in text.replace("REST API", "")


def test_the_limits_of_a_token_are_edited_and_its_secret_stays(page: Client) -> None:
    token, secret = ApiToken.issue("ci", Role.VIEWER)
    assert f"/settings/tokens/{token.pk}/" in page.get("/settings/").content.decode()
    shown = page.get(f"/settings/tokens/{token.pk}/").content.decode()
    assert "What the token ci may use" in shown
    page.post(f"/settings/tokens/{token.pk}/", {"requests_per_minute": "5", "keep_content": "on", "keep_days": "1"})
    token.refresh_from_db()
    assert (token.requests_per_minute, token.tokens_per_day, token.keep_days) == (5, None, 1)
    assert "5 requests/min, prompts kept for 1 day<" in page.get("/settings/").content.decode()
    assert ApiToken.objects.holder(secret) == token
    wrong = page.post(f"/settings/tokens/{token.pk}/", {"requests_per_minute": "0"})
    assert "requests_per_minute" in wrong.context["form"].errors


def test_limits_are_for_admins_and_usable_tokens(page: Client, client: Client) -> None:
    token, _ = ApiToken.issue("ci", Role.VIEWER)
    token.revoke()
    assert page.get(f"/settings/tokens/{token.pk}/").status_code == 404
    client.force_login(make_user(role=Role.OPERATOR))
    assert client.get(f"/settings/tokens/{token.pk}/").status_code == 403


def test_a_token_with_control_characters_is_refused(page: Client) -> None:
    page.post("/settings/tokens/", {"name": "c\r\ni", "role": "viewer"})
    with pytest.raises(ValueError, match="printable characters"):
        admitting.issue_token("c\x1bi", Role.VIEWER)
    assert not ApiToken.objects.exists()
