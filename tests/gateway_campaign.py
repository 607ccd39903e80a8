"""Many requests of all kinds through a gateway that is killed, locked and left meanwhile; what each client saw."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import orjson

from tests.gateway_stack import GatewayStack
from tests.raw_client import Answer, Clock, Lost, RawClient
from tests.scripted_openai import CHAT, usage

WORD_BYTES = 150  # about so many has the event of a word
AT_ONCE = 24
PATIENCE_SECONDS = 60  # for one request, a start of the gateway included


@dataclass
class Sent:
    """One request and what its client saw."""

    number: int
    script: Mapping[str, Any]
    stream: bool
    leave_after: int | None = None  # bytes of the body after which the client goes away
    answer: Answer | None = None
    ended: float = 0  # monotonic seconds
    lasted: float = 0

    @property
    def prompt(self) -> str:
        return orjson.dumps({**self.script, "pad": str(self.number)}).decode()

    @property
    def tokens(self) -> tuple[int, int]:
        """Read and written, as the upstream counts them."""
        told = usage(self.prompt, self.script["tokens"])
        return told["prompt_tokens"], told["completion_tokens"]

    @property
    def complete(self) -> bool:
        return bool(self.answer and self.answer.complete)

    @property
    def turned_away(self) -> bool:
        """Not let in: the process had begun while the database was locked, and knew no token."""
        return self.complete and self.answer is not None and self.answer.status == 503 and not self.uuid

    @property
    def left(self) -> bool:
        """The client went away in the midst of it."""
        return self.leave_after is not None and self.words > 0 and not self.complete

    @property
    def words(self) -> int:
        """Words that arrived, when it was a stream."""
        return bytes(self.answer.body).count(b'"delta":{"content"') if self.answer else 0

    def words_before(self, seconds: float) -> int:
        """Words, at least, that had arrived so many seconds before the end."""
        times = self.answer.times if self.answer else []
        return sum(moment < self.lasted - seconds for moment in times)

    @property
    def uuid(self) -> str:
        """Of its record; empty where not even the head of an answer came."""
        return self.answer.header("x-lmstrix-request") if self.answer else ""


def request(number: int, dice: Random) -> Sent:
    """A request of a random kind: whole, a quick stream, a slow one; some clients leave."""
    tokens = dice.randint(3, 40)
    kind = dice.random()
    if kind < 0.6:
        return Sent(number, {"tokens": tokens}, stream=False)
    if kind < 0.615:
        return Sent(number, {"tokens": 120, "first_ms": 20, "gap_ms": 20}, stream=True)
    script = {"tokens": tokens} if kind < 0.8 else {"tokens": tokens, "first_ms": 20, "gap_ms": dice.randint(5, 25)}
    leave = dice.randint(1, tokens) * WORD_BYTES if dice.random() < 0.4 else None
    return Sent(number, script, stream=True, leave_after=leave)


@dataclass
class Campaign:
    """`count` requests, and faults that begin once so many have been sent."""

    gateway: GatewayStack
    count: int
    faults: list[tuple[int, Callable[[], None]]]
    sent: list[Sent] = field(default_factory=list)

    def run(self, seed: str) -> None:
        """Sends everything; each fault runs in a thread of its own beside the requests."""
        asyncio.run(self._run(Random(seed)))

    async def _run(self, dice: Random) -> None:
        waiting = iter([request(number, dice) for number in range(self.count)])
        faults = sorted(self.faults, key=lambda fault: fault[0])

        async def client() -> None:
            connection = await RawClient.open(self.gateway.port)
            for one in waiting:
                if faults and one.number >= faults[0][0]:
                    group.create_task(asyncio.to_thread(faults.pop(0)[1]))
                self.sent.append(one)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    connection = await self.ask(connection, one)
            connection.close()

        async with asyncio.TaskGroup() as group:  # what fails in one ends all
            for _ in range(AT_ONCE):
                group.create_task(client())

    async def ask(self, connection: RawClient, one: Sent) -> RawClient:
        """Sends a request once; gives a connection for the next."""
        messages = [{"role": "user", "content": one.prompt}]
        body = orjson.dumps({"model": "one", "stream": one.stream, "messages": messages})
        if not connection.is_open:
            connection = await RawClient.open(self.gateway.port)
        try:
            one.answer = await connection.post(CHAT, body, self.gateway.headers, one.leave_after)
        except Lost as lost:
            one.answer = lost.answer
        one.ended, one.lasted = time.monotonic(), Clock() - one.answer.sent
        await asyncio.sleep(0)
        return connection


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Holds the write lock of a SQLite database."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def out_of_reach(database: Path) -> Iterator[None]:
    """Takes a SQLite database away: nobody can open it, who has it open cannot write."""
    with locked(database):
        files = [file for suffix in ("", "-wal", "-shm") if (file := Path(f"{database}{suffix}")).exists()]
        for file in files:
            file.rename(f"{file}.away")
        database.mkdir()
        yield
        database.rmdir()
        for file in files:
            Path(f"{file}.away").rename(file)
