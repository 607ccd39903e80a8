"""A load with options on the real engine: what it applies, what it refuses, and the memory it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import loading
from registry.lmstudio import errors
from registry.models import Instance, LanguageModel
from tests.builders import make_server
from tests.engines import PLAIN, Engine, start_engine
from tests.scans import scan

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True), pytest.mark.engine]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    running = start_engine(Path(tmp_path_factory.mktemp("engine")))
    yield running
    running.stop()


def test_options_are_taken_and_what_is_applied_is_read_back(engine: Engine) -> None:
    scan(make_server(base_url=engine.url))
    model = LanguageModel.objects.get(key=PLAIN)
    wish = {"flash_attention": False, "kv_offload": True, "batch": 256}
    copy = loading.load(model, context=1000, options=wish)
    assert (copy.context_length, copy.options["eval_batch_size"]) == (1024, 256)  # rounded up: no drift
    assert copy.drift == "asked for the KV cache on the GPU, which is off"  # there is no GPU
    assert (copy.memory_bytes or 0) > 50 * 2**20
    with pytest.raises(errors.OutOfMemory, match="requires approximately"):
        loading.load(model, context=2_000_000)
    assert Instance.objects.get().context_length == 1024  # what had to go came back
    assert loading.unload_all() == 1
    model.refresh_from_db()
    assert (model.state, Instance.objects.exists()) == ("unloaded", False)
