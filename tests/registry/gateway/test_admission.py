"""Who comes in, and what a client can never do: choose where its request goes, or see the key that goes with it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from django.test import override_settings

from registry.gateway import admission, upstream
from registry.gateway.refusals import Refusal
from registry.models import ApiToken, InferenceRecord, Role, Server
from tests.builders import make_server, make_user
from tests.gateways import CHAT, RunningGateway, make_loaded, records, running_gateway
from tests.scripted_openai import ScriptedOpenAI

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

HELLO = {"model": "one", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def upstream_server() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(["one"]) as server:
        yield server


@pytest.fixture
def gateway(tmp_path: Path, upstream_server: ScriptedOpenAI) -> Iterator[RunningGateway]:
    make_loaded("one", server=make_server(base_url=upstream_server.url, token="the server's own key"))
    with running_gateway(tmp_path) as running:
        yield running


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def raw(gateway: RunningGateway, request: str) -> bytes:
    """What is answered to bytes that no client library would send."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(request.encode())
        return connection.recv(65536)


# the host


def test_a_request_for_another_host_is_refused(gateway: RunningGateway) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "127.0.0.1:80:80", "", "."):
        answer = gateway.ask(headers=gateway.headers | {"Host": host})
        assert answer.status_code == 400, host
    assert code(gateway.ask(headers=gateway.headers | {"Host": "evil.example"})) == (400, "host_not_allowed")


def test_another_header_does_not_stand_for_the_host(gateway: RunningGateway) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"}
    assert gateway.ask(headers=gateway.headers | forged).status_code == 400


