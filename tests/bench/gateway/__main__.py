"""`python -m tests.bench.gateway`: the gateway beside a direct connection to the same upstream, and beside LiteLLM.

LiteLLM takes part when LITELLM_VENV names an environment that has `litellm[proxy]`. Figures count on a quiet machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.bench.gateway import scenarios
from tests.bench.gateway.figure import Figure
from tests.bench.gateway.load import load
from tests.bench.gateway.sides import Sides, running_sides

QUIET = 0.6  # load average before the start, for each processor


def main() -> int:
    """Prints each figure as soon as it is known; gives 1 when a goal is missed."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=scenarios.ROUNDS)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests: shows that it works")
    asked = parser.parse_args()
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    if busy > QUIET:
        print(f"The machine is busy (load {busy:.1f} for each processor): these figures are no measure.")  # noqa: T201
    with running_sides() as sides:
        return asyncio.run(printed(sides, asked))


async def printed(sides: Sides, asked: Namespace) -> int:
    missed = 0
    async for figure in figures(sides, asked.rounds, 10 if asked.quick else 1):
        print(figure, flush=True)  # noqa: T201
        missed += not figure.met
    return 1 if missed else 0


async def figures(sides: Sides, rounds: int, less: int) -> AsyncIterator[Figure]:
    """All scenarios in turn, after every side has been warmed up."""
    idle = sides.gateway.memory()
    for side in sides.all:
        await load(side, "hello", clients=4, each=100 // less)
    turns: tuple[Callable[[], Awaitable[list[Figure]]], ...] = (
        lambda: scenarios.one_at_a_time(sides, rounds, 500 // less),
        lambda: scenarios.sixteen_at_once(sides, rounds, 125 // less),
        lambda: scenarios.first_token(sides, rounds),
        lambda: scenarios.many_streams(sides, 3 if less == 1 else 1),
        lambda: scenarios.beside_dashboard(sides, sides.session(), rounds, 300 // less),
        lambda: scenarios.memory(sides, 1500 // less),
    )
    for turn in turns:
        for figure in await turn():
            yield figure
    yield Figure("lmstrix: resident memory before the first request", idle / 1e6, None, "MB")
    for figure in scenarios.recorded(sides):
        yield figure


if __name__ == "__main__":
    sys.exit(main())
