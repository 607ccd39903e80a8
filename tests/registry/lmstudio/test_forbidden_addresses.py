"""No spelling, name, redirect or second thought of a name server opens a socket to a forbidden address."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from registry.lmstudio import LMStudio
from registry.lmstudio.address import why_forbidden
from registry.lmstudio.errors import ForbiddenAddress, LMStudioError, Unreachable
from tests.registry.lmstudio.conftest import Ask
from tests.scripted_http import redirect
from tests.scripted_lmstudio import LIST, ScriptedLMStudio

_recordings: list[list[str]] = []


def _record(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and _recordings:
        address = arguments[1]
        _recordings[-1].append(str(address[0]) if isinstance(address, tuple) else str(address))


sys.addaudithook(_record)  # the interpreter reports each connect, whoever makes it


@pytest.fixture
def connects() -> Iterator[list[str]]:
    """The addresses that this process connected sockets to during the test."""
    _recordings.append([])
    yield _recordings[-1]
    _recordings.pop()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """A name server: for each name its answers in turn, the last one for ever."""
    answers: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: Any, **options: Any) -> Any:
        if host not in answers:
            return real(host, port, *rest, **options)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, 1, 6, "", (ip, port)) for ip in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


def listing(client: LMStudio) -> Any:
    return client.list_models()


SPELLINGS = [
    "169.254.169.254",
    "169.254.0.1",
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "169.0xfe.43518",
    "025177524776",
    "0",
    "0.0.0.0",  # noqa: S104
    "0x0",
    "0.0",
    "00000",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.250",
    "0xe0000001",
    "255.255.255.255",
    "4294967295",
    "240.0.0.1",
    "0xf0.1",
    "100.100.100.200",
    "1684301000",
    "0x64.100.0x64.200",
    "168.63.129.16",
    "192.0.0.192",
    "[::]",
    "[0:0:0:0:0:0:0:0]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[0:0:0:0:0:ffff:169.254.169.254]",
    "[::169.254.169.254]",
    "[::ffff:0:169.254.169.254]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[fe80::1]",
    "[FE80::A9FE:A9FE]",
    "[febf::1]",
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0::254]",
    "[fd20:ce::254]",
    "[ff02::1]",
    "[ff0e::5]",
    "[::ffff:0.0.0.0]",
    "[::ffff:100.100.100.200]",
    "[::ffff:224.0.0.1]",
    "[::ffff:255.255.255.255]",
    "[2001:0:a9fe:a9fe::1]",
    "[2001:0:1:2:3:4:5601:5601]",
    "[2001:db8::5efe:169.254.169.254]",
    "[2001:db8::200:5efe:a9fe:a9fe]",
    "169.254.169.254.",
    "[fe80::1%251]",
    "１６９.254.169.254",
    "169。254。169。254",
    "①⑥⑨.254.169.254",
    "169.254.169.254%00",
    "%31%36%39.254.169.254",
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_reaches_a_forbidden_address(ask: Ask, connects: list[str], host: str) -> None:
    with pytest.raises((ForbiddenAddress, Unreachable, ValueError)):
        ask(listing, url=f"http://{host}:1234", connect_timeout=1.0)
    assert connects == []


@pytest.mark.parametrize(
    "found",
    [
        ["169.254.169.254"],
        ["203.0.113.5", "169.254.169.254"],
        ["::ffff:169.254.169.254"],
        ["127.0.0.1", "0.0.0.0"],  # noqa: S104
        ["fe80::1%2"],
        ["fe80::1", "fe80::2"],
        ["10.0.0.1", "ff02::1"],
        ["127.0.0.1", "fd00:ec2::254"],
    ],
    ids=" ".join,
)
def test_no_name_reaches_a_forbidden_address(
    ask: Ask, connects: list[str], names: dict[str, list[list[str]]], found: Any
) -> None:
    names["metadata.test"] = [found]
    with pytest.raises(ForbiddenAddress, match=r"metadata\.test leads to"):
        ask(listing, url="http://metadata.test:1234")
    assert connects == []


def test_a_name_that_changes_its_mind_is_connected_to_the_checked_address_only(
    studio: ScriptedLMStudio, ask: Ask, connects: list[str], names: dict[str, list[list[str]]]
) -> None:
    names["rebinding.test"] = [["127.0.0.1"], ["169.254.169.254"]]
    url = f"http://rebinding.test:{studio.port}"
    assert ask(listing, url=url).models
    with pytest.raises(ForbiddenAddress):
        ask(listing, url=url)
    assert connects == ["127.0.0.1"]


def test_a_redirect_to_a_forbidden_address_opens_nothing(
    studio: ScriptedLMStudio, ask: Ask, connects: list[str]
) -> None:
    studio.script(LIST, redirect("http://169.254.169.254/latest/meta-data/"))
    with pytest.raises(LMStudioError):
        ask(listing)
    assert connects == ["127.0.0.1"]


def test_the_name_stays_in_the_host_header(
    studio: ScriptedLMStudio, ask: Ask, names: dict[str, list[list[str]]]
) -> None:
    names["box.test"] = [["127.0.0.1"]]
    ask(listing, url=f"http://box.test:{studio.port}")
    assert studio.requests[0].headers["host"] == f"box.test:{studio.port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"])
def test_the_own_machine_is_reached_however_it_is_written(
    studio: ScriptedLMStudio, ask: Ask, connects: list[str], host: str
) -> None:
    assert ask(listing, url=f"http://{host}:{studio.port}").models
    assert connects


@pytest.mark.parametrize("others", [["fe80::1%2"], ["::1"]])
def test_a_name_with_a_dead_or_link_local_address_beside_is_reached_by_the_good_one(
    studio: ScriptedLMStudio, ask: Ask, names: dict[str, list[list[str]]], others: Any
) -> None:
    names["box.local"] = [[*others, "127.0.0.1"]]
    assert ask(listing, url=f"http://box.local:{studio.port}").models


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.5",
        "100.64.0.1",
        "fd12:3456::7",
        "fc00::1",
        "8.8.8.8",
        "2606:4700::1111",
        "::ffff:192.168.1.5",
        "64:ff9b::8.8.8.8",
        "2002:c0a8:105::1",
    ],
)
def test_loopback_private_and_public_addresses_are_allowed(address: str) -> None:
    assert why_forbidden(address) is None


def test_a_name_server_that_hangs_does_not_outlast_the_connect_deadline(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: hanging.wait(5))
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not accept a connection within 0\.1 s"):
        ask(listing, url="http://slow.test", connect_timeout=0.1)
    hanging.set()
    assert time.monotonic() - started < 1
