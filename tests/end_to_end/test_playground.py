"""The playground in a browser: an answer as it is written, its figures, and the stop button."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api_server import api_server
from tests.browsers import Visitor, chromium, visitor
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = pytest.mark.browser

KEY = "key.txt"
FILL = """
from pathlib import Path
from registry.models import LoginLink, Role
from tests.builders import make_model, make_server, make_user
shelf = make_server(name="shelf", base_url={url!r}, reachable=True)
make_model(key="qwen", server=shelf, tested_context=8192)
Path({key!r}).write_text(LoginLink.issue(make_user(role=Role.OPERATOR)))
"""


@pytest.fixture(scope="module")
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen")], token_seconds=0.05) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def person(browser: Browser, studio: ScriptedLMStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    folder: Path = tmp_path_factory.mktemp("playground")
    fill = FILL.format(url=studio.url, key=str(folder / KEY))
    with api_server(folder, fill=fill) as server, visitor(browser, server.url) as somebody:
        somebody.open(f"/login/?key={(folder / KEY).read_text()}")
        yield somebody


def ask(person: Visitor, prompt: str) -> Page:
    page = person.open("/playground/")
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="Ask").click()
    return page


def test_an_answer_is_shown_as_it_is_written_with_its_figures(person: Visitor, studio: ScriptedLMStudio) -> None:
    studio.behaviour.says = lambda _: "Owls see at night. " * 10
    page = ask(person, "Tell me about owls.")
    expect(page.locator("[data-text]")).to_contain_text("Owls see at night. Owls")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.locator("[data-stage]")).to_contain_text("qwen on shelf, ")
    expect(page.locator("[data-speed]")).to_have_text("50.0")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    assert person.faults.take() == []


def test_stop_ends_the_answer_and_closes_the_connection_to_the_server(
    person: Visitor, studio: ScriptedLMStudio
) -> None:
    studio.behaviour.says = lambda _: "word " * 400
    page = ask(person, "Count.")
    expect(page.locator("[data-text]")).to_contain_text("word word")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-stage]")).to_have_text("Stopped; what was said until then is recorded.")
    for _ in range(30):
        if not studio.open_connections:
            break
        page.wait_for_timeout(50)
    assert studio.open_connections == 0
    assert person.faults.take() == []


def test_a_refusal_stands_where_the_answer_would(person: Visitor) -> None:
    page = ask(person, "x" * 40_000)
    expect(page.locator("[data-stage]")).to_contain_text("the verified window of qwen is 8,192")