def test_two_hosts_are_refused(gateway: RunningGateway) -> None:
    answer = raw(gateway, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


def test_allowed_hosts_are_those_of_the_settings(gateway: RunningGateway) -> None:
    with override_settings(ALLOWED_HOSTS=["lmstrix.example"]):
        assert gateway.ask(headers=gateway.headers | {"Host": "lmstrix.example:8000"}).status_code == 200
        assert gateway.ask(headers=gateway.headers | {"Host": "localhost"}).status_code == 400


# the token


def test_without_a_token_nothing_is_answered(gateway: RunningGateway, upstream_server: ScriptedOpenAI) -> None:
    secret = gateway.secret
    for header in (
        {}, {"Authorization": secret}, {"Authorization": f"Basic {secret}"}, {"Authorization": "Bearer"},
        {"X-Api-Key": secret}, {"Api-Key": secret}, {"Cookie": f"lmstrix_session={secret}"},
        {"Authorization": f"Bearer {secret}x"}, {"Authorization": "Bearer ' OR 1=1 --"},
    ):  # fmt: skip
        assert gateway.ask(headers={"X-Any": "1"} | header).status_code == 401, header
    assert gateway.client.get(f"{gateway.url}/v1/models").status_code == 401
    assert not upstream_server.requests


def test_two_tokens_are_refused(gateway: RunningGateway) -> None:
    one = f"Authorization: Bearer {gateway.secret}\r\n"
    answer = raw(gateway, f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n{one}{one}\r\n")
    assert answer.startswith(b"HTTP/1.1 401")


def test_a_viewers_token_does_not_open_the_gateway(gateway: RunningGateway) -> None:
    _, gateway.secret = ApiToken.issue("reads", Role.VIEWER)
    assert code(gateway.ask()) == (403, "insufficient_role")
    assert gateway.client.get(f"{gateway.url}/v1/models", headers=gateway.headers).status_code == 403


def test_a_token_is_worth_no_more_than_who_made_it(gateway: RunningGateway) -> None:
    maker = make_user(role=Role.ADMIN)
    _, gateway.secret = ApiToken.issue("theirs", Role.ADMIN, created_by=maker)
    assert gateway.ask().status_code == 200
    maker.role = Role.VIEWER
    maker.save()
    assert _refused_within(gateway, 2) == 403
    maker.is_active = False
    maker.save()
    assert _refused_within(gateway, 2, 401) == 401


def _refused_within(gateway: RunningGateway, seconds: float, wanted: int = 403) -> int:
    until = time.monotonic() + seconds
    while (status := gateway.ask().status_code) != wanted and time.monotonic() < until:
        time.sleep(0.1)
    return status


def test_a_revoked_token_opens_nothing_after_two_seconds(gateway: RunningGateway) -> None:
    token, gateway.secret = ApiToken.issue("goes", Role.OPERATOR)
    assert gateway.ask().status_code == 200  # also: a new one works at once
    token.revoke()
    assert _refused_within(gateway, 2, 401) == 401


def test_a_refused_stranger_leaves_no_record(gateway: RunningGateway) -> None:
    gateway.ask(headers={"Authorization": "Bearer lmx_wrong"})
    gateway.ask()
    assert len(records()) == 1
    assert InferenceRecord.objects.count() == 1


# the size


def test_a_body_over_the_limit_is_refused_before_it_is_read(gateway: RunningGateway) -> None:
    with override_settings(GATEWAY_BODY_BYTES=1000):
        assert code(gateway.ask("x" * 1000)) == (413, "request_too_large")
        assert gateway.ask("x" * 100).status_code == 200
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.secret}\r\n"
    assert raw(gateway, f"{head}Content-Length: 99999999999\r\n\r\n").startswith(b"HTTP/1.1 413")


def test_a_body_in_pieces_over_the_limit_is_refused(gateway: RunningGateway) -> None:
    pieces = (b"x" * 100 for _ in range(100))
    with override_settings(GATEWAY_BODY_BYTES=1000):
        answer = httpx.post(gateway.url + CHAT, content=pieces, headers=gateway.headers)
    assert code(answer) == (413, "request_too_large")


def test_twenty_megabytes_are_the_default(settings: pytest.FixtureRequest) -> None:
    assert settings.GATEWAY_BODY_BYTES == 20_000_000  # type: ignore[attr-defined]


# where it goes


@pytest.mark.parametrize("name", ["api_base", "base_url", "api_key", "extra_headers"])
def test_a_field_that_would_choose_the_upstream_is_refused(
    gateway: RunningGateway, upstream_server: ScriptedOpenAI, name: str
) -> None:
    assert code(gateway.ask(**cast(Any, {name: upstream_server.url}))) == (400, "field_refused")
    escaped = '{"model": "one", "messages": [], "\\u00' + f"{ord(name[0]):x}" + name[1:] + '": "x"}'
    answer = httpx.post(gateway.url + CHAT, content=escaped, headers=gateway.headers)
    assert code(answer) == (400, "field_refused")
    assert not upstream_server.requests


def test_no_header_of_the_client_goes_along(gateway: RunningGateway, upstream_server: ScriptedOpenAI) -> None:
    sent = {
        "Cookie": "a=b", "X-Api-Key": "k", "X-Forwarded-For": "1.2.3.4", "Proxy-Authorization": "Basic x",
        "OpenAI-Organization": "o", "X-Upstream": "http://127.0.0.1:9", "X-Custom": "1", "Referer": "http://x/",
    }  # fmt: skip
    assert gateway.ask(headers=gateway.headers | sent).status_code == 200
    (request,) = upstream_server.requests
    lines = request.head.decode().split("\r\n")[1:]
    arrived = {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    assert set(arrived) == {
        "host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", "authorization"
    }  # fmt: skip
    assert arrived["authorization"] == "bearer the server's own key"
    assert gateway.secret.lower() not in str(arrived)


def test_a_query_does_not_go_along(gateway: RunningGateway, upstream_server: ScriptedOpenAI) -> None:
    gateway.ask(path=f"{CHAT}?api_base=http://127.0.0.1:9&model=two")
    assert [request.path for request in upstream_server.requests] == [CHAT]


def test_of_a_field_that_comes_twice_one_value_counts_for_all(
    gateway: RunningGateway, upstream_server: ScriptedOpenAI
) -> None:
    twice = b'{"model": "two", "messages": [{"role": "user", "content": "hello"}], "model": "one"}'
    assert httpx.post(gateway.url + CHAT, content=twice, headers=gateway.headers).status_code == 200
    assert upstream_server.requests[0].body.count(b'"model"') == 1


def test_the_key_of_a_server_never_comes_back(gateway: RunningGateway, upstream_server: ScriptedOpenAI) -> None:
    leaks = {
        "echo": b"HTTP/1.1 401 X\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\nthe server's own key",
        "cookie": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: k=the server's own key\r\n\r\n{}",
    }
    for prompt, head in leaks.items():
        upstream_server.replies[prompt] = lambda body, head=head: head  # type: ignore[misc]
        answer = gateway.ask(prompt)
        assert "own key" not in answer.text + str(answer.headers)
    assert code(gateway.ask("echo")) == (502, "server_refused_token")


def test_a_redirect_is_not_followed(gateway: RunningGateway, upstream_server: ScriptedOpenAI) -> None:
    with ScriptedOpenAI(["one"]) as other:
        head = f"HTTP/1.1 307 X\r\nLocation: {other.url}{CHAT}\r\nContent-Length: 0\r\n\r\n".encode()
        upstream_server.replies["hello"] = lambda body: head  # type: ignore[assignment, return-value]
        answer = gateway.ask("hello")
        assert code(answer) == (502, "server_unreachable")
        assert "location" not in answer.headers
        assert not other.requests


def test_paths_lead_nowhere_else(gateway: RunningGateway, upstream_server: ScriptedOpenAI) -> None:
    for path in ("/v1/../api/v1/models", "/v1/responses", "/v1/chat/completions/", "/v1/%2e%2e/x", "/v1/", "/v1//"):
        answer = raw(
            gateway, f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.secret}\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 404"), path
    assert gateway.client.get(gateway.url + CHAT, headers=gateway.headers).status_code == 405
    assert not upstream_server.requests


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.1", "[::ffff:169.254.169.254]", "0"])
def test_a_forbidden_address_is_never_connected_to(
    gateway: RunningGateway, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    checked = upstream.checked_socket

    def noted(info: Any) -> socket.socket:
        opened.append(checked(info))
        raise OSError("it would have been connected to")

    monkeypatch.setattr(upstream, "checked_socket", noted)
    Server.objects.update(base_url=f"http://{host}:80")
    gateway.process.start()
    gateway.process.refresher.refresh()
    assert code(gateway.ask()) == (502, "server_unreachable")
    assert not opened


def test_a_host_is_judged_as_django_does() -> None:
    with override_settings(ALLOWED_HOSTS=[".lmstrix.example", "[::1]"]):
        for host in (b"a.lmstrix.example", b"lmstrix.example.:80", b"[::1]:8000", b"A.LMSTRIX.example"):
            admission.check_host([(b"host", host)])
        for host in (b"lmstrix.example.evil", b"[::2]", b"a b.lmstrix.example", b"\xff.lmstrix.example"):
            with pytest.raises(Refusal):
                admission.check_host([(b"host", host)])
