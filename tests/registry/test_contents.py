"""A registry read as a content."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry import contents
from registry.documents.content import Content, Fields, ModelId
from registry.models import Group, GroupMember, LanguageModel, Registry
from tests.builders import make_model, make_probe, make_server, make_test

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def default() -> Registry:
    return Registry.objects.default()


def only(content: Content) -> Fields:
    (fields,) = content.models.values()
    return fields


def test_a_model_is_known_by_its_address_key_and_variant() -> None:
    server = make_server(name="desk", base_url="http://desk:1234", memory_limit_bytes=5)
    make_model(server=server, key="lab/one", variant="lab/one@q4", tags=("b", "a"))
    content = contents.content_of(default())
    assert list(content.models) == [ModelId("http://desk:1234", "lab/one", "lab/one@q4")]
    assert content.servers == {"http://desk:1234": {"name": "desk", "enabled": True, "memory_limit_bytes": 5}}
    assert only(content)["tags"] == ["a", "b"]


def test_only_custom_tags_and_servers_in_use_are_in_it() -> None:
    make_server(name="unused")
    model = make_model(server=make_server(name="used"))
    model.tags.create(name="llama", family="architecture")
    content = contents.content_of(default())
    assert only(content)["tags"] == []
    assert [fields["name"] for fields in content.servers.values()] == ["used"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "untested"),
        ({"tested_context": 4096, "last_tested": timezone.now()}, "tested"),
        ({"last_tested": timezone.now()}, "failed"),
    ],
)
def test_a_test_under_way_has_not_changed_the_status_yet(fields: dict[str, Any], status: str) -> None:
    make_model(test_status="testing", **fields)
    assert only(contents.content_of(default()))["test_status"] == status


def test_groups_keep_their_order_and_are_whole_or_left_out_of_a_part() -> None:
    one, two = make_model(key="one"), make_model(key="two")
    group = Group.objects.create(registry=default(), name="both")
    GroupMember.objects.create(group=group, model=two, position=0)
    GroupMember.objects.create(group=group, model=one, position=7)
    assert [member.key for member in contents.content_of(default()).groups["both"]["models"]] == ["two", "one"]
    assert contents.content_of(default(), models=LanguageModel.objects.filter(key="one")).groups == {}


def test_tests_come_only_when_asked_for() -> None:
    make_probe(test=make_test())
    assert "tests" not in only(contents.content_of(default()))
    (test,) = only(contents.content_of(default(), tests=True))["tests"]
    assert (test["tested_context"], test["probes"][0]["requested"]) == (8192, 2048)


def test_a_registry_that_was_never_written_is_older_than_any_file() -> None:
    registry = default()
    assert contents.content_of(registry).last_updated is None
    registry.touch()
    assert contents.content_of(registry).last_updated is not None


def test_the_number_of_queries_does_not_grow_with_the_models() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            contents.content_of(default(), tests=True)
        return len(seen)

    make_probe(test=make_test(model=make_model(tags=("a",))))
    few = queries()
    for _ in range(5):
        make_probe(test=make_test(model=make_model(tags=("a", "b"))))
    assert queries() == few <= 10
