"""One gateway and one upstream for the files of this folder that ask for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway_stack import GatewayStack, gateway_stack
from tests.scripted_openai import Script, ScriptedOpenAI


@pytest.fixture(scope="module")
def running_upstream() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(["one", "two", "embedder"]) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(running_upstream: ScriptedOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayStack]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_stack(folder, running_upstream.url, running_upstream.models) as running:
        yield running


@pytest.fixture
def upstream(running_upstream: ScriptedOpenAI) -> ScriptedOpenAI:
    """The upstream as it was at the start."""
    running_upstream.default, running_upstream.refuses_usage = Script(), False
    running_upstream.requests.clear()
    running_upstream.replies.clear()
    return running_upstream
