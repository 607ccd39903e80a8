"""The tables are made what a content tells, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry import applying, applying_arrangements, contents
from registry.documents.content import Content, ModelId
from registry.holding import Busy
from registry.models import AuditEvent, Group, Instance, LanguageModel, Profile, Registry, Server, Tag
from tests.builders import make_model, make_server, make_test
from tests.registry.dumps import dump

pytestmark = [pytest.mark.django_db, pytest.mark.database]
DESK = "http://desk:1234"
ONE = ModelId(DESK, "one", "")


def default() -> Registry:
    return Registry.objects.default()


def now(**changes: Any) -> Content:
    return replace(contents.content_of(default(), tests=True), **changes)


def with_fields(identity: ModelId, **fields: Any) -> Content:
    content = now()
    return replace(content, models=content.models | {identity: content.models.get(identity, {}) | fields})


def desk() -> Server:
    return make_server(name="desk", base_url=DESK)


def test_a_model_that_is_told_sparsely_gets_defaults() -> None:
    applying.apply(default(), Content(servers={DESK: {"name": "desk"}}, models={ONE: {"type": "chat"}}))
    model, server = LanguageModel.objects.get(), Server.objects.get()
    assert (model.name, model.type, model.test_status, model.size_bytes) == ("one", "chat", "untested", None)
    assert (model.server, server.name, server.enabled, server.has_token) == (server, "desk", True, False)


def test_a_changed_model_keeps_its_row_instances_and_what_is_not_told() -> None:
    server = desk()
    model = make_model(server=server, key="one", notes="mine")
    Instance.objects.create(server=server, model=model, instance_id="one")
    applied = applying.apply(default(), now(models={ONE: {"size_bytes": 5}}))
    model.refresh_from_db()
    assert (model.size_bytes, model.notes, model.instances.count()) == (5, "mine", 1)
    assert applied.counts == {("model", "changed"): 1}


def test_a_changed_variant_is_the_same_row() -> None:
    model = make_model(server=desk(), key="one", variant="q4")
    applying.apply(default(), now(models={ModelId(DESK, "one", "q8"): {}}))
    assert LanguageModel.objects.get().pk == model.pk
    assert LanguageModel.objects.get().variant == "q8"


def test_what_the_content_lacks_is_deleted_but_never_a_server() -> None:
    make_model(server=desk(), key="one")
    Group.objects.create(registry=default(), name="g")
    Profile.objects.create(registry=default(), name="p")
    applied = applying.apply(default(), Content())
    assert (LanguageModel.objects.count(), Group.objects.count(), Profile.objects.count()) == (0, 0, 0)
    assert Server.objects.count() == 1
    assert applied.count(action="deleted") == 3


def test_other_registries_are_left_alone() -> None:
    other = Registry.objects.create(name="other")
    make_model(registry=other, key="one")
    applying.apply(default(), Content())
    assert other.models.count() == 1


def test_a_model_under_test_keeps_that_status_and_is_not_deleted() -> None:
    make_model(server=desk(), key="one", test_status="testing")
    applying.apply(default(), with_fields(ONE, test_status="failed", notes="x"))
    model = LanguageModel.objects.get()
    assert (model.test_status, model.notes) == ("testing", "x")
    with pytest.raises(ValueError, match="one would be deleted and is being tested"):
        applying.apply(default(), Content())


def test_a_test_under_way_in_a_file_does_not_run_here() -> None:
    applying.apply(default(), Content(models={ModelId("", "a", ""): {"test_status": "testing"}}))
    assert LanguageModel.objects.get().test_status == "untested"


def test_custom_tags_become_those_told_and_automatic_ones_follow_from_the_facts() -> None:
    model = make_model(server=desk(), key="one", tags=("old", "kept"))
    applying.apply(default(), with_fields(ONE, tags=["kept", "new"], architecture="llama"))
    tags = model.tags.values_list("name", "family")
    assert {name for name, family in tags if family == "custom"} == {"kept", "new"}
    assert ("llama", "architecture") in tags


def test_a_group_is_put_into_the_order_that_is_told() -> None:
    server = desk()
    two = ModelId(DESK, "two", "")
    for key in ("one", "two"):
        make_model(server=server, key=key)
    for order in ([ONE, two], [two, ONE], [two]):
        applying.apply(default(), now(groups={"g": {"description": "d", "models": order}}))
        assert contents.content_of(default()).groups["g"]["models"] == order


def test_a_profile_is_made_and_changed() -> None:
    for size in (5, 6):
        applying.apply(default(), now(profiles={"p": {"max_context": size, "needs": ["tools"]}}))
        assert Profile.objects.values_list("name", "max_context", "needs").get() == ("p", size, ["tools"])


def test_a_server_whose_name_another_one_has_gets_a_number() -> None:
    make_server(name="desk", base_url="http://other:1234")
    applying.apply(default(), Content(servers={DESK: {"name": "desk"}}))
    assert Server.objects.get(base_url=DESK).name == "desk (2)"


def test_a_server_that_keeps_its_name_does_not_lose_it_to_another() -> None:
    make_server(name="a", base_url="http://a:1")
    make_server(name="b", base_url="http://b:1")
    applying.apply(default(), Content(servers={"http://a:1": {"name": "b"}, "http://b:1": {"name": "b"}}))
    assert dict(Server.objects.values_list("base_url", "name")) == {"http://a:1": "b (2)", "http://b:1": "b"}


def test_two_servers_can_swap_their_names() -> None:
    make_server(name="a", base_url="http://a:1")
    make_server(name="b", base_url="http://b:1")
    applying.apply(default(), Content(servers={"http://a:1": {"name": "b"}, "http://b:1": {"name": "a"}}))
    assert dict(Server.objects.values_list("base_url", "name")) == {"http://a:1": "b", "http://b:1": "a"}
    assert [event.changes["name"] for event in AuditEvent.objects.order_by("pk")] == [["a", "b"], ["b", "a"]]


def test_a_token_is_never_touched() -> None:
    make_server(name="desk", base_url=DESK, token="secret")
    applying.apply(default(), Content(servers={DESK: {"name": "bench"}}))
    assert (Server.objects.get().token, Server.objects.get().name) == ("secret", "bench")


def test_a_server_that_is_disabled_here_stays_so_and_each_change_of_one_is_noted() -> None:
    make_server(name="desk", base_url=DESK, enabled=False)
    applying.apply(default(), Content(servers={DESK: {"name": "bench", "enabled": True, "memory_limit_bytes": 5}}))
    assert not Server.objects.get().enabled
    event = AuditEvent.objects.get(kind="server")
    assert (event.action, event.changes) == ("edit", {"name": ["desk", "bench"], "memory_limit_bytes": [None, 5]})


def test_nothing_to_change_is_no_change() -> None:
    make_test(model=make_model(server=desk(), key="one", tags=("a",)))
    before = dump()
    assert not applying.apply(default(), now())
    assert dump() == before


def test_a_plan_for_another_version_is_refused() -> None:
    with pytest.raises(applying.Changed, match="has changed since"):
        applying.apply(default(), Content(), expected_version=41)


def filled() -> Content:
    """Something of every kind that the content changes, adds or deletes."""
    make_test(model=make_model(server=desk(), key="one", tags=("a",)))
    make_model(server=Server.objects.get(), key="gone")
    Group.objects.create(registry=default(), name="g")
    models: dict[ModelId, Any] = {ONE: {"notes": "x", "tags": ["b"], "tests": []}, ModelId("", "new", ""): {}}
    servers = {DESK: {"name": "renamed"}, "http://new:1": {"name": "new"}}
    return Content(servers=servers, models=models, groups={"h": {"models": [ONE]}}, profiles={"p": {}}, extra={"a": 1})


def broken(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("the disk is gone")


@pytest.mark.parametrize("step", ["write_groups", "write_profiles"])
def test_a_failure_in_the_middle_leaves_every_table_as_it_was(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, before = filled(), dump()
    monkeypatch.setattr(applying_arrangements, step, broken)
    with pytest.raises(RuntimeError):
        applying.apply(default(), target)
    assert dump() == before


def test_a_rule_of_the_database_that_is_broken_leaves_every_table_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(*args: Any, **kwargs: Any) -> None:
        Tag.objects.bulk_create([Tag(model=LanguageModel.objects.get(key="one"), name="same") for _ in range(2)])

    target, before = filled(), dump()
    monkeypatch.setattr(applying_arrangements, "write_profiles", twice)
    with pytest.raises(Busy, match="nothing was changed"):
        applying.apply(default(), target)
    assert dump() == before


@pytest.mark.django_db(transaction=True)
def test_a_rule_that_is_broken_at_the_commit_leaves_every_table_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def dangling(*args: Any, **kwargs: Any) -> None:
        Tag.objects.create(model_id=2**40, name="of no model")  # checked when the transaction ends

    target, before = filled(), dump()
    monkeypatch.setattr(applying_arrangements, "write_profiles", dangling)
    with pytest.raises(Busy, match="nothing was changed"):
        applying.apply(default(), target)
    assert dump() == before
