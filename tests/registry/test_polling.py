"""What polling writes: each state that lasts longer than the time between two looks, in order, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from registry import polling, registries, scanning, states
from registry.models import GatewayProcess, Instance, LanguageModel, Registry, Server, StateChange
from registry.models.instance import LoadedBy
from registry.models.language_model import State
from registry.models.state_change import Cause
from registry.tasks import poll as poll_task
from tests.builders import make_job, make_model, make_server
from tests.scripted_http import RESET, answer
from tests.scripted_lmstudio import LIST, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db]

KEYS = ("qwen", "gemma", "phi")
SEEDS = range(200 if os.environ.get("LMSTRIX_SOAK") else 12)
TICKS = 60
Log = list[tuple[int, State]]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model(key) for key in KEYS]) as started:
        yield started


@pytest.fixture
def server(studio: ScriptedLMStudio) -> Server:
    return make_server(name="shelf", base_url=studio.url)


@pytest.fixture
def qwen(server: Server) -> LanguageModel:
    return make_model(server=server, key="qwen")


def state(model: LanguageModel) -> str:
    return LanguageModel.objects.get(pk=model.pk).state


def log(model: LanguageModel) -> list[tuple[str, str]]:
    return list(StateChange.objects.filter(model=model).order_by("pk").values_list("new", "cause"))


@dataclass
class World:
    """A server that loads, unloads, crashes and falls silent by itself, and what was true at each tick."""

    studio: ScriptedLMStudio
    chance: Random
    silent_until: int = 0
    heard: list[bool] = field(default_factory=list)
    truth: dict[str, list[State]] = field(default_factory=lambda: {key: [] for key in KEYS})

    def tick(self, now: int) -> None:
        for key in KEYS:
            self._maybe_change(key)
        if self.chance.random() < 0.05:  # the whole server crashes, and is away for a while
            for instance in self.studio.instances():
                self.studio.drop(instance)
            self.silent_until = now + self.chance.randrange(1, 6)
        self.heard.append(now >= self.silent_until)
        if self.heard[-1]:
            self.studio.unscript(LIST)
        else:
            self.studio.script(LIST, [RESET])
        for key in KEYS:
            loaded = any(name.split(":")[0] == key for name in self.studio.instances())
            self.truth[key].append(State.LOADED if loaded else State.UNLOADED)

    def _maybe_change(self, key: str) -> None:
        copies = [name for name in self.studio.instances() if name.split(":")[0] == key]
        if self.chance.random() < 0.2:
            if copies and (self.chance.random() < 0.8 or len(copies) > 2):
                self.studio.drop(self.chance.choice(copies))
            elif f"{key}:{len(copies) + 1}" not in copies:
                self.studio.put(key, self.chance.choice((4096, 8192)))


def lived(seed: int, studio: ScriptedLMStudio, server: Server, interval: int) -> tuple[World, dict[str, Log]]:
    """Lets a world run and looks each `interval` ticks; the log of each model with the tick of each row."""
    logs: dict[str, Log] = {key: [] for key in KEYS}
    world, seen = World(studio, Random(seed)), 0
    for now in range(TICKS):
        world.tick(now)
        if now % interval == 0:
            polling.poll(server)
            rows = StateChange.objects.filter(pk__gt=seen).order_by("pk").values_list("pk", "model_key", "new")
            for pk, key, new in rows:
                logs[key].append((now, State(new)))
                seen = pk
    return world, logs


def stretches(world: World, key: str) -> Iterator[tuple[int, int, State]]:
    """Each stretch (first tick, tick after the last) in which the server answered and the state was one."""
    began, truth = 0, world.truth[key]
    for now in range(TICKS):
        last = now == TICKS - 1
        if last or truth[now + 1] != truth[now] or world.heard[now + 1] != world.heard[now]:
            if world.heard[now]:
                yield began, now + 1, truth[now]
            began = now + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_each_state_longer_than_an_interval_is_logged_in_order_within_one_look(
    studio: ScriptedLMStudio, server: Server, seed: int
) -> None:
    for key in KEYS:
        make_model(server=server, key=key)
    interval = 1 + seed % 4
    world, logs = lived(seed, studio, server, interval)
    for key, rows in logs.items():
        known = State.UNLOADED
        for began, ended, true in stretches(world, key):
            inside = [(now, new) for now, new in rows if began <= now < ended]
            if ended - began >= interval and true != known:  # it lasted over a look, whenever that came
                assert inside[0][1] == true, (key, began, ended)
                assert inside[0][0] < began + interval, (key, began, ended)
            known = inside[-1][1] if inside else known
        told = [new for _, new in rows]
        assert all(a != b for a, b in zip([State.UNLOADED, *told], told, strict=False))
        # shorter ones are not claimed: what is in the log was so at the very moment of a look that was answered
        assert all(world.truth[key][now] == new and world.heard[now] and now % interval == 0 for now, new in rows)


def test_copies_that_come_and_go_are_known_with_their_context(
    studio: ScriptedLMStudio, server: Server, qwen: LanguageModel
) -> None:
    studio.put("qwen", 4096)
    studio.put("qwen", 8192)
    polling.poll(server)
    copies = Instance.objects.filter(model=qwen).values_list("instance_id", "context_length", "loaded_by")
    assert set(copies) == {("qwen", 4096, LoadedBy.OTHERS), ("qwen:2", 8192, LoadedBy.OTHERS)}
    assert StateChange.objects.get(model=qwen).context_length == 8192
    studio.drop("qwen")
    polling.poll(server)
    assert list(Instance.objects.values_list("instance_id", flat=True)) == ["qwen:2"]
    assert log(qwen) == [("loaded", Cause.SEEN)]


def test_the_ledger_of_a_copy_outlives_a_look(studio: ScriptedLMStudio, server: Server, qwen: LanguageModel) -> None:
    copy = Instance.objects.create(
        server=server, model=qwen, instance_id="qwen", context_length=8192, loaded_by=LoadedBy.US, memory_bytes=7
    )
    studio.put("qwen", 4096)
    polling.poll(server)
    copy.refresh_from_db()
    assert (copy.loaded_by, copy.memory_bytes, copy.context_length) == (LoadedBy.US, 7, 4096)


def test_the_same_model_changes_in_every_registry_and_none_is_added(
    studio: ScriptedLMStudio, server: Server, qwen: LanguageModel
) -> None:
    twin = make_model(server=server, key="qwen", registry=registries.create_registry("second"))
    studio.put("qwen", 4096)
    studio.put("gemma", 4096)  # which no registry knows
    polling.poll(server)
    assert state(qwen) == state(twin) == State.LOADED
    assert LanguageModel.objects.count() == 2


def test_a_silent_server_is_said_to_be_silent_and_nothing_is_claimed(
    studio: ScriptedLMStudio, server: Server, qwen: LanguageModel
) -> None:
    studio.put("qwen", 4096)
    polling.poll(server)
    studio.drop("qwen")
    studio.script(LIST, answer("no", 503))
    polling.poll(server)
    server.refresh_from_db()
    assert (server.reachable, state(qwen)) == (False, State.LOADED)
    assert not states.timeline(LanguageModel.objects.get(pk=qwen.pk), timezone.now() - timedelta(days=1))[-1].known
    studio.unscript(LIST)
    polling.poll(server)
    server.refresh_from_db()
    assert (server.reachable, server.error, state(qwen)) == (True, "", State.UNLOADED)
    assert "found when shelf answered again" in StateChange.objects.latest("pk").reason


@pytest.mark.parametrize("held", ["load", "experiment"])
def test_what_lmstrix_does_itself_is_left_alone(
    studio: ScriptedLMStudio, server: Server, qwen: LanguageModel, held: str
) -> None:
    until = timezone.now() + timedelta(minutes=1)
    if held == "load":
        Server.objects.filter(pk=server.pk).update(load_until=until)
    else:
        Server.objects.filter(pk=server.pk).update(experiment=make_job(), experiment_until=until)
    states.change(qwen, State.LOADING, cause=Cause.US)
    studio.put("qwen", 4096)
    polling.poll(server)
    assert (state(qwen), Instance.objects.count()) == (State.LOADING, 0)
    Server.objects.filter(pk=server.pk).update(load_until=None, experiment=None, experiment_until=None)
    polling.poll(server)
    assert log(qwen) == [("loading", Cause.US), ("loaded", Cause.SEEN)]


def test_a_change_made_while_the_server_was_asked_is_newer_than_its_answer(
    studio: ScriptedLMStudio, server: Server, qwen: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(asked: Server) -> object:
        listing = ask(asked)
        time.sleep(0.002)
        states.change(qwen, State.LOADED, cause=Cause.US)
        Instance.objects.create(server=server, model=qwen, instance_id="qwen")
        return listing

    ask = scanning.look
    monkeypatch.setattr(scanning, "look", look)
    polling.poll(server)
    assert (log(qwen), Instance.objects.count()) == ([("loaded", Cause.US)], 1)


def test_an_active_model_without_a_live_request_is_only_loaded(
    studio: ScriptedLMStudio, server: Server, qwen: LanguageModel
) -> None:
    studio.put("qwen", 4096)
    states.change(qwen, State.ACTIVE, cause=Cause.GATEWAY)
    process = GatewayProcess.objects.create(
        name="host:1:1", seen=timezone.now(), in_flight={f"{server.pk}:qwen": 1, "other": 2}
    )
    polling.poll(server)
    assert state(qwen) == State.ACTIVE
    process.seen -= timedelta(minutes=1)
    process.save()
    polling.poll(server)
    assert state(qwen) == State.LOADED


def test_an_entry_that_cannot_be_read_may_be_any_that_is_not_offered(
    studio: ScriptedLMStudio, server: Server, qwen: LanguageModel
) -> None:
    studio.put("qwen", 4096)
    polling.poll(server)
    studio.models[0]["key"] = 5
    polling.poll(server)
    assert state(qwen) == State.LOADED


def due_at(server: Server, seconds: float) -> bool:
    """Whether `server` is due so many seconds after it was looked at."""
    Server.objects.filter(pk=server.pk).update(polled=server.clock() - timedelta(seconds=seconds))
    return polling.due() == [server]


def test_a_server_is_due_after_its_interval_and_sooner_while_it_changes(server: Server, qwen: LanguageModel) -> None:
    assert polling.due() == [server]
    assert [due_at(server, seconds) for seconds in (0, 2, 8, 10)] == [False, False, False, True]
    states.change(qwen, State.LOADING, cause=Cause.US)
    assert [due_at(server, seconds) for seconds in (0, 2)] == [False, True]
    Server.objects.filter(pk=server.pk).update(enabled=False)
    assert not due_at(server, 100)


def test_a_server_at_which_somebody_looks_is_left_alone(
    studio: ScriptedLMStudio, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(asked: Server) -> object:
        assert not polling.due()
        assert not polling.poll(server)
        return ask(asked)

    ask = scanning.look
    monkeypatch.setattr(scanning, "look", look)
    assert polling.poll(server)
    assert len(studio.calls(LIST)) == 1


def test_a_tick_costs_one_query_while_nothing_is_due(
    server: Server, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    due_at(server, 0)
    with django_assert_num_queries(1):
        poll_task()


def test_a_look_costs_the_same_however_many_models_there_are(
    studio: ScriptedLMStudio, server: Server, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    LanguageModel.objects.bulk_create(
        LanguageModel(registry=Registry.objects.default(), server=server, key=f"m{n}", name=f"m{n}")
        for n in range(2000)
    )
    studio.models += [model(f"m{n}") for n in range(2000)]
    for number in range(20):
        studio.put(f"m{number}", 4096)
    with django_assert_max_num_queries(24):
        polling.poll(server)
    assert StateChange.objects.count() == 20


def test_ticks_do_not_pile_up() -> None:
    tick = settings.CELERY_BEAT_SCHEDULE["poll"]
    assert (tick["task"], tick["schedule"], tick["options"]) == (poll_task.name, 2.0, {"expires": 2.0})
