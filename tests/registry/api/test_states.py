"""States of models over REST."""

from __future__ import annotations

import pytest

from registry import states
from registry.models.language_model import State
from registry.models.state_change import Cause
from tests.api_clients import ApiClient
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def api() -> ApiClient:
    return ApiClient()


def test_a_model_tells_its_state_and_its_changes_newest_first(api: ApiClient) -> None:
    model = make_model()
    states.change(model, State.LOADING, cause=Cause.US)
    states.change(model, State.LOADED, cause=Cause.US, context=8192)
    told = api.get(f"/api/models/{model.pk}/states").json()
    assert [(row["old"], row["new"], row["cause"], row["context_length"]) for row in told["items"]] == [
        ("loading", "loaded", "us", 8192), ("unloaded", "loading", "us", None),
    ]  # fmt: skip
    assert (told["state"], told["total"], told["next"], told["error"]) == ("loaded", 2, None, None)
    assert told["loaded_since"] == told["items"][0]["at"]
    assert told["idle_seconds"] < 60


def test_changes_are_read_page_by_page_and_by_cause(api: ApiClient) -> None:
    model = make_model()
    for new in (State.LOADED, State.ACTIVE, State.LOADED):
        states.change(model, new, cause=Cause.GATEWAY)
    states.change(model, State.UNLOADED, cause=Cause.SEEN)
    first = api.get(f"/api/models/{model.pk}/states?cause=gateway&limit=2").json()
    rest = api.get(f"/api/models/{model.pk}/states?cause=gateway&limit=2&cursor={first['next']}").json()
    assert [row["new"] for row in first["items"] + rest["items"]] == ["loaded", "active", "loaded"]
    assert (first["total"], rest["next"]) == (3, None)


@pytest.mark.parametrize(("address", "status"), [("999/states", 404), ("1/states?cause=x", 422)])
def test_what_is_not_there_is_told(api: ApiClient, address: str, status: int) -> None:
    assert api.get(f"/api/models/{address}").status_code == status


def test_the_interval_of_a_server_is_set_within_its_bounds(api: ApiClient) -> None:
    server = make_server()
    assert api.get(f"/api/servers/{server.pk}").json()["poll_seconds"] == 10
    assert api.send("PATCH", f"/api/servers/{server.pk}", {"poll_seconds": 30}).json()["poll_seconds"] == 30
    assert api.send("PATCH", f"/api/servers/{server.pk}", {"poll_seconds": 1}).status_code == 422
