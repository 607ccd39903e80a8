"""What is measured at the gateway: interleaved rounds of all sides in a new order each time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.bench.gateway.figure import Figure
from tests.bench.gateway.load import Round, Side, load, middle
from tests.bench.gateway.sides import Sides
from tests.raw_client import RawClient

ROUNDS = 5
PACED = '{"tokens": 16, "first_ms": 20, "gap_ms": 10}'
MANY = '{"tokens": 64, "first_ms": 20, "gap_ms": 20}'
PAGES = ("/", "/models/", "/usage/", "/servers/")
STREAMS, STALL = 128, 0.2  # a stall: ten times the pace
MIB = 2**20
Rounds = dict[str, list[Round]]


async def interleaved(sides: list[Side], rounds: int, **how: Any) -> Rounds:
    """Each side in each round, in a new order every time."""
    dice = random.Random(4)
    done: Rounds = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in dice.sample(sides, len(sides)):
            done[side.name].append(await load(side, **how))
    return done


def added(rounds: Rounds, side: Side, what: Callable[[Round], float]) -> tuple[float, str]:
    """What a side adds to a direct connection in milliseconds: the median of the rounds, and their spread."""
    differences = [1000 * (what(a) - what(b)) for a, b in zip(rounds[side.name], rounds["direct"], strict=True)]
    value, spread = middle(differences)
    direct, _ = middle([1000 * what(one) for one in rounds["direct"]])
    return value, f"IQR {spread:.2f}; direct {direct:.3f} ms; errors {sum(r.errors for r in rounds[side.name])}"


async def one_at_a_time(sides: Sides, rounds: int = ROUNDS, each: int = 500) -> list[Figure]:
    """Added time of a whole answer at concurrency 1."""
    done = await interleaved(sides.all, rounds, prompt="hello", clients=1, each=each)
    figures = []
    for side in sides.others:
        value, note = added(done, side, lambda one: one.p50)
        figures.append(Figure(f"{side.name}: added p50, one at a time", value, goal(side, 0.5), "ms", note))
        value, note = added(done, side, lambda one: one.p99)
        figures.append(Figure(f"{side.name}: added p99, one at a time", value, goal(side, 10), "ms", note))
    return figures


async def sixteen_at_once(sides: Sides, rounds: int = ROUNDS, each: int = 125) -> list[Figure]:
    """Requests per second at concurrency 16."""
    done = await interleaved(sides.all, rounds, prompt="hello", clients=16, each=each)
    figures = []
    for side in sides.all:
        value, spread = middle([one.rps for one in done[side.name]])
        note = f"IQR {spread:.0f}; errors {sum(one.errors for one in done[side.name])}"
        figures.append(Figure(f"{side.name}: 16 at once", value, goal(side, 2000), "rps", note, at_least=True))
    return figures


async def first_token(sides: Sides, rounds: int = ROUNDS, each: int = 8) -> list[Figure]:
    """Added time to the first token of a paced stream."""
    done = await interleaved(sides.all, rounds, prompt=PACED, clients=1, each=each, stream=True)
    figures = []
    for side in sides.others:
        value, note = added(done, side, lambda one: one.ttft)
        figures.append(Figure(f"{side.name}: added time to first token", value, goal(side, 2), "ms", note))
    return figures


async def many_streams(sides: Sides, rounds: int = 3) -> list[Figure]:
    """128 paced streams at once: the longest wait between two pieces, and whether every byte was the upstream's."""
    done = await interleaved(sides.all[:2], rounds, prompt=MANY, clients=STREAMS, each=1, stream=True)
    ours, direct = done[sides.ours.name], done["direct"]
    longest = [max(one.gaps, default=0) for one in ours]
    stalled = sum(gap > STALL for one in ours for gap in one.gaps)
    same = all(one.bodies == other.bodies and not one.errors for one, other in zip(ours, direct, strict=True))
    share = middle([b.seconds / a.seconds for a, b in zip(ours, direct, strict=True)])[0]
    ttft, _ = added(done, sides.ours, lambda one: one.ttft)
    note = f"longest gap {1000 * middle(longest)[0]:.0f} ms; pace {share:.3f} of direct; first token +{ttft:.1f} ms"
    return [
        Figure(f"lmstrix: stalls in {rounds} x {STREAMS} paced streams", stalled, 0, "stalls", note),
        Figure("lmstrix: streams that differ from the upstream's", 0 if same else 1, 0, "kinds"),
    ]


async def beside_dashboard(sides: Sides, session: str, rounds: int = ROUNDS, each: int = 300) -> list[Figure]:
    """The gateway one at a time, while two visitors reload pages again and again."""
    calm, busy, shown = [], [], Counter[int]()
    for _ in range(rounds):
        calm.append(await load(sides.ours, "hello", clients=1, each=each))
        async with reloading(sides.ours.port, session, shown):
            busy.append(await load(sides.ours, "hello", clients=1, each=each))
    quiet, (value, spread) = middle([1000 * one.p50 for one in calm])[0], middle([1000 * one.p50 for one in busy])
    p99 = middle([1000 * one.p99 for one in busy])[0]
    note = f"IQR {spread:.2f}; p99 {p99:.1f} ms; without pages {quiet:.2f} ms; {shown[200]} pages"
    return [
        Figure("lmstrix: p50 while two people reload pages", value, None, "ms", note),
        Figure("lmstrix: pages that failed meanwhile", shown.total() - shown[200], 0, "pages"),
    ]


@asynccontextmanager
async def reloading(port: int, session: str, shown: Counter[int]) -> AsyncIterator[None]:
    """Visitors that ask for the next page as soon as they have one; `shown` counts by status."""

    async def visitor(turn: int) -> None:
        connection = await RawClient.open(port)
        while True:
            page = PAGES[turn % len(PAGES)]
            line = f"GET {page} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {session}\r\n\r\n"
            shown[(await connection.send(line.encode())).status] += 1
            turn += 1

    tasks = [asyncio.create_task(visitor(turn)) for turn in (0, 2)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def memory(sides: Sides, each: int = 1500) -> list[Figure]:
    """Resident memory after the rounds before this one, and how much two equal loads more add to it."""
    await load(sides.ours, "hello", clients=16, each=each)
    first = sides.gateway.memory()
    await load(sides.ours, "hello", clients=16, each=each)
    second = sides.gateway.memory()
    other = sides.litellm_memory()
    note = f"LiteLLM {other / MIB:.0f} MiB" if other else ""
    return [
        Figure("lmstrix: resident memory", second / 1e6, 150, "MB", note),
        Figure(f"lmstrix: growth by {16 * each:,} requests more", (second - first) / 1e6, 5, "MB"),
    ]


def recorded(sides: Sides) -> list[Figure]:
    """Requests that were answered without a row once the writer had time to catch up, or rows too many."""
    answered = sides.ours.answered
    rows = len(sides.gateway.settled_rows(answered))
    return [Figure(f"lmstrix: answers without exactly one row, of {answered:,}", abs(answered - rows), 0, "rows")]


def goal(side: Side, ours: float) -> float | None:
    """Only our own figures have a goal."""
    return ours if side.name == "lmstrix" else None
