"""Memory of servers: measured on this host, estimated elsewhere, always labelled; per copy from what is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from registry import host_memory
from registry.memory_use import estimated_bytes, memory_of, memory_of_all, summed
from registry.models import Instance, LanguageModel, Registry, Server
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]
GB = 10**9


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with 64 GB of which 40 are free; no process is known behind any address."""
    memory = SimpleNamespace(total=64 * GB, available=40 * GB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(host_memory, "listener", lambda *_: None)


def resident(monkeypatch: pytest.MonkeyPatch, count: int | None) -> None:
    monkeypatch.setattr(host_memory, "resident_bytes", lambda _: count)


def elsewhere(**fields: Any) -> Server:
    return make_server(base_url="http://192.0.2.7:1234", **fields)


def loaded(server: Server, *, context: int | None = 4096, memory: int | None = None, **fields: Any) -> Instance:
    model = make_model(server=server, **fields)
    return Instance.objects.create(
        server=server, model=model, instance_id=model.key, context_length=context, memory_bytes=memory
    )


def figures(memory: Any) -> tuple[Any, ...]:
    return memory.total_bytes, memory.used_bytes, memory.available_bytes, str(memory.source)


def test_on_this_host_the_whole_machine_is_measured() -> None:
    memory = memory_of(make_server())
    assert figures(memory) == (64 * GB, 24 * GB, 40 * GB, "measured")
    assert memory.whole_host


def test_a_server_that_may_take_a_part_of_this_host_is_measured_by_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    resident(monkeypatch, GB // 2)
    server = make_server(memory_limit_bytes=2 * GB)
    loaded(server, size_bytes=GB // 4)
    assert figures(memory_of(server)) == (2 * GB, GB // 2, 3 * GB // 2, "measured")


@pytest.mark.parametrize("seen", [None, GB])
def test_models_in_memory_that_the_process_does_not_show_are_estimated(
    monkeypatch: pytest.MonkeyPatch, seen: int | None
) -> None:
    resident(monkeypatch, seen)
    server = make_server(memory_limit_bytes=24 * GB)
    loaded(server, size_bytes=8 * GB)
    assert figures(memory_of(server)) == (24 * GB, 8 * GB, 16 * GB, "estimated")


def test_a_tunnel_to_another_machine_is_not_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "listener", lambda *_: SimpleNamespace(name=lambda: "ssh"))
    assert figures(memory_of(make_server(memory_limit_bytes=GB))) == (GB, 0, GB, "estimated")


def test_elsewhere_it_is_what_was_declared_minus_what_is_loaded() -> None:
    server = elsewhere(memory_limit_bytes=24 * GB)
    loaded(server, size_bytes=8 * GB)
    loaded(server, size_bytes=GB, memory=2 * GB)
    assert figures(memory_of(server)) == (24 * GB, 10 * GB, 14 * GB, "estimated")


def test_an_estimate_above_what_there_is_leaves_nothing() -> None:
    server = elsewhere(memory_limit_bytes=GB)
    loaded(server, size_bytes=8 * GB)
    assert figures(memory_of(server)) == (GB, 8 * GB, 0, "estimated")


def test_without_anything_declared_or_loaded_it_is_unknown() -> None:
    assert figures(memory_of(elsewhere())) == (None, None, None, "unknown")


def test_one_copy_of_unknown_size_makes_the_whole_unknown() -> None:
    server = elsewhere(memory_limit_bytes=24 * GB)
    loaded(server, size_bytes=None)
    assert figures(memory_of(server)) == (24 * GB, None, None, "unknown")


def test_each_copy_says_how_its_figure_is_known() -> None:
    server = elsewhere()
    loaded(server, key="a", memory=GB)
    loaded(server, key="b", size_bytes=GB, memory=GB // 10)  # the process showed only a part of the weights
    loaded(server, key="c", size_bytes=None)
    told = [(str(one.source), one.how) for one in memory_of(server).instances]
    assert told == [
        ("measured", "measured when it was loaded"),
        ("estimated", "its weights; the context comes on top"),
        ("unknown", ""),
    ]


def test_a_copy_that_two_registries_know_counts_once() -> None:
    server = elsewhere(memory_limit_bytes=24 * GB)
    copy = loaded(server, size_bytes=8 * GB)
    second = make_model(server=server, key=copy.model.key, registry=Registry.objects.create(name="second"))
    Instance.objects.create(server=server, model=second, instance_id=copy.instance_id)
    [taken] = memory_of(server).instances
    assert len(taken.copy.rows) == 2


@pytest.mark.parametrize(
    ("size", "peak", "tested", "context", "expected"),
    [
        (4 * GB, 6 * GB, 32_768, 32_768, 6 * GB),
        (4 * GB, 6 * GB, 32_768, 8_192, 4 * GB + GB // 2),
        (4 * GB, 6 * GB, 32_768, None, 6 * GB),  # its context is unknown: the most that was seen
        (4 * GB, 3 * GB, 32_768, 8_192, 4 * GB),  # the process did not show all of it
        (4 * GB, None, None, 8_192, 4 * GB),
        (None, 6 * GB, 32_768, 8_192, 6 * GB),
        (None, None, None, 8_192, None),
    ],
)
def test_a_copy_is_estimated_from_what_its_test_measured(
    size: int | None, peak: int | None, tested: int | None, context: int | None, expected: int | None
) -> None:
    model = LanguageModel(size_bytes=size, peak_memory_bytes=peak, tested_context=tested)
    assert estimated_bytes(model, context)[0] == expected


def test_servers_on_one_machine_do_not_add_it_up_twice() -> None:
    make_server(), make_server()
    assert figures(summed(memory_of_all())) == (64 * GB, 24 * GB, 40 * GB, "measured")


def test_measured_and_estimated_servers_together_are_mixed() -> None:
    make_server()
    elsewhere(memory_limit_bytes=24 * GB)
    assert figures(summed(memory_of_all())) == (88 * GB, 24 * GB, 64 * GB, "mixed")


def test_servers_of_which_nothing_is_known_are_left_out_of_the_sum() -> None:
    elsewhere()
    assert figures(summed(memory_of_all())) == (None, None, None, "unknown")
    make_server()
    assert figures(summed(memory_of_all())) == (64 * GB, 24 * GB, 40 * GB, "measured")
