"""Groups on their pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from registry import grouping
from registry.models import AuditEvent, Group, Job, LanguageModel, Registry, Role
from registry.views.current import KEY
from tests.builders import make_model, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role=Role.OPERATOR))
    return client


@pytest.fixture
def group() -> Group:
    models = [make_model(key=key) for key in "abc"]
    return grouping.create_group(models[0].registry, "chat models", models, "for letters")


def body(page: Client, address: str) -> str:
    return page.get(address).content.decode()


def keys(group: Group) -> str:
    return "".join(model.key for model in grouping.models_of(group))


def test_without_groups_the_page_says_what_to_do_next(page: Client) -> None:
    text = body(page, "/groups/")
    assert "No groups yet" in text
    assert 'href="/groups/add/"' in text


def test_a_group_is_made_in_the_chosen_registry_and_its_page_follows(page: Client) -> None:
    lab = Registry.objects.create(name="lab")
    session = page.session
    session[KEY] = lab.pk
    session.save()
    answer = page.post("/groups/add/", {"name": "g", "description": "d"})
    group = Group.objects.get()
    assert (answer["Location"], group.registry, AuditEvent.objects.get().door) == (f"/groups/{group.pk}/", lab, "page")


def test_a_taken_name_is_said_on_the_form(page: Client, group: Group) -> None:
    assert "There is a group named chat models already" in (
        page.post("/groups/add/", {"name": "Chat  Models"}).content.decode()
    )
    assert Group.objects.count() == 1


def test_the_page_shows_its_models_in_order_with_what_is_known(page: Client, group: Group) -> None:
    LanguageModel.objects.filter(key="b").update(test_status="tested", tested_context=4096)
    text = " ".join(body(page, f"/groups/{group.pk}/").split())
    assert "Three models on three servers, one with a verified context window." in text
    assert "for letters" in text
    assert text.index('title="a"') < text.index('title="b"') < text.index('title="c"')


def test_models_move_up_and_down(page: Client, group: Group) -> None:
    model = LanguageModel.objects.get(key="b")
    page.post(f"/groups/{group.pk}/move/", {"model": model.pk, "to": "up"})
    assert keys(group) == "bac"
    page.post(f"/groups/{group.pk}/move/", {"model": model.pk, "to": "down"})
    assert keys(group) == "abc"


def test_a_model_is_taken_out(page: Client, group: Group) -> None:
    answer = page.post(f"/groups/{group.pk}/remove/", {"model": LanguageModel.objects.get(key="b").pk}, follow=True)
    assert "1 model taken out of chat models; nothing is deleted." in answer.content.decode()
    assert keys(group) == "ac"


def test_models_are_found_by_the_filter_language_and_added(page: Client, group: Group) -> None:
    new = make_model(key="lab/new", tags=("prod",))
    text = body(page, f"/groups/{group.pk}/?find=tag:prod")
    assert f'value="{new.pk}"' in text
    page.post(f"/groups/{group.pk}/models/", {"model": new.pk})
    assert grouping.models_of(group).last() == new


def test_all_that_were_found_are_added_at_once(page: Client, group: Group) -> None:
    for number in range(15):
        make_model(key=f"new-{number:02}")
    assert "12 shown of 15" in body(page, f"/groups/{group.pk}/?find=new")
    page.post(f"/groups/{group.pk}/models/", {"find": "new", "all": "1"})
    assert group.members.count() == 18


def test_a_filter_that_cannot_be_read_is_said(page: Client, group: Group) -> None:
    assert "notice-bad" in body(page, f"/groups/{group.pk}/?find=nokey:1")


def test_test_all_makes_one_job_for_the_group(page: Client, group: Group) -> None:
    page.post("/context-tests/start/", {"group": group.pk})
    job = Job.objects.get(parent=None)
    assert [child.title for child in job.children.order_by("pk")] == ["a", "b", "c"]


def test_a_group_is_renamed(page: Client, group: Group) -> None:
    page.post(f"/groups/{group.pk}/edit/", {"name": "talk", "description": ""})
    group.refresh_from_db()
    assert (group.name, group.description) == ("talk", "")


def test_deleting_says_what_is_lost_and_keeps_the_models(page: Client, group: Group) -> None:
    assert "which three models are in it and in which order" in body(page, f"/groups/{group.pk}/delete/")
    page.post(f"/groups/{group.pk}/delete/")
    assert (Group.objects.count(), LanguageModel.objects.count()) == (0, 3)


def test_a_viewer_sees_the_group_without_buttons(client: Client, group: Group) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    text = body(client, f"/groups/{group.pk}/")
    assert "Add models" not in text
    for action in ("move", "remove", "models", "delete", "edit"):
        assert client.post(f"/groups/{group.pk}/{action}/").status_code == 403


def test_names_are_text_never_markup(page: Client) -> None:
    evil = '"><script>alert(1)</script>'
    group = grouping.create_group(Registry.objects.default(), evil, [make_model(key=evil)], evil)
    for address in ("/groups/", f"/groups/{group.pk}/", f"/groups/{group.pk}/delete/", f"/groups/{group.pk}/edit/"):
        assert "<script>alert" not in body(page, address)


def test_queries_do_not_grow_with_models(page: Client, group: Group, django_assert_max_num_queries: Any) -> None:
    grouping.add_to_group(group, [make_model(tags=("t",)) for _ in range(20)])
    with django_assert_max_num_queries(12):
        page.get(f"/groups/{group.pk}/?find=x")
