"""Upkeep: broken rules found and mended, what is of no use removed, space given back."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from registry import keeping, snapshots, upkeep
from registry.models import Group, GroupMember, Instance, LanguageModel, Profile, Registry, Snapshot, Tag
from testing.models import ContextTest
from tests.builders import make_job, make_model, make_server, make_test

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

TESTED: dict[str, Any] = {"test_status": "tested", "tested_context": 4096, "last_tested": timezone.now()}


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def registry() -> Registry:
    return Registry.objects.default()


def group_of(registry: Registry, *models: LanguageModel, positions: tuple[int, ...]) -> None:
    group = Group.objects.create(registry=registry, name="shelf")
    for model, position in zip(models, positions, strict=True):
        GroupMember.objects.create(group=group, model=model, position=position)


def lose_file(registry: Registry) -> None:
    snapshots.path(snapshots.create(registry, "lost")).unlink()


def stranger(registry: Registry) -> None:
    group_of(registry, make_model(registry=Registry.objects.create(name="other")), positions=(0,))


def elsewhere(registry: Registry) -> None:
    model = make_model()
    Instance.objects.create(model=model, server=make_server(), instance_id="x")


Break = Callable[[Registry], Any]
FIXABLE: dict[str, Break] = {
    "size_bytes is 0": lambda _: make_model(size_bytes=0),
    "declared_context is -1": lambda _: make_model(declared_context=-1),
    "4,096 tokens are tested, and 2,048 declared": lambda _: make_model(declared_context=2048, **TESTED),
    "5,000 tokens are usable": lambda _: make_model(usable_context=5000, **TESTED),
    "counts as tested, and no size": lambda _: make_model(test_status="tested"),
    "counts as untested": lambda _: make_model(tested_context=4096),
    "no test runs": lambda _: make_model(test_status="testing"),
    "nothing says why": lambda _: make_model(stale=True, **TESTED),
    "does not offer it any more": lambda _: make_model(missing=True, state="loaded"),
    "a model of another registry": stranger,
    "has 2 models at place 0": lambda r: group_of(r, make_model(), make_model(), positions=(0, 0)),
    "does not say why": lambda _: Tag.objects.create(model=make_model(), name="chat", family="type"),
    "where it is not": elsewhere,
    "its file is gone": lose_file,
    "2 of its tags": lambda _: make_model(tags=("Ärger", "ärger")),
}


def named_alike(registry: Registry) -> None:
    for name in ("Shelf", "shelf"):
        Group.objects.create(registry=registry, name=name)


def spoil(registry: Registry) -> None:
    snapshots.path(snapshots.create(registry, "spoilt")).write_bytes(b"x")


FOR_PEOPLE: dict[str, Break] = {
    "2 groups have this name but for upper and lower case": named_alike,
    "prefers nothing": lambda r: Profile.objects.create(registry=r, name="p", preferred_models=["nothing"]),
    "asks for the server attic": lambda r: Profile.objects.create(registry=r, name="p", servers=["attic"]),
    "is damaged": spoil,
    "which is none": lambda _: make_model(type="robot"),
    "no name or no key": lambda _: make_model(name=""),
}


def test_an_empty_registry_and_one_in_order_are_valid(registry: Registry) -> None:
    make_test(model=make_model(**TESTED))
    assert upkeep.validate(registry) == []


@pytest.mark.parametrize("text", [*FIXABLE, *FOR_PEOPLE])
def test_a_broken_rule_is_one_issue_with_its_object(registry: Registry, text: str) -> None:
    (FIXABLE | FOR_PEOPLE)[text](registry)
    [issue] = upkeep.validate(registry)
    assert text in issue.text
    assert issue.object.partition(" ")[0] in ("model", "group", "profile", "snapshot")
    assert issue.fixable == (text in FIXABLE)


@pytest.mark.parametrize("text", FIXABLE)
def test_what_can_be_mended_is_said_first_and_then_mended(registry: Registry, text: str) -> None:
    FIXABLE[text](registry)
    said = list(upkeep.fix(registry, dry_run=True))
    assert len(upkeep.validate(registry)) == 1
    done = upkeep.fix(registry)
    assert list(done) == said
    assert done.undo is not None
    assert upkeep.validate(registry) == []


def test_what_takes_a_decision_is_left_alone(registry: Registry) -> None:
    named_alike(registry)
    assert upkeep.fix(registry).steps == []
    assert Group.objects.count() == 2


def test_a_model_that_is_being_tested_is_no_broken_rule(registry: Registry) -> None:
    make_test(model=make_model(test_status="testing"), job=make_job(kind="context_test"))
    assert upkeep.validate(registry) == []


def test_a_mended_model_can_be_had_back(registry: Registry) -> None:
    make_model(usable_context=5000, **TESTED)
    undo = upkeep.fix(registry).undo
    assert undo is not None
    snapshots.restore(undo)
    assert LanguageModel.objects.get().usable_context == 5000


def test_orphans_go_after_a_snapshot_and_can_be_had_back(registry: Registry) -> None:
    model = make_model(key="gone", missing=True)
    make_test(model=model)
    make_model(key="here", server=model.server)
    assert [each.key for each in upkeep.orphans(registry)] == ["gone"]
    assert upkeep.cleanup_orphans(registry) == ["gone"]
    assert [each.key for each in LanguageModel.objects.all()] == ["here"]
    snapshots.restore(Snapshot.objects.get(origin="safety"))
    assert LanguageModel.objects.get(key="gone").context_tests.count() == 1


def test_a_model_added_by_hand_is_no_orphan(registry: Registry) -> None:
    model = make_model(missing=True)
    LanguageModel.objects.update(server=None)
    assert upkeep.cleanup_orphans(registry) == []
    assert LanguageModel.objects.filter(pk=model.pk).exists()


def with_result(days: int, key: str) -> LanguageModel:
    moment = timezone.now() - timedelta(days=days)
    model = make_model(key=key, **TESTED | {"last_tested": moment})
    make_test(model=model, created=moment)
    return model


def test_old_results_go_with_their_tests_and_newer_ones_stay(registry: Registry) -> None:
    with_result(100, "old")
    with_result(10, "new")
    assert upkeep.cleanup_results(registry, older_than_days=90) == 1
    assert dict(LanguageModel.objects.values_list("key", "test_status")) == {"old": "untested", "new": "tested"}
    assert LanguageModel.objects.get(key="old").last_tested is None
    assert [test.model.key for test in ContextTest.objects.all()] == ["new"]
    assert upkeep.validate(registry) == []


def test_an_old_test_of_a_model_that_was_tested_again_goes_alone(registry: Registry) -> None:
    model = with_result(10, "qwen")
    make_test(model=model, created=timezone.now() - timedelta(days=100))
    upkeep.cleanup_results(registry, older_than_days=90)
    model.refresh_from_db()
    assert (model.test_status, model.context_tests.count()) == ("tested", 1)


def test_a_cleanup_says_first_what_goes(registry: Registry) -> None:
    make_model(key="gone", missing=True)
    report = upkeep.cleanup(registry, orphans=True, dry_run=True)
    assert report.diff.count("missing", "model") == 1
    assert LanguageModel.objects.count() == 1


@pytest.mark.parametrize("days", [None, -1, 10**6])
def test_a_cleanup_of_nothing_is_refused(registry: Registry, days: int | None) -> None:
    with pytest.raises(ValueError, match=r"orphans|0 to 36,500"):
        upkeep.cleanup(registry, older_than_days=days)


def test_compact_removes_files_that_belong_to_nothing_and_says_how_much(registry: Registry) -> None:
    snapshots.create(registry, "kept")
    left = keeping.folder() / "left.json.gz"
    left.write_bytes(b"x" * 100_000)

    os.utime(left, (0, 0))
    done = upkeep.compact(registry)
    assert (done.files, left.exists(), len(list(keeping.folder().iterdir()))) == (1, False, 1)
    assert done.saved >= 90_000


def test_compact_leaves_a_file_that_is_just_being_written(registry: Registry) -> None:
    keeping.folder().mkdir()
    (keeping.folder() / "new.json.gz").write_bytes(b"x")
    assert upkeep.compact(registry).files == 0
