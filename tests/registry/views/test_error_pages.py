"""Error pages say what happened and what to do, also when nothing works any more."""

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.views.defaults import bad_request, server_error

from tests.builders import make_user


@pytest.mark.parametrize("page", ["400", "403", "403_csrf", "404", "500"])
def test_every_error_page_stands_alone(page: str) -> None:
    text = render_to_string(f"{page}.html")
    assert "<h1>" in text
    assert 'href="/"' in text
    assert "style=" not in text


def test_a_broken_server_page_asks_no_database(rf: object) -> None:
    # without the database mark of pytest-django, a query would fail the test
    request = rf.get("/")  # type: ignore[attr-defined]
    assert server_error(request).status_code == 500
    assert bad_request(request, ValueError()).status_code == 400


@pytest.mark.django_db
def test_a_missing_page_answers_404_in_the_look_of_the_site(client: Client) -> None:
    client.force_login(make_user())
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


@pytest.mark.django_db
def test_a_refusal_names_the_role_it_takes(client: Client) -> None:
    client.force_login(make_user(role="viewer"))
    answer = client.post("/servers/scan/")
    assert "This takes the role operator" in answer.content.decode()


@pytest.mark.django_db
def test_a_form_without_its_token_is_explained() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user())
    answer = client.post("/logout/")
    assert answer.status_code == 403
    assert "out of date" in answer.content.decode()
