"""RLIMIT_DATA is the net under the formula: the kernel itself refuses, and that is a failed load."""

import asyncio
import sys
from pathlib import Path

import pytest

from testing.engine.budget import MIB, LoadSettings
from testing.engine.catalog import CatalogModel
from testing.engine.errors import EngineError
from testing.engine.gguf import read_metadata
from testing.engine.instance import Instance, start_process
from tests.engines import smollm_path

pytestmark = [pytest.mark.engine, pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")]


async def load_within(limit_mib: int, context: int) -> int:
    """Load with a limit on private memory; the applied context."""
    path: Path = smollm_path()
    model = CatalogModel("m", "p", "M", path, read_metadata(path))
    settings = LoadSettings(context)
    process = await start_process(model, settings, threads=1, data_limit=limit_mib * MIB)
    instance = Instance("m", model, settings, 0, process)
    try:
        await instance.wait_until_ready()
        return instance.context_length
    finally:
        await instance.close()


def test_a_load_within_the_limit_works() -> None:
    assert asyncio.run(load_within(200, 512)) == 512


@pytest.mark.parametrize("limit", [100, 145, 200])
def test_a_load_beyond_the_limit_fails_for_want_of_memory(limit: int) -> None:
    with pytest.raises(EngineError, match="Not enough memory") as caught:
        asyncio.run(load_within(limit, 8192))
    assert caught.value.kind == "model_load_failed"
