"""Registries over REST."""

from __future__ import annotations

import pytest

from registry.models import Registry, Role
from tests.api_clients import ApiClient
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def viewer() -> ApiClient:
    return ApiClient(Role.VIEWER)


def test_the_default_registry_is_there_from_the_start(viewer: ApiClient) -> None:
    assert viewer.read("/api/registries/default")["models"] == 0


def test_registries_count_the_models_that_are_there(viewer: ApiClient) -> None:
    make_model()
    make_model(missing=True)
    assert [(each["name"], each["models"]) for each in viewer.read("/api/registries")["items"]] == [("default", 1)]


def test_a_registry_named_by_a_path_is_found(viewer: ApiClient) -> None:
    Registry.objects.create(name="/srv/models.json")
    assert viewer.read("/api/registries/%2Fsrv%2Fmodels.json")["name"] == "/srv/models.json"
    assert viewer.read("/api/registries/%2Fsrv%2Fmodels.json/stats")["total_models"] == 0


def test_the_statistics_count_tests_types_and_servers(viewer: ApiClient) -> None:
    server = make_server(name="desk")
    make_model(server=server, test_status="tested", tested_context=1000)
    make_model(server=server, test_status="tested", tested_context=2001, type="code")
    make_model(server=server, test_status="failed", type="")
    make_model(server=server, missing=True)
    found = viewer.read("/api/registries/default/stats")
    assert (found["total_models"], found["tested_models"], found["failed_tests"], found["missing_models"]) == (
        3,
        2,
        1,
        1,
    )
    assert (found["types"], found["servers"]) == ({"chat": 1, "code": 1, "unknown": 1}, {"desk": 3})
    assert found["avg_context_limit"] == 1500


def test_unknown_numbers_are_null_not_zero(viewer: ApiClient) -> None:
    found = viewer.read("/api/registries/default/stats")
    names = ("avg_context_limit", "total_size_bytes", "last_scan", "total_inference_count")
    assert {found[name] for name in names} == {None}
