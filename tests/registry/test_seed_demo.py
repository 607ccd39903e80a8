"""`manage.py seed_demo`: plausible models without a server."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from registry import autotags, seeding, tagging
from registry.models import Group, LanguageModel, Profile, Registry, Scan, Server
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def seed(**options: object) -> str:
    output = StringIO()
    call_command("seed_demo", stdout=output, **options)
    return output.getvalue()


def test_seed_demo_writes_models_with_results_tags_groups_and_profiles() -> None:
    assert json.loads(seed(models=200, servers=3, json=True))["models"] == 200
    models = LanguageModel.objects.all()
    assert models.values("server").distinct().count() == 3
    assert 100 < models.filter(test_status="tested").count() < 160
    assert all(model.tested_context <= model.declared_context for model in models.exclude(tested_context=None))  # type: ignore[operator]
    assert (Group.objects.count(), Profile.objects.count()) == (3, 3)


def test_the_same_numbers_give_the_same_models() -> None:
    def written(name: str) -> list[tuple[object, ...]]:
        seed(models=40, registry=name)
        rows = LanguageModel.objects.filter(registry__name=name).order_by("key")
        return list(rows.values_list("key", "size_bytes", "tested_context", "tags__name").order_by("key", "tags__name"))

    assert written("one") == written("two")


def test_its_tags_are_those_that_the_rules_derive() -> None:
    seed(models=30)
    for model in LanguageModel.objects.all():
        derived = {(tag.family, tag.name) for tag in autotags.derive(tagging.facts_of(model))}
        assert derived == set(model.tags.automatic().values_list("family", "name"))


def test_nothing_is_asked_of_a_server() -> None:
    seed(models=5)
    assert not Scan.objects.exists()
    assert not Server.objects.enabled().exists()


def test_a_registry_with_models_is_left_alone_unless_told_to_add() -> None:
    make_model()
    with pytest.raises(CommandError, match="has 1 models already; --add"):
        seed(models=5)
    seed(models=5, add=True)
    assert Registry.objects.default().models.count() == 6


@pytest.mark.parametrize(("count", "servers"), [(0, 4), (5, 0), (5, 99)])
def test_impossible_numbers_are_refused(count: int, servers: int) -> None:
    with pytest.raises(ValueError, match="Ask for 1 model or more"):
        seeding.seed(Registry.objects.default(), count, servers=servers)
