"""What a name means, what is loaded for it, and what goes on while the database is down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.db import DatabaseError
from django.db.models.functions import Now
from django.utils import timezone

from registry import draining
from registry.gateway.reading import Reader
from registry.grouping import add_to_group, create_group
from registry.models import (
    ApiToken,
    GatewayProcess,
    Instance,
    LanguageModel,
    Registry,
    Role,
    Server,
    StateChange,
)
from registry.profiling import save_profile
from tests.builders import make_job, make_model, make_server
from tests.gateways import CHAT, RunningGateway, make_loaded, records, running_gateway
from tests.scripted_openai import ScriptedOpenAI

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def upstream() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(["one", "two"]) as server:
        yield server


@pytest.fixture
def server(upstream: ScriptedOpenAI) -> Server:
    return make_server(name="shelf", base_url=upstream.url)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path) as running:
        yield running


def sent(upstream: ScriptedOpenAI) -> dict[str, Any]:
    """The last body that the upstream got for a chat."""
    body: dict[str, Any] = orjson.loads([each for each in upstream.requests if each.path == CHAT][-1].body)
    return body


def test_a_model_is_called_by_server_and_key(gateway: RunningGateway, upstream: ScriptedOpenAI, server: Server) -> None:
    make_loaded("one", server=server)
    answer = gateway.ask(model="shelf/one")
    assert (answer.status_code, sent(upstream)["model"]) == (200, "one")
    assert answer.headers["x-lmstrix-server"] == "shelf"
    assert gateway.ask(model="elsewhere/one").status_code == 404


def test_a_group_answers_with_a_model_that_holds_the_prompt(gateway: RunningGateway, server: Server) -> None:
    small = make_loaded("one", server=server, tested_context=1000, test_status="tested")
    large = make_loaded("two", server=server, tested_context=8000, test_status="tested")
    create_group(small.registry, "both", [small, large])
    assert gateway.ask("x" * 400, model="group:both").headers["x-lmstrix-model"] == "one"
    assert gateway.ask("x" * 12_000, model="group:both").headers["x-lmstrix-model"] == "two"
    refused = gateway.ask("x" * 80_000, model="group:both")
    assert refused.status_code == 400
    assert "8,000" in refused.json()["error"]["message"]


def test_a_profile_speaks_where_the_request_is_silent(
    gateway: RunningGateway, upstream: ScriptedOpenAI, server: Server
) -> None:
    model = make_loaded("one", server=server)
    save_profile(model.registry, "careful", preferred_models=["one"], temperature=0.2, max_context=1000)
    assert gateway.ask("x" * 384, model="profile:careful").status_code == 200
    assert (sent(upstream)["temperature"], sent(upstream)["max_tokens"]) == (0.2, 900)
    gateway.ask("x" * 384, model="profile:careful", temperature=1.5, max_completion_tokens=7)
    assert (sent(upstream)["temperature"], sent(upstream)["max_completion_tokens"]) == (1.5, 7)
    assert "max_tokens" not in sent(upstream)
    assert gateway.ask("x" * 4000, model="profile:careful").json()["error"]["code"] == "context_length_exceeded"


def test_a_group_or_profile_without_a_model_says_so(gateway: RunningGateway, server: Server) -> None:
    registry = make_loaded("one", server=server).registry
    group = create_group(registry, "empty")
    create_group(registry, "away", [make_model(key="gone", server=server, missing=True)])
    save_profile(registry, "never", tags=["nothing-has-this"])
    for name, reason in (
        ("group:empty", "The group empty has no models; add some on its page."),
        ("group:away", "No model of the group away is there now; see Servers."),
        ("profile:never", "No model meets what the profile never asks for; its page says of each model why."),
    ):
        answer = gateway.ask(model=name)
        assert (answer.status_code, answer.json()["error"]["message"]) == (503, reason)
    assert gateway.ask(model="group:other").status_code == 404
    add_to_group(group, [LanguageModel.objects.get(key="one")])
    assert gateway.ask(model="group:empty").status_code == 200


def test_names_are_looked_up_in_the_registry_of_the_token(gateway: RunningGateway, server: Server) -> None:
    other = Registry.objects.create(name="other")
    make_loaded("two", server=server, registry=other)
    token, secret = ApiToken.issue("theirs", Role.OPERATOR)
    ApiToken.objects.filter(pk=token.pk).update(registry=other)
    assert gateway.ask(model="two").status_code == 404
    assert gateway.ask(model="two", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


def test_twenty_at_once_load_a_model_once(gateway: RunningGateway, upstream: ScriptedOpenAI, server: Server) -> None:
    make_model(key="one", server=server, tested_context=4096, test_status="tested")
    upstream.loaded.clear()
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: gateway.ask().status_code, range(20)))
    loads = [each for each in upstream.requests if each.path == "/api/v1/models/load"]
    assert (statuses, len(loads)) == ([200] * 20, 1)
    assert orjson.loads(loads[0].body)["context_length"] == 4096
    assert Instance.objects.get().loaded_by == "gateway"
    assert StateChange.objects.filter(new="loading").get().cause == "gateway"


def test_an_experiment_has_its_server_for_itself(gateway: RunningGateway, server: Server) -> None:
    make_loaded("one", server=server)
    assert gateway.ask().status_code == 200
    assert server.take_for(make_job(kind="context_test", title="Context test of one", started=timezone.now()))
    gateway.process.refresher.refresh()
    refused = gateway.ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_busy")
    assert "Context test of one" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) > 0
    assert [record.outcome for record in records(2)] == ["ok", "refused"]


def test_a_server_that_is_down_is_passed_over(gateway: RunningGateway, server: Server) -> None:
    make_loaded("one", server=make_server(name="down"))
    make_loaded("one", server=server)
    for _ in range(3):
        assert gateway.ask().headers["x-lmstrix-server"] == "shelf"


def test_without_the_database_what_is_known_goes_on(
    gateway: RunningGateway, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_loaded("one", server=server)
    assert gateway.ask().status_code == 200

    def down(*_: object) -> None:
        raise DatabaseError("down")

    monkeypatch.setattr(Reader, "read", down)
    time.sleep(1.2)
    assert gateway.ask().status_code == 200
    unknown = gateway.ask(model="two")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "database_unavailable")
    stranger = gateway.ask(headers={"Authorization": "Bearer lmx_unknown"})
    assert stranger.status_code == 503


def test_a_reading_that_fails_leaves_the_table_and_drops_what_was_asked(
    gateway: RunningGateway, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_loaded("one", server=server)
    assert gateway.ask().status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "_meant", lambda *_: 1 / 0)
        assert gateway.ask(model="odd").status_code == 503
        assert gateway.ask().status_code == 200
    assert gateway.ask(model="odd").status_code == 404


def test_nothing_new_goes_to_a_copy_once_the_process_knows_that_it_drains(
    gateway: RunningGateway, server: Server
) -> None:
    make_loaded("one", server=server)
    copy = Instance.objects.get()
    gateway.ask()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(gateway.ask, '{"tokens": 20, "gap_ms": 100}', stream=True)
        time.sleep(0.3)
        assert draining.drained(copy, timeout=8)
        assert slow.result(0.5).text.endswith("[DONE]\n\n")
    assert GatewayProcess.objects.get().in_flight == {}


def test_a_model_is_active_while_it_answers_and_loaded_again_after(gateway: RunningGateway, server: Server) -> None:
    model = make_loaded("one", server=server)
    gateway.ask('{"tokens": 14, "gap_ms": 100}', stream=True)
    until = time.monotonic() + 8
    while StateChange.objects.filter(model=model).count() < 2 and time.monotonic() < until:
        time.sleep(0.1)
    changes = StateChange.objects.filter(model=model).order_by("pk").values_list("old", "new", "cause")
    assert list(changes) == [("loaded", "active", "gateway"), ("active", "loaded", "gateway")]
    assert Instance.objects.get().last_used is not None


def test_what_a_token_has_of_characters_is_measured(gateway: RunningGateway, server: Server) -> None:
    model = make_loaded("one", server=server)
    gateway.ask("x" * 4000)
    records()
    gateway.process.reporter.note_measured()
    model.refresh_from_db()
    assert model.characters_per_token == pytest.approx(4.016)


def test_limits_of_a_token_hold(gateway: RunningGateway, server: Server) -> None:
    make_loaded("one", server=server)
    ApiToken.objects.update(requests_per_minute=2)
    assert [gateway.ask().status_code for _ in range(3)] == [200, 200, 429]
    records(3)
    ApiToken.objects.update(requests_per_minute=None, tokens_per_day=20)
    gateway.process.refresher.refresh()
    refused = gateway.ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "tokens_per_day_exceeded")
    assert [record.outcome for record in records(4)] == ["ok", "ok", "refused", "refused"]


def test_reading_the_table_takes_the_same_queries_for_many_models(django_assert_max_num_queries: Any) -> None:
    registry, server = Registry.objects.default(), make_server()
    LanguageModel.objects.bulk_create(
        [LanguageModel(registry=registry, server=server, key=f"m{n}", name=f"m{n}") for n in range(500)]
    )
    with django_assert_max_num_queries(8):
        table = Reader().read([(registry.pk, f"m{n}") for n in range(300)], [])
    assert len(table.names) == 300
    assert table.knows is not None
    assert table.knows <= Registry.objects.values_list(Now(), flat=True)[0]
