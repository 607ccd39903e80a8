"""Adding, editing and labelling models on the pages, one by one and many at once."""

from typing import Any
from unittest import mock

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from registry import seeding
from registry.holding import Busy
from registry.models import AuditEvent, LanguageModel, Registry, Snapshot
from tests.builders import make_model, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


def told(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def tags(model: LanguageModel) -> list[str]:
    return sorted(tag.name for tag in model.tags.all() if tag.custom)


def test_a_model_can_be_added_by_hand(page: Client) -> None:
    form = {"key": "custom-llama-7b", "name": "Custom Llama", "declared_context": "4k", "size_bytes": "7 GB"}
    page.post("/models/add/", form | {"tags": "mine, draft", "notes": "from a friend"})
    model = LanguageModel.objects.get(key="custom-llama-7b")
    assert (model.server, model.declared_context, model.size_bytes) == (None, 4096, 7_000_000_000)
    assert (tags(model), model.notes) == (["draft", "mine"], "from a friend")


@pytest.mark.parametrize(
    ("fields", "text"),
    [({"declared_context": "many"}, "is not a number of tokens"), ({"size_bytes": "big"}, "with its unit")],
)
def test_a_form_says_what_is_wrong_and_keeps_what_was_typed(page: Client, fields: dict[str, str], text: str) -> None:
    shown = page.post("/models/add/", {"key": "a", "name": "Typed"} | fields).content.decode()
    assert text in shown
    assert 'value="Typed"' in shown
    assert not LanguageModel.objects.exists()


def test_an_id_that_is_taken_is_refused_in_the_form(page: Client) -> None:
    make_model(key="taken")
    assert "choose another id" in page.post("/models/add/", {"key": "taken", "name": "a"}).content.decode()


def test_what_a_person_sets_is_marked_until_it_is_given_back(page: Client) -> None:
    model = make_model(key="a", name="a", architecture="lama")
    page.post(f"/models/{model.pk}/edit/", {"name": "a", "type": "chat", "architecture": "llama"})
    model.refresh_from_db()
    assert (model.architecture, model.edited) == ("llama", ["architecture"])
    assert "Architecture is set by you" in page.get(f"/models/{model.pk}/edit/").content.decode()
    page.post(f"/models/{model.pk}/give-back/", {"field": "architecture"})
    model.refresh_from_db()
    assert model.edited == []


def test_the_size_that_a_server_tells_cannot_be_edited(page: Client) -> None:
    assert 'name="size_bytes"' not in page.get(f"/models/{make_model().pk}/edit/").content.decode()


def test_tags_are_put_on_and_taken_off_many_at_once(page: Client) -> None:
    models = [make_model(), make_model()]
    keys = [model.pk for model in models]
    answer = page.post("/models/tag/", {"model": keys, "tags": "production, qa", "do": "add"})
    assert [tags(model) for model in models] == [["production", "qa"]] * 2
    assert told(answer) == "4 tags put on 2 models."
    page.post("/models/tag/", {"model": keys, "tags": "qa", "do": "remove"})
    assert [tags(model) for model in models] == [["production"]] * 2


def test_all_that_match_means_more_than_the_page_shows(page: Client) -> None:
    seeding.seed(Registry.objects.default(), 120)
    page.post("/models/tag/", {"everything": "1", "filter": "has:tools", "tags": "agents", "do": "add"})
    tagged = LanguageModel.objects.filter(tags__name="agents")
    assert tagged.count() == LanguageModel.objects.filter(tool_use=True).count() > 50
    assert not tagged.exclude(tool_use=True).exists()


def test_models_go_into_a_new_group_and_then_into_the_same(page: Client) -> None:
    first, second = make_model(), make_model()
    page.post("/models/group/", {"model": first.pk, "to_group": "täglich"})
    page.post("/models/group/", {"model": second.pk, "to_group": "TÄGLICH"})
    (group,) = Registry.objects.default().groups.all()
    assert list(group.members.values_list("model_id", flat=True)) == [first.pk, second.pk]


def test_a_star_is_switched_on_and_off(page: Client) -> None:
    model = make_model()
    shown = page.post(f"/models/{model.pk}/star/", headers={"HX-Request": "true"}).content.decode()
    assert 'aria-pressed="true"' in shown
    page.post(f"/models/{model.pk}/star/")
    model.refresh_from_db()
    assert not model.favourite


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_star_in_a_busy_registry_says_so(page: Client, headers: dict[str, str]) -> None:
    model = make_model()
    with mock.patch("registry.editing.set_favourite", side_effect=Busy("Registry default is being written")):
        answer = page.post(f"/models/{model.pk}/star/", headers=headers)
    assert answer.status_code == (200 if headers else 302)
    assert "Registry default is being written" in page.get("/models/").content.decode()


def test_a_model_is_pinned(page: Client) -> None:
    model = make_model()
    page.post(f"/models/{model.pk}/pin/")
    assert "kept in memory" in page.get(f"/models/{model.pk}/").content.decode()


def test_forgetting_says_first_what_is_lost_and_keeps_a_snapshot(page: Client) -> None:
    gone = make_model(missing=True, name="gone", last_tested="2026-01-01T00:00Z")
    here = make_model(name="here")
    shown = page.post("/models/forget/", {"model": [gone.pk, here.pk]}).content.decode()
    assert "Forget gone?" in shown
    assert "still offered by a server" in shown
    assert LanguageModel.objects.count() == 2
    page.post("/models/forget/", {"model": gone.pk, "confirmed": "1"})
    assert list(LanguageModel.objects.all()) == [here]
    assert Snapshot.objects.filter(origin="safety").count() == 1


def test_without_a_choice_an_action_says_so(page: Client) -> None:
    assert "No model was chosen" in told(page.post("/models/tag/", {"tags": "a"}))
    assert "No tag was written" in told(page.post("/models/tag/", {"model": make_model().pk}))


def test_models_of_another_registry_are_not_touched(page: Client) -> None:
    model = make_model(registry=Registry.objects.create(name="other"))
    page.post("/models/tag/", {"model": model.pk, "tags": "a", "do": "add"})
    assert tags(model) == []


def test_the_chosen_models_are_exported(page: Client) -> None:
    inside, _ = make_model(key="inside"), make_model(key="outside")
    text = page.post("/models/export/chosen/", {"model": inside.pk}).content.decode()
    assert ("inside" in text, "outside" in text) == (True, False)


def test_a_change_stands_in_the_history_of_the_model_with_who_and_where(page: Client) -> None:
    model = make_model(key="a", name="before")
    page.post(f"/models/{model.pk}/edit/", {"name": "after", "type": "chat"})
    event = AuditEvent.objects.get(kind="model", object_id=model.pk)
    assert (event.door, event.changes["name"]) == ("page", ["before", "after"])
    assert "before" in page.get(f"/models/{model.pk}/").content.decode()
