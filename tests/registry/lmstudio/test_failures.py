"""Servers that hang, drip, cut, flood, redirect or are not LM Studio: each ends soon, in one clear error."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import time
from typing import Any

import pytest

from registry.lmstudio import LMStudio
from registry.lmstudio.errors import BadReply, TimedOut, Unauthorized, Unreachable
from registry.lmstudio.exchange import MAX_BODY
from registry.lmstudio.wire import Listing
from tests.registry.lmstudio.conftest import Ask
from tests.scripted_http import HANG, RESET, answer, event, head, redirect, stream
from tests.scripted_lmstudio import CHAT, LIST, LOAD, ScriptedLMStudio


def listing(client: LMStudio) -> Any:
    return client.list_models()


def chat(client: LMStudio) -> Any:
    return client.chat("qwen3-4b", "hello", max_output_tokens=16, timeout=2)


def test_a_closed_port_is_unreachable_and_the_sentence_names_it(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.stop()
    with pytest.raises(Unreachable, match=rf"^LM Studio at {studio.url} cannot be reached .*; check that .*\.$"):
        ask(listing)


def test_a_name_that_does_not_exist_is_unreachable(ask: Ask) -> None:
    with pytest.raises(Unreachable, match="cannot be resolved"):
        ask(listing, url="http://nowhere.invalid:1234")


def test_a_host_that_never_accepts_is_given_up_after_the_connect_deadline(ask: Ask) -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        socket.create_connection(full.getsockname()),
        pytest.raises(TimedOut, match=r"0\.2 s"),
    ):
        ask(listing, url=f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.2)


@pytest.mark.parametrize(
    "steps",
    [[HANG], [head() + b'{"models"', HANG], lambda request: itertools.chain([head()], itertools.cycle([b" ", 0.02]))],
    ids=["silent", "half", "dripping"],
)
def test_a_list_that_does_not_come_ends_at_the_deadline(studio: ScriptedLMStudio, ask: Ask, steps: Any) -> None:
    studio.script(LIST, steps)
    started = time.monotonic()
    with pytest.raises(TimedOut):
        ask(listing, listing_timeout=0.2)
    assert time.monotonic() - started < 1


def test_a_load_ends_at_its_deadline(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(LOAD, [HANG])
    with pytest.raises(TimedOut, match=r"within 0\.1 s when asked to load"):
        ask(lambda client: client.load("qwen3-4b", timeout=0.1))


def test_a_chat_that_falls_silent_ends_after_the_idle_time(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(CHAT, stream(event("chat.start"), HANG))
    with pytest.raises(TimedOut, match="fell silent"):
        ask(chat, idle_timeout=0.1)


def test_a_chat_that_never_ends_is_ended_by_its_deadline_although_it_talks(studio: ScriptedLMStudio, ask: Ask) -> None:
    pieces: tuple[bytes | float, ...] = (event("chat.start"), 0.02)
    studio.script(CHAT, lambda request: itertools.chain([head()], itertools.cycle(pieces)))
    with pytest.raises(TimedOut):
        ask(lambda client: client.chat("qwen3-4b", "x", max_output_tokens=1, timeout=0.2), idle_timeout=0.1)


@pytest.mark.parametrize(
    "steps",
    [[RESET], [b""], [head(200, {"Content-Length": "5000"}) + b'{"models": []}'], [head() + b"{", 0.02, RESET]],
    ids=["reset", "closed", "short", "reset half way"],
)
def test_a_lost_connection_is_unreachable(studio: ScriptedLMStudio, ask: Ask, steps: Any) -> None:
    studio.script(LIST, steps)
    with pytest.raises(Unreachable):
        ask(listing)


@pytest.mark.parametrize(
    "steps",
    [
        [b"-ERR unknown command\r\n\r\n"],
        [b"SSH-2.0-OpenSSH_9.6\r\n\r\n"],
        [head(200, {"Content-Length": "5"}) + b'{"models": []}'],
        [head(200, {"Content-Length": "-5"}) + b"{}"],
        [head(200, {"Transfer-Encoding": "chunked"}) + b"zz\r\n"],
        [head()[:-2] + b"X: " + b"x" * 300_000],
        [answer("<html>hello</html>")],
        [head(204)],
        [answer(b"")],
    ],
)
def test_what_is_not_lm_studio_is_a_bad_reply(studio: ScriptedLMStudio, ask: Ask, steps: Any) -> None:
    studio.script(LIST, steps)
    with pytest.raises(BadReply):
        ask(listing)


@pytest.mark.parametrize(("line", "call"), [(LOAD, lambda client: client.load("q")), (CHAT, chat)])
@pytest.mark.parametrize("start", [b"", b"{", b"data: "])
def test_an_endless_answer_is_cut_off(studio: ScriptedLMStudio, ask: Ask, line: str, call: Any, start: Any) -> None:
    studio.script(line, lambda request: itertools.chain([head() + start], itertools.repeat(b"x" * 1_000_000)))
    with pytest.raises(BadReply, match=r"longer|larger"):
        ask(call)


def test_endless_events_are_cut_off(studio: ScriptedLMStudio, ask: Ask) -> None:
    flood = event("chat.start") * 20_000
    studio.script(CHAT, lambda request: itertools.chain([head()], itertools.repeat(flood)))
    with pytest.raises(BadReply, match=f"{MAX_BODY + 16_000:,}"):
        ask(lambda client: client.chat("q", "x", max_output_tokens=16))


def test_a_compressed_answer_is_refused_unopened(studio: ScriptedLMStudio, ask: Ask) -> None:
    bomb = gzip.compress(b'{"models": []}' + b" " * 5_000_000)
    studio.script(LIST, [answer(bomb, Content_Encoding="gzip")])
    with pytest.raises(BadReply, match="compressed"):
        ask(listing)
    assert studio.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_named_and_not_followed(studio: ScriptedLMStudio, ask: Ask, status: int) -> None:
    with ScriptedLMStudio() as other:
        studio.script(LIST, redirect(f"{other.url}/x", status))
        with pytest.raises(BadReply, match=rf"redirects to {other.url}/x"):
            ask(listing, token="secret")
        assert other.connections == 0


def test_proxies_from_the_environment_are_not_used(
    studio: ScriptedLMStudio, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask(listing).models


def test_a_token_that_cannot_be_sent_is_refused_at_once() -> None:
    with pytest.raises(Unauthorized):
        LMStudio("localhost", token="a\r\nX-Evil: 1")


def test_the_token_is_sent_as_a_bearer(studio: ScriptedLMStudio, ask: Ask) -> None:
    ask(listing, token="secret")
    assert studio.requests[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize(("line", "call"), [(LIST, listing), (LOAD, lambda client: client.load("q")), (CHAT, chat)])
@pytest.mark.parametrize("steps", [[HANG], stream(event("chat.start"), HANG)], ids=["silent", "half"])
def test_cancelling_closes_the_connection_at_once(
    studio: ScriptedLMStudio, ask: Ask, line: str, call: Any, steps: Any
) -> None:
    studio.script(line, steps)

    async def cancelled(client: LMStudio) -> int:
        task = asyncio.create_task(call(client))
        while not studio.requests:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 0.5)
        deadline = time.monotonic() + 0.5
        while studio.open_connections and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        return studio.open_connections

    assert ask(cancelled) == 0


def test_twenty_servers_answer_at_once(studio: ScriptedLMStudio, ask: Ask) -> None:
    servers = [ScriptedLMStudio() for _ in range(20)]

    async def ask_all(_: LMStudio) -> list[Listing]:
        clients = [LMStudio(server.url) for server in servers]
        return await asyncio.gather(*(client.list_models() for client in clients))

    for server in servers:
        server.__enter__()
    try:
        assert len(ask(ask_all)) == 20
    finally:
        for server in servers:
            server.stop()
