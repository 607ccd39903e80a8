"""Memory policies: the default, those of servers, what they refuse in words, and that changes are noted."""

from __future__ import annotations

from typing import Any

import pytest

from registry import memory_policies
from registry.models import AuditEvent, MemoryPolicy
from tests.builders import make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_at_first_there_is_a_default_that_is_switched_off() -> None:
    policy = memory_policies.policy_of(make_server())
    assert (policy.enabled, policy.inactive_timeout_minutes, policy.memory_threshold_percent) == (False, 30, 80)
    assert not MemoryPolicy.objects.exists()


def test_the_default_holds_for_servers_without_their_own() -> None:
    own, other = make_server(), make_server()
    memory_policies.save_policy(None, enabled=True, max_loaded_models=3)
    memory_policies.save_policy(own, max_loaded_models=1)
    assert memory_policies.policy_of(other).max_loaded_models == 3
    assert memory_policies.policy_of(own).max_loaded_models == 1


def test_a_servers_own_begins_with_the_defaults_values_but_switched_off() -> None:
    memory_policies.save_policy(None, enabled=True, inactive_timeout_minutes=7, include_others=True)
    policy = memory_policies.save_policy(make_server())
    assert (policy.enabled, policy.inactive_timeout_minutes, policy.include_others) == (False, 7, True)


def test_without_its_own_the_default_holds_again() -> None:
    server = make_server()
    memory_policies.save_policy(server, max_loaded_models=1)
    memory_policies.drop_policy(server)
    assert memory_policies.policy_of(server).max_loaded_models is None
    assert AuditEvent.objects.filter(action="delete", kind="memory policy").exists()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"inactive_timeout_minutes": 0}, "a whole number from 1 to 525,600, not 0"),
        ({"inactive_timeout_minutes": None}, "a whole number"),
        ({"memory_threshold_percent": 101}, "from 1 to 100, or nothing, not 101"),
        ({"max_loaded_models": True}, "a whole number"),
        ({"max_loaded_models": 2.5}, "not 2.5"),
        ({"enabled": "yes"}, "either true or false"),
        ({"threshold": 3}, "use one of enabled, auto_unload_inactive"),
    ],
)
def test_what_makes_no_policy_is_refused_with_what_is_allowed(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        memory_policies.save_policy(None, **fields)
    assert not MemoryPolicy.objects.exists()


def test_of_two_who_make_the_first_policy_at_once_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken() -> MemoryPolicy:
        MemoryPolicy.objects.create(server=None, max_loaded_models=7)
        return MemoryPolicy(server=None)

    monkeypatch.setattr(memory_policies, "default_policy", overtaken)
    with pytest.raises(ValueError, match="made a moment ago"):
        memory_policies.save_policy(None, max_loaded_models=1)


def test_changes_are_noted_with_before_and_after_and_none_is_no_change() -> None:
    memory_policies.save_policy(None, max_loaded_models=2)
    memory_policies.save_policy(None, max_loaded_models=4)
    memory_policies.save_policy(None, max_loaded_models=4)
    assert AuditEvent.objects.count() == 2
    assert AuditEvent.objects.first().changes == {"max_loaded_models": [2, 4]}  # type: ignore[union-attr]
