"""Profiles on their pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from registry import profiling
from registry.models import Profile, Registry, Role
from tests.builders import make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]

FORM = {
    "name": "quick_answers", "description": "short", "preferred_models": "mac/llama\nphi", "max_context": "16k",
    "temperature": "0.3", "needs": ["tools"], "min_tested_context": "32k", "min_tokens_per_second": "12.5",
    "max_memory_bytes": "12GB", "tags": "prod, fast", "servers": ["mac"],
}  # fmt: skip


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role=Role.OPERATOR))
    return client


def save(**fields: Any) -> Profile:
    return profiling.save_profile(Registry.objects.default(), "quick_answers", **fields)


def body(page: Client, address: str) -> str:
    return " ".join(page.get(address).content.decode().split())


def test_without_profiles_the_page_says_what_to_do_next(page: Client) -> None:
    assert "No profiles yet" in body(page, "/profiles/")
    assert 'href="/profiles/add/"' in body(page, "/profiles/")


def test_a_profile_is_made_with_sizes_as_people_write_them(page: Client) -> None:
    make_server(name="mac")
    answer = page.post("/profiles/add/", FORM)
    made = Profile.objects.get()
    assert answer["Location"] == f"/profiles/{made.pk}/"
    assert (made.preferred_models, made.tags, made.needs) == (["mac/llama", "phi"], ["prod", "fast"], ["tools"])
    assert (made.max_context, made.min_tested_context, made.max_memory_bytes) == (16_384, 32_768, 12 * 10**9)


def test_editing_without_a_change_changes_nothing(page: Client) -> None:
    make_server(name="mac")
    page.post("/profiles/add/", FORM)
    made = Profile.objects.get()
    form = page.get(f"/profiles/{made.pk}/edit/").context["form"]
    shown = {name: form[name].value() for name in FORM}
    page.post(f"/profiles/{made.pk}/edit/", shown)
    assert Profile.objects.get().updated == made.updated
    assert (shown["max_context"], shown["max_memory_bytes"], shown["tags"]) == ("16k", "12 GB", "prod, fast")


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("max_context", "lots", "is not a number of tokens"), ("max_memory_bytes", "12", "with its unit"),
        ("temperature", "3", "less than or equal to 2"), ("tags", "a\u0007b", "printable characters"),
        ("name", "a/resolve", "neither begins nor ends"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_on_the_form(page: Client, field: str, value: str, text: str) -> None:
    make_server(name="mac")
    answer = page.post("/profiles/add/", FORM | {field: value}).content.decode()
    assert text in answer
    assert not Profile.objects.exists()


def test_a_taken_name_is_refused(page: Client) -> None:
    make_server(name="mac")
    save(temperature=1)
    assert "There is a profile named quick_answers already" in page.post("/profiles/add/", FORM).content.decode()
    assert Profile.objects.get().temperature == 1


def test_the_first_line_is_the_answer_and_the_reasons_stand_below(page: Client) -> None:
    server = make_server(name="workstation", reachable=True)
    make_model(key="llama-3.2-3b", server=server, test_status="tested", tested_context=32_768)
    make_model(key="phi", server=server, test_status="tested", tested_context=8192)
    make_model(key="qwen", server=server)
    profile = save(preferred_models=["gone", "llama-3.2-3b"], min_tested_context=32_768)
    text = body(page, f"/profiles/{profile.pk}/")
    heading = text[text.index("<h1>") : text.index("</h1>")]
    assert "quick_answers uses" in heading
    assert heading.index("llama-3.2-3b") < heading.index("workstation")
    for told in (
        "gone is preferred, but no model of this registry has this id.", "Tested 8,192 of 32,768 asked for",
        "Not tested: its window is not verified", "No other one could take its place.",
    ):  # fmt: skip
        assert told in text


def test_without_a_model_the_page_says_so_and_what_to_do(page: Client) -> None:
    assert "scan the servers first" in body(page, f"/profiles/{save().pk}/")
    make_model(missing=True)
    text = body(page, f"/profiles/{save().pk}/")
    assert "quick_answers has no model to use now" in text
    assert "loosen a requirement" in text


def test_many_reasons_are_counted_and_only_the_first_shown(page: Client) -> None:
    server = make_server(reachable=True)
    for _ in range(40):
        make_model(server=server)
    text = body(page, f"/profiles/{save(min_tested_context=1).pk}/")
    assert "30 shown of 40" in text
    assert "<b>not verified</b> 40" in text


def test_a_server_that_is_gone_stays_a_requirement_until_it_is_unticked(page: Client) -> None:
    server = make_server(name="mac")
    profile = save(servers=["mac"])
    server.delete()
    assert 'value="mac"' in body(page, f"/profiles/{profile.pk}/edit/")
    page.post(f"/profiles/{profile.pk}/edit/", {"name": "quick_answers", "servers": ["mac"], "temperature": "1"})
    profile.refresh_from_db()
    assert (profile.servers, profile.temperature) == (["mac"], 1.0)


def test_deleting_says_what_is_lost(page: Client) -> None:
    profile = save(preferred_models=["llama"], min_tested_context=1024)
    text = body(page, f"/profiles/{profile.pk}/delete/")
    assert "prefers (llama) and asks for (1,024 tokens verified)" in text
    page.post(f"/profiles/{profile.pk}/delete/")
    assert not Profile.objects.exists()


def test_a_viewer_reads_and_changes_nothing(client: Client) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    profile = save()
    assert "Edit" not in body(client, f"/profiles/{profile.pk}/")
    for address in ("add", f"{profile.pk}/edit", f"{profile.pk}/delete"):
        assert client.post(f"/profiles/{address}/").status_code == 403


def test_names_are_text_never_markup(page: Client) -> None:
    evil = '"><script>alert(1)</script>'
    profile = save(preferred_models=[evil], tags=[evil], description=evil)
    make_model(key=evil, server=make_server(name=evil, reachable=True))
    for address in ("", f"{profile.pk}/", f"{profile.pk}/edit/", f"{profile.pk}/delete/"):
        assert "<script>alert" not in body(page, f"/profiles/{address}")
