"""Secrets at rest."""

from __future__ import annotations

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from registry import sealing
from registry.models import Server
from tests.builders import make_server

OLD, NEW = "an old key of more than thirty-two characters", "a new key of more than thirty-two characters"


@pytest.mark.parametrize("secret", ["sk-1", "ключ 🔑", "x" * 5000, " "])
def test_a_sealed_secret_can_be_read_again_and_does_not_show(secret: str) -> None:
    sealed = sealing.seal(secret)
    assert sealing.unseal(sealed) == secret
    assert secret.strip() == "" or secret not in sealed


def test_no_secret_needs_no_seal() -> None:
    assert (sealing.seal(""), sealing.unseal("")) == ("", "")


def test_one_secret_looks_different_each_time() -> None:
    assert sealing.seal("sk-1") != sealing.seal("sk-1")


def test_a_secret_survives_a_new_key_while_the_old_one_is_a_fallback(settings: Settings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    sealed = sealing.seal("sk-1")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    assert sealing.unseal(sealed) == "sk-1"


def test_a_secret_whose_key_is_lost_has_to_be_entered_again(settings: Settings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    sealed = sealing.seal("sk-1")
    settings.SECRET_KEY = NEW
    with pytest.raises(sealing.Unreadable, match="enter it again"):
        sealing.unseal(sealed)


@pytest.mark.parametrize("damaged", ["garbage", "gAAAAAB", "ключ", "gAAAAAB" + "A" * 200])
def test_a_damaged_secret_has_to_be_entered_again(damaged: str) -> None:
    with pytest.raises(sealing.Unreadable):
        sealing.unseal(damaged)


@pytest.mark.database
@pytest.mark.django_db
def test_the_table_never_holds_a_token_in_clear() -> None:
    server = make_server(token="s3cret-token")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM registry_server")
        assert "s3cret-token" not in repr(cursor.fetchall())
    fresh = Server.objects.get(pk=server.pk)
    assert (fresh.token, fresh.has_token) == ("s3cret-token", True)


@pytest.mark.database
@pytest.mark.django_db
def test_a_token_shows_in_no_text_of_a_server() -> None:
    server = make_server(token="s3cret-token")
    assert "s3cret-token" not in f"{server!r} {server} {vars(server)}"
