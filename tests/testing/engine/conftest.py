"""One engine for all engine tests of a process; each test begins with nothing loaded."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.engines import Engine, smollm_path, start_engine, unload_all


@pytest.fixture(scope="session")
def engine_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where copies of models go: one directory for all processes of a run, since a copy is 98 MB."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "engine-data"
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture(scope="session")
def shared_engine(engine_data: Path) -> Iterator[Engine]:
    """A running engine with 600 MiB, room for two small instances; one of its models is cut off after the header."""
    broken = engine_data / f"broken-{os.getpid()}" / "broken.gguf"
    broken.parent.mkdir()
    broken.write_bytes(smollm_path().read_bytes()[: 8 * 2**20])
    engine = start_engine(engine_data, budget_mb=600, arguments=[str(broken)])
    yield engine
    engine.stop()


@pytest.fixture
def lm(shared_engine: Engine) -> Iterator[httpx.Client]:
    """A client of the engine, with nothing loaded."""
    with httpx.Client(base_url=shared_engine.url, timeout=60, trust_env=False) as client:
        unload_all(client)
        yield client
