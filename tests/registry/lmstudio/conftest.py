"""A scripted LM Studio per test, and one-line questions to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from registry.lmstudio import LMStudio
from tests.scripted_lmstudio import ScriptedLMStudio

Ask = Callable[..., Any]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio() as server:
        yield server


@pytest.fixture
def ask(studio: ScriptedLMStudio) -> Ask:
    """`ask(lambda client: client.list_models())` runs one call; options go to the client, `url` elsewhere."""

    def run(call: Callable[[LMStudio], Awaitable[Any]], url: str = "", **options: Any) -> Any:
        async def converse() -> Any:
            async with LMStudio(url or studio.url, **options) as client:
                return await call(client)

        return asyncio.run(converse())

    return run
