"""Speaks to another LMStrix over its REST API: what one of its registries holds, and making it hold something else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import anyio
import httpx

from registry.documents import native, reading
from registry.documents.content import Content, Unreadable
from registry.lmstudio import strict_json
from registry.lmstudio.address import normalize_base_url
from registry.lmstudio.transport import CheckedTransport, Forbidden
from registry.models.registry import DEFAULT

CONNECT_SECONDS, IDLE_SECONDS, TOTAL_SECONDS = 5.0, 30.0, 300.0
POLL_SECONDS = 0.5
MAX_DOCUMENT, MAX_ANSWER = 256 * 2**20, 2**20  # bytes
VERSION = "X-LMStrix-Version"  # of the registry that an export shows
OPEN = ("queued", "running")
_PARTS = re.compile(r"(?P<site>https?://[^?#]*?)/*(?:/api)?(?:/registries/(?P<registry>[^?#]+?))?/*")


class RemoteTrouble(ValueError):
    """Another LMStrix could not be read or changed; a sentence that names it and what to do."""


@dataclass(frozen=True)
class Remote:
    """One registry of another LMStrix; `token` is an API token of that one: viewer to read, admin to write."""

    site: str
    registry: str = DEFAULT
    token: str = ""

    @classmethod
    def at(cls, address: str, token: str = "") -> Remote:
        """From `http://host:8000` (its default registry) or `http://host:8000/registries/NAME`; ValueError."""
        parts = _PARTS.fullmatch(address.strip())
        if parts is None:
            raise ValueError(f"{address} is no address of another LMStrix; it looks like http://host:8000.")
        if not (token.isascii() and token.isprintable()):
            raise ValueError("The token of the other LMStrix holds characters that no token has; copy it again.")
        return cls(normalize_base_url(parts["site"]), unquote(parts["registry"] or DEFAULT), token)

    @property
    def spec(self) -> str:
        return f"{self.site}/registries/{quote(self.registry, safe='')}"

    def read(self) -> tuple[Content, int]:
        """What the registry holds, with its tests, and the version it has then; RemoteTrouble."""
        data, version = self._call("GET", "/export?format=native&full=true&live=false", max_bytes=MAX_DOCUMENT)
        if not version.isdecimal():
            raise RemoteTrouble(f"{self.site} is no LMStrix, or one that is too old to be compared with.")
        try:
            return reading.read(data, name=self.site), int(version)
        except Unreadable as error:
            raise RemoteTrouble(f"{self.site} did not answer with a registry: {error}") from error

    def write(self, content: Content, version: int) -> None:
        """Makes the registry hold `content`, if it is still the one that `version` was read from; RemoteTrouble."""
        document = native.canonical(native.as_native(content, full=True))
        job = self._json("POST", f"/import?strategy=exact&version={version}", document)
        until = time.monotonic() + TOTAL_SECONDS
        status = _at(job, "job", "status")
        while status in OPEN:
            if time.monotonic() > until:
                raise RemoteTrouble(
                    f"{self.site} has not finished writing registry {self.registry}; see its Jobs page."
                )
            time.sleep(POLL_SECONDS)
            job = {"job": self._json("GET", f"/jobs/{_at(job, 'job', 'id')}", below="/api")}
            status = _at(job, "job", "status")
        if status != "succeeded":
            raise RemoteTrouble(f"{self.site} did not write registry {self.registry}: {_at(job, 'job', 'error')}")

    def _json(self, method: str, path: str, body: bytes | None = None, *, below: str = "") -> Any:
        data, _ = self._call(method, path, body, below=below)
        try:
            return strict_json.loads(data)
        except ValueError as error:
            raise RemoteTrouble(f"{self.site} did not answer as an LMStrix does: {error}") from error

    def _call(
        self, method: str, path: str, body: bytes | None = None, *, below: str = "", max_bytes: int = MAX_ANSWER
    ) -> tuple[bytes, str]:
        """The answer's body, and the version of the registry that it shows ("" where it tells none)."""
        place = below or f"/api/registries/{quote(self.registry, safe='')}"
        return anyio.run(self._exchange, method, self.site + place + path, body, max_bytes)

    async def _exchange(self, method: str, url: str, body: bytes | None, max_bytes: int) -> tuple[bytes, str]:
        # a compressed answer could be a bomb; no redirect is followed, and no proxy asked: the address is the one told
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        timeout = httpx.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS)
        transport = CheckedTransport(https=self.site.startswith("https:"))
        with self._failures(), anyio.fail_after(TOTAL_SECONDS):
            async with (
                httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False) as client,
                client.stream(method, url, headers=headers, content=body) as answer,
            ):
                self._check_head(answer)
                data = bytearray()
                async for chunk in answer.aiter_raw():
                    data += chunk
                    if len(data) > max_bytes:
                        raise RemoteTrouble(
                            f"{self.site} answered with more than {max_bytes:,} bytes; that is refused."
                        )
                self._check_status(answer.status_code, bytes(data))
                return bytes(data), answer.headers.get(VERSION, "")

    def _check_head(self, answer: httpx.Response) -> None:
        if answer.is_redirect:
            target = ascii(answer.headers.get("location", "nowhere")[:200])[1:-1]
            raise RemoteTrouble(f"{self.site} sends on to {target}; give the final address of the other LMStrix.")
        if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RemoteTrouble(f"{self.site} sent a compressed answer although none was asked for.")

    def _check_status(self, status: int, data: bytes) -> None:
        if status in (200, 202):
            return
        told = _detail(data)
        sentences = {
            401: f"{self.site} does not know the token (HTTP 401); give one of its API tokens, as an argument or in "
            "LMSTRIX_REMOTE_TOKEN.",
            403: f"{self.site} does not let this token do that (HTTP 403); to compare it takes the role viewer, to "
            "sync the role admin.",
            404: f"{self.site} has no registry {self.registry} (HTTP 404).",
            409: f"{self.site} did not write registry {self.registry} (HTTP 409): {told}",
        }
        raise RemoteTrouble(sentences.get(status, f"{self.site} answered HTTP {status}: {told}"))

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except Forbidden as error:
            raise RemoteTrouble(f"{self.site} is not allowed: {error}.") from error
        except TimeoutError as error:
            raise RemoteTrouble(f"{self.site} was not done within {TOTAL_SECONDS:g} seconds.") from error
        except httpx.ConnectTimeout as error:
            raise RemoteTrouble(f"{self.site} did not accept a connection in {CONNECT_SECONDS:g} seconds.") from error
        except httpx.TimeoutException as error:
            raise RemoteTrouble(f"{self.site} fell silent for {IDLE_SECONDS:g} seconds.") from error
        except httpx.ConnectError as error:
            raise RemoteTrouble(f"{self.site} cannot be reached ({error}); is that LMStrix running?") from error
        except httpx.TransportError as error:
            raise RemoteTrouble(f"{self.site} broke off the connection ({type(error).__name__}).") from error


def _detail(data: bytes) -> str:
    """What a problem document says, printable and short."""
    try:
        told = json.loads(data)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it did not say why."
    return "".join(letter for letter in str(told)[:300] if letter.isprintable())


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
