"""The load: requests one after another on each of some connections, and what they took."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import orjson

from tests.raw_client import Answer, Clock, Lost, RawClient, request
from tests.scripted_openai import CHAT


@dataclass
class Side:
    """Something that answers: the upstream itself, or a gateway in front of it; counts its good answers."""

    name: str
    port: int
    model: str = "one"
    headers: Mapping[str, str] = field(default_factory=dict)
    answered: int = 0

    def ask(self, prompt: str, *, stream: bool) -> bytes:
        """A chat request as bytes."""
        messages = [{"role": "user", "content": prompt}]
        body = {"model": self.model, "messages": messages, **({"stream": True} if stream else {})}
        return request(CHAT, orjson.dumps(body), self.headers, self.port)


@dataclass
class Round:
    """What one round of one side came to; times in seconds."""

    seconds: float = 0
    totals: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)  # the longest wait between two pieces of each stream
    bodies: set[str] = field(default_factory=set)
    errors: int = 0

    @property
    def p50(self) -> float:
        return statistics.median(self.totals)

    @property
    def p99(self) -> float:
        return sorted(self.totals)[int(len(self.totals) * 0.99)]

    @property
    def ttft(self) -> float:
        return statistics.median(self.firsts)

    @property
    def rps(self) -> float:
        return len(self.totals) / self.seconds

    def add(self, answer: Answer) -> None:
        if answer.status != 200:
            self.errors += 1
            return
        self.totals.append(answer.ended)
        self.firsts.append(answer.first)
        self.gaps.append(max((later - earlier for earlier, later in pairwise(answer.times)), default=0))
        self.bodies.add(hashlib.sha256(answer.body).hexdigest())


async def load(side: Side, prompt: str, *, clients: int, each: int, stream: bool = False) -> Round:
    """`clients` connections at once, `each` requests on every one; connecting is not measured."""
    data, done = side.ask(prompt, stream=stream), Round()
    connections = await asyncio.gather(*(RawClient.open(side.port) for _ in range(clients)))

    async def client(connection: RawClient) -> None:
        for _ in range(each):
            try:
                done.add(await connection.send(data))
            except Lost:
                done.errors += 1
                return

    began = Clock()
    await asyncio.gather(*map(client, connections))
    done.seconds = Clock() - began
    for connection in connections:
        connection.close()
    side.answered += len(done.totals)
    return done


def middle(values: Sequence[float]) -> tuple[float, float]:
    """Median and interquartile range."""
    if len(values) < 2:
        return (values[0] if values else float("nan")), 0
    low, mid, high = statistics.quantiles(values, n=4, method="inclusive")
    return mid, high - low
