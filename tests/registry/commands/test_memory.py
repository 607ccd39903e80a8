"""`lmstrix memory`."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from registry import memory_policies
from registry.models import Instance, Server
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.database, pytest.mark.django_db]

GB = 10**9


@pytest.fixture
def shelf() -> Server:
    server = make_server(name="shelf", base_url="http://192.0.2.7:1234", memory_limit_bytes=24 * GB)
    model = make_model(server=server, key="qwen", size_bytes=6 * GB)
    copy = Instance.objects.create(server=server, model=model, instance_id="qwen", loaded_by="us", context_length=4096)
    Instance.objects.filter(pk=copy.pk).update(first_seen=timezone.now() - timedelta(hours=1))
    return server


def memory(*arguments: str) -> str:
    output = io.StringIO()
    call_command("memory", *arguments, stdout=output)
    return output.getvalue()


def test_it_shows_memory_copies_and_what_the_policy_would_do(shelf: Server) -> None:
    shown = memory()
    assert "shelf: 6 GB of 24 GB used, 18 GB available (estimated)" in shown
    assert "its weights; the context comes on top" in shown
    assert "above 80 % of the memory) is switched off." in shown
    assert "Switched on, it would unload now qwen: idle for 60 min; the policy allows 30 min" in shown


def test_a_policy_that_is_on_says_what_it_unloads(shelf: Server) -> None:
    memory_policies.save_policy(None, enabled=True, auto_unload_inactive=False)
    assert "Now it unloads nothing." in memory()


def test_json_holds_the_same(shelf: Server) -> None:
    told = json.loads(memory("--json"))
    assert (told["used_bytes"], told["source"], told["servers"][0]["server"]) == (6 * GB, "estimated", "shelf")
    assert told["servers"][0]["would_unload"][0]["instance"] == "qwen"


def test_one_server_is_asked_for_by_name(shelf: Server) -> None:
    make_server(name="rack", base_url="http://192.0.2.8:1234")
    assert "rack: memory in use is unknown" in memory("--server", "rack")
    assert "Together: 6 GB of 24 GB" in memory()


def test_an_unknown_server_is_named_with_those_there_are(shelf: Server) -> None:
    with pytest.raises(CommandError, match="no server named attic; there is shelf") as caught:
        memory("--server", "attic")
    assert caught.value.returncode == 2


def test_without_servers_it_says_how_to_add_one() -> None:
    assert "lmstrix scan --server" in memory()
