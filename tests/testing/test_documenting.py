"""Context tests in contents: read with their probes, and written back by when they were made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry import applying, contents
from registry.documents.content import Content, Fields
from registry.models import LanguageModel, Registry
from testing.models import ContextTest, Probe
from tests.builders import make_job, make_model, make_probe, make_test

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def read() -> Content:
    return contents.content_of(Registry.objects.default(), tests=True)


def told_in(content: Content) -> list[Fields]:
    (fields,) = content.models.values()
    return list(fields["tests"])


def write(tests: list[Any] | None) -> applying.Applied:
    content = read()
    models = {identity: fields | {"tests": tests} for identity, fields in content.models.items()}
    return applying.apply(Registry.objects.default(), replace(content, models=models))


def test_tests_are_told_oldest_first_with_their_probes_in_order() -> None:
    model = make_model()
    newer = make_test(model=model, created="2026-02-01T00:00:00Z")
    make_test(model=model, created="2026-01-01T00:00:00Z")
    make_probe(test=newer, order=2, requested=2)
    make_probe(test=newer, order=1, requested=1)
    older, told = told_in(read())
    assert (older["created"], older["probes"]) == ("2026-01-01T00:00:00Z", [])
    assert [probe["requested"] for probe in told["probes"]] == [1, 2]


def test_a_test_that_was_deleted_comes_back_with_its_probes() -> None:
    make_probe(test=make_test(calibration={"a": 1.5}), message="ü")
    before = read()
    ContextTest.objects.all().delete()
    applied = applying.apply(Registry.objects.default(), before)
    assert read().models == before.models
    assert applied.count("tests", "added") == 1


def test_a_known_test_keeps_its_row_and_job() -> None:
    test = make_test(verdict="verified")
    make_probe(test=test)
    told = told_in(read())
    told[0] |= {"verdict": "crashed", "probes": [told[0]["probes"][0] | {"requested": 5}]}
    assert write(told).count("tests", "changed") == 1
    test.refresh_from_db()
    assert (test.verdict, test.job is not None, Probe.objects.get().requested) == ("crashed", True, 5)


def test_a_test_that_is_not_told_is_deleted_and_untold_tests_stay() -> None:
    make_probe(test=make_test())
    assert not write(None)
    assert write([]).count("tests", "deleted") == 1
    assert (ContextTest.objects.count(), Probe.objects.count()) == (0, 0)


def test_a_test_under_way_is_neither_told_nor_touched() -> None:
    test = make_test(job=make_job(kind="context_test"))
    assert told_in(read()) == []
    assert not write([])
    assert ContextTest.objects.get() == test


def test_tests_made_at_the_same_moment_are_all_kept() -> None:
    model = make_model()
    for verdict in ("verified", "crashed"):
        make_test(model=model, created="2026-01-01T00:00:00Z", verdict=verdict)
    before = read()
    LanguageModel.objects.all().delete()
    applying.apply(Registry.objects.default(), before)
    assert [test["verdict"] for test in told_in(read())] == ["verified", "crashed"]


def test_a_model_on_no_server_has_no_tests() -> None:
    make_test()
    fields = {"tests": told_in(read())}
    identity = next(iter(read().models))._replace(server="")
    applying.apply(Registry.objects.default(), Content(models={identity: fields}))
    assert ContextTest.objects.count() == 0
