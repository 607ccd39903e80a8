"""Tags, groups and profiles in the admin: the verbs do the work, so it is checked, noted and counted as a change."""

from __future__ import annotations

import pytest
from django.test import Client

from registry import grouping, profiling, tagging
from registry.models import AuditEvent, Group, LanguageModel, Profile, Registry, Tag
from tests.builders import make_model, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NO_ROWS = {"INITIAL_FORMS": "0", "TOTAL_FORMS": "0", "MIN_NUM_FORMS": "0", "MAX_NUM_FORMS": "1000"}


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


def rows(prefix: str, *, initial: int = 0, total: int = 0) -> dict[str, str]:
    counted = NO_ROWS | {"INITIAL_FORMS": str(initial), "TOTAL_FORMS": str(total)}
    return {f"{prefix}-{name}": value for name, value in counted.items()}


def test_a_tag_is_added_by_the_verb(page: Client) -> None:
    make_model(tags=("Prod",))
    model = make_model()
    page.post("/admin/registry/tag/add/", {"model": model.pk, "name": " prod "})
    assert model.tags.get().name == "Prod"
    assert AuditEvent.objects.get().door == "admin"


def test_a_tag_that_cannot_be_is_said_at_its_field(page: Client) -> None:
    answer = page.post("/admin/registry/tag/add/", {"model": make_model().pk, "name": "a,b"})
    assert "no comma" in answer.content.decode()
    assert not Tag.objects.exists()


def test_a_tag_of_a_rule_cannot_be_deleted(page: Client) -> None:
    model = make_model()
    tagging.derive_tags([model])
    answer = page.post(f"/admin/registry/tag/{model.tags.get().pk}/delete/", {"post": "yes"})
    assert (answer.status_code, model.tags.count()) == (403, 1)


def test_tags_stand_on_the_page_of_their_model_with_reasons(page: Client) -> None:
    model = make_model(tags=("mine",))
    tagging.derive_tags([model])
    text = page.get(f"/admin/registry/languagemodel/{model.pk}/change/").content.decode()
    assert "mine" in text
    assert "It answers chats, as told." in text


def test_tags_are_added_and_taken_off_on_the_page_of_their_model(page: Client) -> None:
    model = make_model(tags=("old",))
    tagging.derive_tags([model])
    form = page.get(f"/admin/registry/languagemodel/{model.pk}/change/").context["adminform"].form
    fields = {name: form[name].value() or "" for name in form.fields}
    old = model.tags.custom().get()
    tags = rows("tags", initial=1, total=2) | {
        "tags-0-id": str(old.pk), "tags-0-model": str(model.pk), "tags-0-DELETE": "on",
        "tags-1-model": str(model.pk), "tags-1-name": "new",
    }  # fmt: skip
    page.post(f"/admin/registry/languagemodel/{model.pk}/change/", fields | tags | rows("tags-2"))
    assert [tag.name for tag in model.tags.custom()] == ["new"]


def test_a_group_is_made_with_its_models(page: Client) -> None:
    model = make_model()
    members = rows("members", total=1) | {"members-0-model": str(model.pk)}
    page.post("/admin/registry/group/add/", {"registry": model.registry_id, "name": "g", "description": ""} | members)
    assert list(grouping.models_of(Group.objects.get())) == [model]
    assert {note.action for note in AuditEvent.objects.all()} == {"add", "edit"}


def test_a_model_is_taken_out_and_the_group_renamed(page: Client) -> None:
    group = grouping.create_group(Registry.objects.default(), "g", [make_model()])
    member = group.members.get()
    members = rows("members", initial=1, total=1) | {
        "members-0-id": str(member.pk), "members-0-group": str(group.pk), "members-0-DELETE": "on",
    }  # fmt: skip
    page.post(f"/admin/registry/group/{group.pk}/change/", {"name": "h", "description": ""} | members)
    group.refresh_from_db()
    assert (group.name, group.members.count(), LanguageModel.objects.count()) == ("h", 0, 1)


def test_a_refusal_of_a_verb_is_said(page: Client) -> None:
    grouping.create_group(Registry.objects.default(), "g")
    registry = Registry.objects.default().pk
    answer = page.post(
        "/admin/registry/group/add/",
        {"registry": registry, "name": "G", "description": ""} | rows("members"), follow=True,
    )  # fmt: skip
    assert "There is a group named g already" in answer.content.decode()


def test_a_profile_is_made_and_changed_by_the_form_of_the_pages(page: Client) -> None:
    registry = Registry.objects.default().pk
    page.post("/admin/registry/profile/add/", {"registry": registry, "name": "p", "max_memory_bytes": "12 GB"})
    made = Profile.objects.get()
    page.post(f"/admin/registry/profile/{made.pk}/change/", {"name": "q", "preferred_models": "a\nb", "tags": "x, y"})
    now = Profile.objects.get()
    assert (made.max_memory_bytes, now.name, now.preferred_models, now.tags) == (
        12 * 10**9,
        "q",
        ["a", "b"],
        ["x", "y"],
    )
    assert [note.action for note in AuditEvent.objects.all()] == ["edit", "add"]


def test_groups_and_profiles_are_deleted_with_a_note(page: Client) -> None:
    group = grouping.create_group(Registry.objects.default(), "g")
    profile = profiling.save_profile(Registry.objects.default(), "p")
    page.post(f"/admin/registry/group/{group.pk}/delete/", {"post": "yes"})
    page.post(
        "/admin/registry/profile/", {"action": "delete_selected", "_selected_action": [profile.pk], "post": "yes"}
    )
    assert (Group.objects.count(), Profile.objects.count()) == (0, 0)
    assert AuditEvent.objects.filter(action="delete").count() == 2
