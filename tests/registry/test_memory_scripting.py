"""The guide's `configure_memory_management`, and memory policies in the admin."""

from __future__ import annotations

import pytest
from django.test import Client

from registry import memory_policies
from registry.models import AuditEvent, MemoryPolicy
from registry.scripting import load_model_registry
from tests.builders import make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]

GUIDE = {
    "auto_unload_inactive": True,
    "inactive_timeout_minutes": 30,
    "memory_threshold_percent": 80,
    "max_loaded_models": 2,
}
FORM = {"server": "", "inactive_timeout_minutes": "15", "memory_threshold_percent": "70", "max_loaded_models": ""}


def test_the_guides_four_keys_switch_the_policy_on() -> None:
    load_model_registry().configure_memory_management(GUIDE)
    policy = MemoryPolicy.objects.get(server=None)
    assert policy.enabled
    assert {name: getattr(policy, name) for name in GUIDE} == GUIDE


def test_a_server_is_named_and_the_others_stay_as_they_are() -> None:
    server, other = make_server(name="shelf"), make_server()
    load_model_registry().configure_memory_management({"max_loaded_models": 1}, server="shelf")
    assert memory_policies.policy_of(server).max_loaded_models == 1
    assert not memory_policies.policy_of(other).enabled


def test_an_unknown_key_is_refused_with_those_that_are_allowed() -> None:
    with pytest.raises(ValueError, match="use one of enabled, auto_unload_inactive, inactive_timeout_minutes"):
        load_model_registry().configure_memory_management({"max_models": 2})
    assert not MemoryPolicy.objects.exists()


def test_an_unknown_server_is_refused_with_those_there_are() -> None:
    make_server(name="shelf")
    with pytest.raises(ValueError, match="no server named rack; there is shelf"):
        load_model_registry().configure_memory_management(GUIDE, server="rack")


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user())
    return client


def test_the_admin_saves_by_the_verb(admin: Client) -> None:
    assert admin.post("/admin/registry/memorypolicy/add/", FORM | {"enabled": "on"}).status_code == 302
    policy = MemoryPolicy.objects.get()
    assert (policy.enabled, policy.memory_threshold_percent, policy.max_loaded_models) == (True, 70, None)
    admin.post(f"/admin/registry/memorypolicy/{policy.pk}/change/", FORM)
    policy.refresh_from_db()
    assert not policy.enabled
    assert set(AuditEvent.objects.values_list("door", flat=True)) == {"admin"}


def test_the_admin_makes_no_second_default(admin: Client) -> None:
    memory_policies.save_policy(None)
    answer = admin.post("/admin/registry/memorypolicy/add/", FORM)
    assert "There is a default policy already" in answer.content.decode()


def test_a_policy_deleted_in_the_admin_gives_way_to_the_default(admin: Client) -> None:
    policy = memory_policies.save_policy(make_server(), max_loaded_models=1)
    admin.post(f"/admin/registry/memorypolicy/{policy.pk}/delete/", {"post": "yes"})
    assert not MemoryPolicy.objects.exists()
    assert AuditEvent.objects.filter(action="delete").count() == 1
