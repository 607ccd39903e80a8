"""`lmstrix token`."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry.models import ApiToken, Role

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def token(*arguments: str) -> str:
    output = StringIO()
    call_command("token", *arguments, stdout=output, stderr=StringIO())
    return output.getvalue().strip()


def as_json(*arguments: str) -> Any:
    return json.loads(token(*arguments, "--json"))


def test_create_prints_a_secret_that_opens_with_the_asked_role() -> None:
    holder = ApiToken.objects.holder(token("create", "ci", "--role", "operator"))
    assert holder is not None
    assert (holder.name, holder.role) == ("ci", Role.OPERATOR)


def test_a_token_is_a_viewer_unless_more_is_asked_for() -> None:
    assert as_json("create", "ci")["role"] == "viewer"


def test_no_list_shows_a_secret() -> None:
    secret = token("create", "ci")
    assert secret not in token("list")
    assert secret not in token("list", "--json")
    assert [row["name"] for row in as_json("list")] == ["ci"]


@pytest.mark.parametrize("by", ["id", "name", "start"])
def test_a_revoked_token_opens_nothing(by: str) -> None:
    made = as_json("create", "ci")
    token("revoke", str(made[by]))
    assert ApiToken.objects.holder(made["secret"]) is None


def test_a_name_that_two_tokens_have_is_refused_with_their_ids() -> None:
    ids = [as_json("create", "ci")["id"] for _ in range(2)]
    with pytest.raises(CommandError, match=f"{ids[0]}.*{ids[1]}") as refusal:
        token("revoke", "ci")
    assert refusal.value.returncode == 2


def test_an_unknown_token_is_wrong_usage() -> None:
    with pytest.raises(CommandError) as refusal:
        token("revoke", "nothing")
    assert refusal.value.returncode == 2
