"""Another LMStrix that answers badly, or not at all."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from registry import remote
from registry.documents import native
from registry.remote import Remote, RemoteTrouble
from tests.generated_contents import content, model_id
from tests.scripted_http import HANG, RESET, ScriptedServer, answer, head, redirect

EXPORT = "GET /api/registries/default/export"
IMPORT = "POST /api/registries/default/import"
DOCUMENT = native.canonical(native.as_native(content(("a", {"name": "A"})), full=True))


@pytest.fixture
def site() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.script(EXPORT, answer(DOCUMENT, X_LMStrix_Version="7"))
        yield server


def refusal(site: ScriptedServer, *replies: Any, token: str = "") -> str:
    """The sentence that reading ends with when the export is answered so."""
    site.script(EXPORT, *replies)
    with pytest.raises(RemoteTrouble) as caught:
        Remote.at(site.url, token).read()
    assert str(caught.value).startswith(site.url)
    return str(caught.value)


def test_a_registry_is_read_with_its_version_and_the_token_is_sent(site: ScriptedServer) -> None:
    read, version = Remote.at(site.url, "lmx_secret").read()
    assert (list(read.models), version) == ([model_id("a")], 7)
    assert site.requests[0].headers["authorization"] == "Bearer lmx_secret"


@pytest.mark.parametrize(("address", "spec"), [
    ("http://h:8000", "http://h:8000/registries/default"),
    ("http://h:8000/", "http://h:8000/registries/default"),
    ("http://h:8000/api/registries/lab%2Fone/", "http://h:8000/registries/lab%2Fone"),
    ("https://h/below/registries/lab", "https://h/below/registries/lab"),
])  # fmt: skip
def test_an_address_names_a_site_and_a_registry(address: str, spec: str) -> None:
    assert Remote.at(address).spec == Remote.at(Remote.at(address).spec).spec == spec


@pytest.mark.parametrize("address", ["ftp://h", "http://u:p@h", "http://h?x=1", "http://", "http://h:99999"])
def test_an_impossible_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        Remote.at(address)


def test_an_unknown_token_says_where_to_put_one(site: ScriptedServer) -> None:
    assert "HTTP 401" in (told := refusal(site, answer({"detail": "?"}, 401)))
    assert "LMSTRIX_REMOTE_TOKEN" in told


def test_a_token_that_may_not_says_which_role_it_takes(site: ScriptedServer) -> None:
    assert "role admin" in refusal(site, answer({"detail": "?"}, 403))


def test_a_registry_that_is_not_there_is_named(site: ScriptedServer) -> None:
    assert "has no registry default" in refusal(site, answer({"detail": "?"}, 404))


def test_a_redirect_is_not_followed_and_the_token_stays_here(site: ScriptedServer) -> None:
    with ScriptedServer() as other:
        assert f"sends on to {other.url}" in refusal(site, redirect(other.url), token="lmx_secret")
        assert other.requests == []


def test_an_endless_answer_is_cut(site: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_DOCUMENT", 100_000)
    endless = [head(200, {"X-LMStrix-Version": "1"}), *itertools.repeat(b"x" * 10_000, 50)]
    assert "more than 100,000 bytes" in refusal(site, endless)


def test_a_silent_site_is_given_up(site: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "IDLE_SECONDS", 0.2)
    assert "fell silent" in refusal(site, [HANG])


def test_a_site_that_drips_is_given_up(site: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TOTAL_SECONDS", 0.3)
    began = time.monotonic()
    assert "was not done" in refusal(site, [head(200), *itertools.chain(*itertools.repeat((b"x", 0.05), 100))])
    assert time.monotonic() - began < 3


def test_a_broken_connection_is_told(site: ScriptedServer) -> None:
    assert "broke off" in refusal(site, [head(200, {"Content-Length": "9"}), b"x", RESET])


def test_a_closed_port_is_told() -> None:
    with ScriptedServer() as gone:
        address = gone.url
    with pytest.raises(RemoteTrouble, match="cannot be reached"):
        Remote.at(address).read()


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"version": "9.0"}', b'{"models": [', b"\xff\xfe"])
def test_an_answer_that_is_no_registry_is_refused(site: ScriptedServer, body: bytes) -> None:
    assert "did not answer with a registry" in refusal(site, answer(body, X_LMStrix_Version="1"))


def test_a_site_that_is_no_lmstrix_is_told(site: ScriptedServer) -> None:
    assert "is no LMStrix" in refusal(site, answer({"hello": 1}))


def test_a_compressed_answer_is_refused(site: ScriptedServer) -> None:
    assert "compressed" in refusal(site, answer(b"x", Content_Encoding="gzip", X_LMStrix_Version="1"))


def test_a_forbidden_address_is_never_asked() -> None:
    with pytest.raises(RemoteTrouble, match="is not allowed"):
        Remote.at("http://169.254.169.254").read()


def test_an_error_that_the_site_tells_is_passed_on_printable_and_short(site: ScriptedServer) -> None:
    told = refusal(site, answer({"detail": "out of\x1b[31m order" + "!" * 1000}, 500))
    assert "HTTP 500: out of[31m order" in told
    assert len(told) < 400


def test_writing_sends_the_whole_registry_and_waits_for_the_job(site: ScriptedServer) -> None:
    site.script(IMPORT, answer({"job": {"id": 5, "status": "queued"}}, 202))
    site.script("GET /api/jobs/5", answer({"id": 5, "status": "running"}), answer({"id": 5, "status": "succeeded"}))
    Remote.at(site.url, "lmx").write(content(("a", {"name": "A"})), 7)
    sent = site.calls(IMPORT)[0]
    assert sent.path.endswith("?strategy=exact&version=7")
    assert sent.body == DOCUMENT
    assert len(site.calls("GET /api/jobs/5")) == 2


@pytest.mark.parametrize("reply", [
    answer({"job": {"id": 5, "status": "failed", "error": "it has changed"}}, 202),
    answer({"detail": "it has changed"}, 409),
])  # fmt: skip
def test_a_refused_write_says_why(site: ScriptedServer, reply: bytes) -> None:
    site.script(IMPORT, reply)
    with pytest.raises(RemoteTrouble, match="it has changed"):
        Remote.at(site.url).write(content(), 7)


def test_an_answer_to_a_write_that_is_no_job_is_told(site: ScriptedServer) -> None:
    site.script(IMPORT, answer(json.dumps([1]).encode()))
    with pytest.raises(RemoteTrouble, match="did not write"):
        Remote.at(site.url).write(content(), 7)
