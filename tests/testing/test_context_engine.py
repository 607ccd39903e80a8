"""Context tests of the real engine: real loads, real fills, small budgets so that a search takes seconds."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry import connecting, jobs, scanning
from registry.lmstudio import LMStudio
from registry.lmstudio.errors import OutOfMemory
from registry.models import LanguageModel
from testing import context_testing
from testing.context_testing import Options
from testing.models import ContextTest
from testing.search import GRAIN
from tests.engines import OVERSTATED, PLAIN, Engine, start_engine

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]
SOAK = bool(os.environ.get("LMSTRIX_SOAK"))
BUDGET_MB = 420 if SOAK else 310


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture
def engine(home: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    running = start_engine(home, budget_mb=getattr(request, "param", BUDGET_MB))
    yield running
    running.stop()


def run_test(engine: Engine, key: str, limit_mb: int, **options: Any) -> ContextTest:
    server = connecting.add_server(name="engine", base_url=engine.url, memory_limit_bytes=limit_mb * 2**20)
    jobs.run(scanning.enqueue(server, door="test").pk)
    found = LanguageModel.objects.select_related("server").get(key=key)
    job = context_testing.enqueue([found], Options(**options), door="test")
    jobs.run(job.pk)
    return ContextTest.objects.select_related("job", "model").get(job=job)


def true_limit(engine: Engine, near: int) -> int:
    """The largest size that loads, found by trying every 256 step around `near`."""

    async def loads(size: int) -> bool:
        async with LMStudio(engine.url) as studio:
            try:
                loaded = await studio.load(OVERSTATED, size)
            except OutOfMemory:
                return False
            await studio.unload(loaded.instance_id)
            return True

    sizes = range(near - 4 * GRAIN, near + 5 * GRAIN, GRAIN)
    return max(size for size in sizes if asyncio.run(loads(size)))


def test_the_overstated_twin_is_found_out_in_at_most_eight_loads(engine: Engine) -> None:
    test = run_test(engine, OVERSTATED, BUDGET_MB)
    assert test.tested_context is not None
    assert test.verdict in ("verified", "reads but does not recall")
    assert test.iterations <= 8
    assert abs(test.tested_context - true_limit(engine, test.tested_context)) <= max(GRAIN, test.tested_context // 100)


@pytest.mark.parametrize("engine", [512], indirect=True)
def test_the_plain_model_above_its_declared_size_gets_less_than_asked(engine: Engine) -> None:
    test = run_test(engine, PLAIN, 512, fixed_context=8448)
    assert test.verdict == "server applied less"
    assert test.probes.get().applied == 8192


@pytest.mark.skipif(not SOAK, reason="a fill of 7,782 tokens takes a minute; `make soak` and `make run` do it")
@pytest.mark.soak
@pytest.mark.parametrize("engine", [512], indirect=True)
def test_the_plain_model_is_tested_at_its_declared_size_in_at_most_three_loads(engine: Engine) -> None:
    test = run_test(engine, PLAIN, 512)
    assert test.tested_context == 8192
    assert test.iterations <= 3
