"""Which model a profile means, and the reason of every other one."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry import profiling, resolving
from registry.models import LanguageModel, Registry, Server
from registry.resolving import Resolution
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]

TESTED: dict[str, Any] = {
    "test_status": "tested",
    "test_verdict": "verified",
    "tested_context": 8192,
    "tokens_per_second": 30.0,
}


@pytest.fixture
def mac() -> Server:
    return make_server(name="mac-studio", reachable=True)


def resolve(**fields: Any) -> Resolution:
    return resolving.resolve(profiling.save_profile(Registry.objects.default(), "quick_answers", **fields))


def key(model: LanguageModel | None) -> str | None:
    return model.key if model else None


def reasons(found: Resolution) -> dict[str, str]:
    return {each.model.key: each.reason for each in found.passed_over}


def test_the_first_preferred_model_that_can_be_used_is_taken(mac: Server) -> None:
    for name in ("first", "second", "third"):
        make_model(key=name, server=mac, missing=name == "first")
    found = resolve(preferred_models=["first", "second", "third"])
    assert (key(found.model), key(found.runner_up)) == ("second", "third")
    assert found.sentence == "quick_answers uses second on mac-studio"
    assert found.why == "It is the first preferred model that can be used now."
    assert reasons(found) == {
        "first": "no longer offered by mac-studio", "third": "preferred, but later in the list",
    }  # fmt: skip


def test_a_preferred_model_goes_before_a_better_one(mac: Server) -> None:
    make_model(key="fast", server=mac, state="loaded", **TESTED)
    make_model(key="liked", server=mac)
    found = resolve(preferred_models=["mac-studio/liked"])
    assert (key(found.model), reasons(found)) == ("liked", {"fast": "meets everything, but is not preferred"})


def test_a_preferred_model_on_two_servers_is_taken_where_it_is_loaded(mac: Server) -> None:
    make_model(key="m", server=mac)
    there = make_model(key="m", server=make_server(name="box", reachable=True), state="loaded")
    found = resolve(preferred_models=["m"])
    assert found.model == there
    assert reasons(found) == {"m": "m is loaded already, this one is not"}
    assert found.model.public_id == "box/m"


def test_preferred_ids_that_mean_no_model_are_told(mac: Server) -> None:
    make_model(key="m", server=mac)
    assert resolve(preferred_models=["gone", "m"]).unknown == ["gone"]


@pytest.mark.parametrize(
    ("fields", "asked", "reason"),
    [
        (TESTED, {"min_tested_context": 32_768}, "tested 8,192 of 32,768 asked for"),
        ({}, {"min_tested_context": 1}, "not tested: its window is not verified"),
        (TESTED | {"stale": True}, {"min_tested_context": 1}, "tested, but its file changed since"),
        ({"test_status": "failed", "test_verdict": "out of memory"}, {"min_tested_context": 1},
         "its test failed: out of memory"),
        (TESTED, {"min_tokens_per_second": 50}, "30.0 of 50 tokens/s asked for"),
        ({}, {"min_tokens_per_second": 50}, "its speed was not measured; 50 tokens/s are asked for"),
        ({"peak_memory_bytes": 12_400_000_000}, {"max_memory_bytes": 12 * 10**9}, "takes 12.4 GB of 12 GB allowed"),
        ({"size_bytes": None}, {"max_memory_bytes": 12 * 10**9}, "what it takes is not known; 12 GB are allowed"),
        ({"tool_use": False}, {"needs": ["tools"]}, "it does not use tools"),
        ({"vision": None}, {"needs": ["vision"]}, "whether it can take pictures is not told"),
        ({}, {"needs": ["reasoning"]}, "nothing is told of reasoning"),
        ({}, {"tags": ["prod", "qa"]}, "not tagged prod, qa"),
        ({"missing": True}, {}, "no longer offered by mac-studio"),
        ({"type": "embedding"}, {}, "an embedding model: it answers no prompts"),
        (TESTED, {"min_tested_context": 9000, "needs": ["reasoning"]},
         "nothing is told of reasoning; tested 8,192 of 9,000 asked for"),
    ],
)  # fmt: skip
def test_what_is_not_met_is_told_with_the_numbers(
    mac: Server, fields: dict[str, Any], asked: dict[str, Any], reason: str
) -> None:
    make_model(key="m", server=mac, **fields)
    found = resolve(**asked)
    assert (found.model, reasons(found)) == (None, {"m": reason})
    assert found.sentence == "quick_answers has no model to use now"


@pytest.mark.parametrize(
    ("server", "reason"),
    [({"enabled": False}, "server box is disabled"), ({"reachable": False}, "server box does not answer")],
)
def test_a_server_that_cannot_be_used_is_told(server: dict[str, Any], reason: str) -> None:
    make_model(key="m", server=make_server(name="box", **server))
    assert reasons(resolve()) == {"m": reason}


def test_a_model_on_no_server_cannot_be_loaded(mac: Server) -> None:
    LanguageModel.objects.filter(pk=make_model(key="m", server=mac).pk).update(server=None)
    assert reasons(resolve(servers=["mac-studio"])) == {
        "m": "on no server, so it cannot be loaded; on no server, not on mac-studio"
    }


def test_requirements_that_are_met_keep_nobody_out(mac: Server) -> None:
    make_model(key="m", server=mac, tags=("Prod",), tool_use=True, reasoning_options=["on"], vision=True, **TESTED)
    found = resolve(
        needs=["tools", "vision", "reasoning"], min_tested_context=8192, min_tokens_per_second=30,
        max_memory_bytes=10**9, tags=["prod"], servers=["mac-studio"],
    )  # fmt: skip
    assert key(found.model) == "m"
    assert found.why == "It is the only one that can be used: 30.0 tokens/s, 8,192 tokens verified."


@pytest.mark.parametrize(
    ("better", "worse", "reason"),
    [
        ({"tested_context": 20_000}, {"state": "loaded"}, "its verified window of 8,192 does not hold a whole request"),
        ({"state": "loaded"}, {"tokens_per_second": 99.0}, "better is loaded already, this one is not"),
        ({"tokens_per_second": 31.5}, {}, "slower: 30.0 of 31.5 tokens/s"),
        ({}, {"tokens_per_second": None}, "its speed was not measured; better makes 30.0 tokens/s"),
        ({"tested_context": 9000}, {}, "a smaller verified window: 8,192 of 9,000"),
        ({"peak_memory_bytes": 5}, {}, "takes more memory"),
        ({}, {}, "equal in everything; better comes first by name"),
    ],
)
def test_the_order_among_the_able_and_its_reasons(
    mac: Server, better: dict[str, Any], worse: dict[str, Any], reason: str
) -> None:
    make_model(key="worse", server=mac, **TESTED | worse)
    make_model(key="better", server=mac, **TESTED | better)
    found = resolve(max_context=16_384)
    assert (key(found.model), key(found.runner_up), reasons(found)) == ("better", "worse", {"worse": reason})


def test_a_promise_that_was_not_verified_is_warned_of(mac: Server) -> None:
    make_model(key="m", server=mac, **TESTED)
    assert resolve(max_context=16_384).warning == (
        "A request may take 16,384 tokens, but only 8,192 are verified for m."
    )
    assert resolve(max_context=4096).warning == ""


def test_reasons_are_counted_by_kind(mac: Server) -> None:
    for number in range(3):
        make_model(server=mac, missing=number > 0)
    assert resolve(min_tested_context=1).kinds == [("no longer offered", 2), ("not verified", 1)]


def test_models_of_another_registry_are_no_candidates(mac: Server) -> None:
    make_model(server=mac, registry=Registry.objects.create(name="lab"))
    assert resolve().passed_over == []


def test_queries_do_not_grow_with_models(mac: Server) -> None:
    counts = []
    for _ in range(2):
        for number in range(20):
            make_model(key=f"same-{number}", server=make_server(reachable=True), tags=("prod",))
        profile = profiling.save_profile(Registry.objects.default(), "p", tags=["prod"])
        with CaptureQueriesContext(connection) as queries:
            found = resolving.resolve(profile)
            assert all(each.model.public_id and str(each.model.server) for each in found.passed_over)
        counts.append(len(queries))
    assert counts == [3, 3]


def test_an_untested_model_is_said_to_be_untested(mac: Server) -> None:
    make_model(key="wide", server=mac, test_status="tested", tested_context=8192)
    make_model(key="new", server=mac)
    [passed] = resolve(max_context=4096).passed_over
    assert passed.reason == "not tested: its window is not verified"
