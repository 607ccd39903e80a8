"""The models that a filter lets through, against a plain-Python account of the same language."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from registry.filtering import filtered
from registry.filters import KEYS, BadFilter
from registry.models import Group, GroupMember, LanguageModel, Registry
from tests.builders import make_model, make_server
from tests.plain_filters import GROUPS, LABELS, NOW, SERVERS, Row, an_expression, invented

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(scope="module")
def rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[int, Row]]:
    """Sixty models and what is known of each, by primary key; kept for all tests of this file."""
    with django_db_blocker.unblock():
        pick = random.Random(3)
        registry = Registry.objects.create(name="filtered")
        servers = [make_server(name=name) for name in SERVERS]
        groups = [Group.objects.create(registry=registry, name=name) for name in GROUPS]
        made: dict[int, Row] = {}
        for number in range(60):
            row, labels = invented(pick, number), pick.sample(LABELS, pick.randrange(4))
            model = make_model(registry=registry, server=servers[0], tags=tuple(labels), **row)
            server = pick.choice([None, *servers])
            LanguageModel.objects.filter(pk=model.pk).update(server=server)
            inside = pick.sample(groups, pick.randrange(3))
            for group in inside:
                GroupMember.objects.create(group=group, model=model, position=number)
            there = {"server": server and server.name, "tags": labels, "groups": [group.name for group in inside]}
            made[model.pk] = row | there
        yield made
        for thing in (registry, *servers):
            thing.delete()


def let_through(text: str) -> list[int]:
    models = LanguageModel.objects.filter(registry__name="filtered")
    found, tried = (
        sorted(filtered(models, text, now=NOW, many=many).values_list("pk", flat=True)) for many in (False, True)
    )
    assert found == tried, text
    return found


def test_a_thousand_filters_let_through_what_plain_python_does(rows: dict[int, Row]) -> None:
    pick = random.Random(7)
    some = 0
    for _ in range(1000):
        text, meets = an_expression(pick)
        expected = sorted(pk for pk, row in rows.items() if meets(row))
        assert let_through(text) == expected, text
        some += 0 < len(expected) < len(rows)
    assert some > 500  # most of them tell models apart


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40), st.sampled_from(["", *(f"{key}:" for key in KEYS)]))
def test_any_text_gives_models_or_a_bad_filter(rows: dict[int, Row], text: str, key: str) -> None:
    with suppress(BadFilter):
        assert set(let_through(key + text)) <= set(rows)


@pytest.mark.parametrize("text", ["", " "])
def test_no_filter_lets_every_model_through(rows: dict[int, Row], text: str) -> None:
    assert let_through(text) == sorted(rows)


def test_many_parts_with_many_stars_are_answered(rows: dict[int, Row]) -> None:
    assert let_through("name:" + ",".join(["*a*b*c*d*e*f*g*"] * 100)) == []
    assert let_through("ctx:" + ",".join([">1"] * 100)) == let_through("ctx:>1")


def test_what_is_unknown_meets_no_comparison(rows: dict[int, Row]) -> None:
    known = [pk for pk, row in rows.items() if row["size_bytes"] is not None]
    assert let_through("size:>=0") == sorted(known)
    assert let_through("arch:*") == sorted(pk for pk, row in rows.items() if row["architecture"])
