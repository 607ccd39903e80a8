"""What leaves a registry comes back unchanged: files into an empty registry, snapshots over a changed one."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from registry import applying, contents, diffing, exchanging
from registry.documents import native, reading
from registry.documents.content import Content
from registry.models import Registry, Server
from tests.registry.documents.contents_strategy import contents as any_content

pytestmark = [pytest.mark.django_db, pytest.mark.database]
EXAMPLES = 300 if os.environ.get("LMSTRIX_SOAK") else 20
on_a_database = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes with a database
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def empty(*, servers: bool = False) -> Registry:
    """A new registry in the place of the one before."""
    Registry.objects.filter(name="shelf").delete()
    if not servers:
        Server.objects.all().delete()
    return Registry.objects.create(name="shelf")


def filled(content: Content) -> Registry:
    registry = empty()
    applying.apply(registry, content)
    return registry


def exported(registry: Registry, *, full: bool) -> bytes:
    return native.canonical(native.as_native(contents.content_of(registry, tests=full), full=full))


@on_a_database
@given(any_content())
@pytest.mark.parametrize("full", [False, True])
def test_an_export_into_an_empty_registry_is_exported_byte_for_byte(full: bool, content: Content) -> None:
    data = exported(filled(content), full=full)
    registry = empty()
    applying.apply(registry, reading.read(data))
    assert exported(registry, full=full) == data


@on_a_database
@given(any_content())
def test_an_import_into_an_empty_registry_is_exported_byte_for_byte(content: Content) -> None:
    data = exported(filled(content), full=True)
    registry = empty(servers=True)
    exchanging.bring_in(registry, data, name="all.json")
    assert exported(registry, full=True) == data


@on_a_database
@given(any_content(), any_content())
def test_a_snapshot_over_a_changed_registry_makes_it_what_it_was(before: Content, after: Content) -> None:
    registry = filled(replace(before, last_updated="2026-01-01T00:00:00Z"))
    data = exported(registry, full=True)
    applying.apply(registry, after)
    applying.apply(registry, reading.read(data))
    assert exported(registry, full=True) == data


@on_a_database
@given(any_content())
def test_what_was_applied_is_read_as_it_was_told(content: Content) -> None:
    registry = filled(content)
    read = contents.content_of(registry, tests=True)
    assert not applying.apply(registry, replace(read, host="elsewhere"))
    file = reading.read(native.canonical(native.as_native(read, full=True)))
    assert not diffing.diff(read, file)
    assert not diffing.diff(file, read)


@on_a_database
@given(any_content(), any_content())
def test_a_target_applied_twice_writes_nothing_more(one: Content, other: Content) -> None:
    assume(one.last_updated is None or one.last_updated != other.last_updated)  # else it is a plan made for `one`
    registry = filled(one)
    applying.apply(registry, other)
    version: Any = Registry.objects.get(pk=registry.pk).version
    assert applying.apply(registry, other).counts == {}
    assert Registry.objects.get(pk=registry.pk).version == version
