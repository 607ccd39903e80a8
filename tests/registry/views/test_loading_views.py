"""Loads, unloads and pins from the pages."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from registry import grouping
from registry.models import Group, Instance, Job, LanguageModel, Role
from registry.models.language_model import State
from tests.builders import make_job, make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role=Role.OPERATOR))
    return client


@pytest.fixture
def qwen() -> LanguageModel:
    return make_model(key="qwen", server=make_server(name="shelf"))


def body(page: Client, address: str) -> str:
    return re.sub(r"\s+", " ", page.get(address).content.decode())


def loaded(model: LanguageModel, **fields: object) -> Instance:
    model.state = State.LOADED
    model.save()
    return Instance.objects.create(**{"server": model.server, "model": model, "instance_id": model.key} | fields)


def test_a_load_takes_the_options_of_the_dialog(page: Client, qwen: LanguageModel) -> None:
    wish = {"context": "8192", "flash_attention": "on", "kv_offload": "off", "batch": "512"}
    assert page.post(f"/models/{qwen.pk}/load/", wish)["Location"] == f"/models/{qwen.pk}/"
    job = Job.objects.get()
    assert (job.kind, job.door, job.params["context"]) == ("load", "page", 8192)
    assert job.params["options"] == {"flash_attention": True, "kv_offload": False, "batch": 512}
    assert "Loading qwen: how it goes appears here" in body(page, f"/models/{qwen.pk}/")


def test_the_dialog_proposes_what_was_verified(page: Client, qwen: LanguageModel) -> None:
    LanguageModel.objects.update(tested_context=4096, declared_context=8192)
    text = body(page, f"/models/{qwen.pk}/")
    assert 'name="context" value="4096"' in text
    assert "Tokens, 4,096 verified, 8,192 declared" in text


def test_a_bad_context_is_said(page: Client, qwen: LanguageModel) -> None:
    page.post(f"/models/{qwen.pk}/load/", {"context": "-1"})
    assert "Context: Ensure this value is greater than or equal to 1." in body(page, f"/models/{qwen.pk}/")
    assert not Job.objects.exists()


def test_a_load_under_way_is_shown_with_its_time(page: Client, qwen: LanguageModel) -> None:
    make_job(
        kind="load", title="qwen", params={"model": qwen.pk}, progress=0.4, started=timezone.now(),
        message="loading on shelf, 12 s so far; the last load took 30 s",
    )  # fmt: skip
    text = body(page, f"/models/{qwen.pk}/live/")
    assert "12 s so far; the last load took 30 s" in text
    assert 'aria-valuenow="40"' in text


def test_a_drift_is_told_on_page_list_and_overview(page: Client, qwen: LanguageModel) -> None:
    loaded(qwen, context_length=6553, drift="asked for 65,536 tokens, the server applied 6,553 without a word")
    for address in (f"/models/{qwen.pk}/", "/models/", "/"):
        assert "asked for 65,536 tokens" in body(page, address).lower(), address


def test_a_loaded_model_offers_its_unload(page: Client, qwen: LanguageModel) -> None:
    loaded(qwen)
    assert f'action="/models/{qwen.pk}/unload/"' in body(page, f"/models/{qwen.pk}/")
    page.post(f"/models/{qwen.pk}/unload/", {"instance": "qwen"})
    assert (Job.objects.get().kind, Job.objects.get().params["instance"]) == ("unload", "qwen")


def test_an_error_state_says_why(page: Client, qwen: LanguageModel) -> None:
    LanguageModel.objects.update(state=State.ERROR, state_error="it did not fit")
    assert "it did not fit" in body(page, f"/models/{qwen.pk}/").lower()


def test_chosen_models_are_loaded_unloaded_and_pinned(page: Client, qwen: LanguageModel) -> None:
    other = make_model(key="gemma")
    chosen = {"model": [qwen.pk, other.pk]}
    assert page.post("/models/load/", chosen | {"context": "2048"})["Location"] == "/models/"
    assert Job.objects.get(kind="loads").children.count() == 2
    page.post("/models/unload/", chosen)
    assert Job.objects.get(kind="unloads").children.count() == 2
    page.post("/models/pin/", chosen | {"on": "1"})
    assert LanguageModel.objects.filter(pinned=True).count() == 2
    page.post("/models/pin/", chosen | {"on": "0"})
    assert not LanguageModel.objects.filter(pinned=True).exists()


@pytest.mark.parametrize("address", ["/models/load/", "/models/unload/", "/models/pin/"])
def test_nothing_chosen_is_said(page: Client, address: str) -> None:
    page.post(address)
    assert "No model was chosen" in body(page, "/models/")


@pytest.fixture
def group(qwen: LanguageModel) -> Group:
    return grouping.create_group(qwen.registry, "chat", [qwen, make_model(key="gemma")])


def test_a_group_is_loaded_unloaded_and_pinned(page: Client, group: Group) -> None:
    text = body(page, f"/groups/{group.pk}/")
    for verb, kind in (("load", "loads"), ("unload", "unloads")):
        assert f'action="/groups/{group.pk}/{verb}/"' in text
        page.post(f"/groups/{group.pk}/{verb}/")
        assert Job.objects.get(kind=kind).children.count() == 2
    page.post(f"/groups/{group.pk}/pin/", {"on": "1"})
    assert group.models.filter(pinned=True).count() == 2


def test_an_empty_group_is_said(page: Client, group: Group) -> None:
    group.members.all().delete()
    page.post(f"/groups/{group.pk}/load/")
    assert "chat has no models; add some first." in body(page, f"/groups/{group.pk}/")


def test_a_server_is_emptied(page: Client, qwen: LanguageModel) -> None:
    loaded(qwen)
    assert f'action="/servers/{qwen.server_id}/unload/"' in body(page, f"/servers/{qwen.server_id}/")
    page.post(f"/servers/{qwen.server_id}/unload/")
    assert Job.objects.get().kind == "unload_all"


@pytest.mark.parametrize("address", ["/models/1/load/", "/models/1/unload/", "/models/load/", "/servers/1/unload/"])
def test_a_viewer_loads_nothing(client: Client, address: str) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    assert client.post(address).status_code == 403


def test_what_cannot_be_loaded_is_said_on_its_page(page: Client) -> None:
    gone = make_model(key="gone", missing=True)
    page.post(f"/models/{gone.pk}/load/")
    assert "gone is no longer on" in body(page, f"/models/{gone.pk}/")


def test_drifting_loads_can_be_filtered_for(page: Client, qwen: LanguageModel) -> None:
    loaded(qwen, drift="asked for more")
    make_model(key="gemma")
    text = body(page, "/models/?filter=is%3Adrifting")
    assert (f'href="/models/{qwen.pk}/"' in text, "gemma" in text) == (True, False)


def test_many_drifts_are_one_line_on_the_overview(page: Client) -> None:
    for _ in range(4):
        loaded(make_model(), drift="asked for more")
    assert "Four loads are not as asked" in body(page, "/")
