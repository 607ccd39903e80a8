"""The playground: an answer as it comes, its figures, and its end when the browser goes away."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from registry import inferring
from registry.acting import Actor
from registry.models import GatewayProcess, InferenceRecord, LanguageModel, Registry, Role
from registry.views import streaming
from tests.builders import make_model, make_server, make_user
from tests.scripted_http import answer
from tests.scripted_lmstudio import CHAT, ScriptedLMStudio, model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

PAGE = "/playground/"


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen")]) as server:
        yield server


@pytest.fixture
def qwen(studio: ScriptedLMStudio) -> LanguageModel:
    shelf = make_server(name="shelf", base_url=studio.url, reachable=True)
    return make_model(key="qwen", server=shelf, tested_context=8192)


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role=Role.OPERATOR))
    return client


def events(body: bytes) -> list[tuple[str, Any]]:
    told = [block.split("\n") for block in body.decode().split("\n\n") if block and not block.startswith(":")]
    return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in told]


def stream(prompt: str = "Say hello.", *, name: str = "qwen", leave_after: int = 10**6) -> bytes:
    wish = inferring.Wish(Registry.objects.default(), name, prompt)

    async def read() -> bytes:
        body, pieces = b"", 0
        told = streaming.told(wish, Actor("page"))
        async for event in told:
            body += event
            pieces += b"event: piece" in event
            if pieces >= leave_after:
                await told.aclose()  # type: ignore[attr-defined]
                break
        return body

    return asyncio.run(read())


def test_the_answer_comes_piece_by_piece_then_its_figures(qwen: LanguageModel) -> None:
    told = events(stream())
    assert [data["text"] for kind, data in told if kind == "piece"] == [
        "Hello ",
        "from ",
        "the ",
        "scripted ",
        "model. ",
    ]
    assert told[0] == ("stage", {"text": "loading qwen on shelf"})
    kind, figures = told[-1]
    assert (kind, figures["tokens_out"], figures["tokens_per_second"]) == ("done", 8, 50.0)
    assert figures["ttft"] > 0
    assert InferenceRecord.objects.get().outcome == "ok"


def test_a_browser_that_goes_away_stops_the_model_within_a_second(
    studio: ScriptedLMStudio, qwen: LanguageModel
) -> None:
    studio.behaviour.token_seconds = 0.4
    studio.behaviour.says = lambda _: "word " * 100
    stream(leave_after=2)
    left = time.monotonic()
    while studio.open_connections or not InferenceRecord.objects.exists():
        assert time.monotonic() - left < 1.5
        time.sleep(0.02)
    assert InferenceRecord.objects.get().outcome == "interrupted"
    while GatewayProcess.objects.exists():
        assert time.monotonic() - left < 2
        time.sleep(0.02)


def test_a_refusal_and_an_error_are_said_in_the_stream(studio: ScriptedLMStudio, qwen: LanguageModel) -> None:
    kind, data = events(stream("x" * 100_000))[-1]
    assert (kind, "the verified window of qwen is 8,192" in data["text"]) == ("fault", True)
    studio.script(CHAT, answer({"error": "it burns"}, 500))
    kind, data = events(stream())[-1]
    assert (kind, "it burns" in data["text"]) == ("fault", True)


def test_the_page_answers_a_post_with_the_stream(page: Client, qwen: LanguageModel) -> None:
    answered = page.post(f"{PAGE}ask/", {"name": "qwen", "prompt": "Say hello."})
    assert answered["Content-Type"].startswith("text/event-stream")
    assert "no-store" in answered["Cache-Control"]
    answered.close()


def test_a_form_that_is_wrong_is_said_field_by_field(page: Client, qwen: LanguageModel) -> None:
    refused = page.post(f"{PAGE}ask/", {"name": "qwen", "prompt": "", "temperature": "9"})
    assert refused.status_code == 422
    assert [text.partition(":")[0] for text in refused.json()["faults"]] == ["Prompt", "Temperature"]


def test_without_javascript_the_answer_comes_whole(page: Client, qwen: LanguageModel) -> None:
    text = page.post(PAGE, {"name": "qwen", "prompt": "Say hello."}).content.decode()
    assert "Hello from the scripted model." in text
    assert "50.0" in text
    refused = page.post(PAGE, {"name": "qwen", "prompt": "x" * 100_000}).content.decode()
    assert "the verified window of qwen is 8,192" in refused


def test_it_offers_models_profiles_and_groups_and_takes_one_from_its_address(page: Client, qwen: LanguageModel) -> None:
    qwen.registry.profiles.create(name="fast")
    qwen.registry.groups.create(name="chat")
    form = page.get(f"{PAGE}?model=qwen").context["form"]
    values = [value for _, options in form.fields["name"].choices for value, _ in options]
    assert values == ["profile:fast", "group:chat", "qwen"]
    assert form["name"].value() == "qwen"


def test_nothing_to_ask_says_what_to_do(page: Client) -> None:
    assert "There is no model to ask yet" in page.get(PAGE).content.decode()


def test_viewers_neither_see_nor_use_it(client: Client) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    assert client.get(PAGE).status_code == 403
    assert client.post(f"{PAGE}ask/").status_code == 403
    assert PAGE not in client.get("/settings/").content.decode()


def test_asking_takes_the_csrf_token(qwen: LanguageModel) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user(role=Role.OPERATOR))
    assert client.post(f"{PAGE}ask/", {"name": "qwen", "prompt": "x"}).status_code == 403
