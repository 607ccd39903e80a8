"""Which row a reported model belongs to, and what makes a test stale; the rest is shown by whole scans."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from registry import merging_scan
from registry.lmstudio.wire import Listing, ReportedInstance, ReportedModel
from registry.models import LanguageModel, Registry, Scan, Server
from registry.models.language_model import State
from tests.builders import make_model, make_server

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def server() -> Server:
    return make_server()


def merged(server: Server, *models: ReportedModel, api: Any = "v1", rejected: tuple[str, ...] = ()) -> Scan:
    scan = Scan.objects.create(server=server, registry=Registry.objects.default())
    merging_scan.merge(scan, Listing(models, api, 0.01, rejected=rejected))
    return scan


def reported(key: str = "qwen", variant: str | None = None, **fields: Any) -> ReportedModel:
    return ReportedModel(**({"key": key, "type": "llm", "variant": variant, "size_bytes": 5} | fields))


def variants(server: Server) -> list[str]:
    return list(LanguageModel.objects.filter(server=server, missing=False).values_list("variant", flat=True))


def test_an_empty_list_marks_all_missing(server: Server) -> None:
    make_model(server=server, key="a")
    make_model(server=server, key="b", missing=True)
    assert merged(server).missing == ["a"]


def test_models_of_other_servers_and_by_hand_are_left_alone(server: Server) -> None:
    other, by_hand = make_model(key="qwen"), make_model(key="qwen")
    LanguageModel.objects.filter(pk=by_hand.pk).update(server=None)
    assert (merged(server, reported()).added, LanguageModel.objects.filter(missing=True).count()) == (["qwen"], 0)
    assert LanguageModel.objects.filter(key="qwen").count() == 3
    assert other.server != server


def test_a_variant_that_is_told_for_the_first_time_makes_nothing_stale(server: Server) -> None:
    known = make_model(server=server, key="qwen", last_tested=timezone.now(), size_bytes=5)
    merged(server, reported(variant="qwen@q4"))
    known.refresh_from_db()
    assert (known.variant, known.stale) == ("qwen@q4", False)


def test_a_second_variant_is_a_model_beside_the_first(server: Server) -> None:
    make_model(server=server, key="qwen", variant="q4")
    scan = merged(server, reported(variant="q4"), reported(variant="q8"))
    assert (scan.added, variants(server)) == (["qwen"], ["q4", "q8"])


def test_of_two_variants_the_one_that_is_gone_is_missing(server: Server) -> None:
    for name in ("q4", "q8"):
        make_model(server=server, key="qwen", variant=name)
    assert (merged(server, reported(variant="q8")).missing, variants(server)) == (["qwen"], ["q8"])


def test_a_size_that_was_unknown_makes_nothing_stale(server: Server) -> None:
    known = make_model(server=server, key="qwen", size_bytes=None, last_tested=timezone.now())
    merged(server, reported())
    known.refresh_from_db()
    assert (known.size_bytes, known.stale) == (5, False)


def test_a_stale_test_stays_stale_when_nothing_changes(server: Server) -> None:
    known = make_model(
        server=server, key="qwen", size_bytes=5, last_tested=timezone.now(), stale=True, stale_reason="changed"
    )
    merged(server, reported())
    known.refresh_from_db()
    assert (known.stale, known.stale_reason) == (True, "changed")


@pytest.mark.parametrize(
    ("before", "copies", "after"),
    [
        (State.UNLOADED, 1, State.LOADED), (State.ERROR, 1, State.LOADED), (State.LOADED, 0, State.UNLOADED),
        (State.ACTIVE, 0, State.UNLOADED), (State.LOADING, 0, State.UNLOADED), (State.ERROR, 0, State.ERROR),
    ],
)  # fmt: skip
def test_the_state_follows_the_loaded_copies(server: Server, before: State, copies: int, after: State) -> None:
    known = make_model(server=server, key="qwen", state=before)
    merged(server, reported(instances=(ReportedInstance("qwen"),) * copies))
    known.refresh_from_db()
    assert known.state == after


def test_a_told_number_of_parameters_is_not_replaced_by_one_read_from_the_name(server: Server) -> None:
    merged(server, reported("llama-3b", params_string="3.2B"))
    merged(server, reported("llama-3b"), api="v0")
    known = LanguageModel.objects.get()
    assert (known.parameters, known.parameters_derived, known.parameter_count) == ("3.2B", False, 3_200_000_000)


def test_an_ability_that_is_told_to_be_gone_is_gone(server: Server) -> None:
    merged(server, reported(tool_use=True, reasoning_options=("off", "on")))
    merged(server, reported(tool_use=False))
    known = LanguageModel.objects.get()
    assert (known.tool_use, known.reasoning_options) == (False, [])


def test_only_rows_that_differ_are_written(server: Server) -> None:
    merged(server, reported("a"), reported("b"))
    before = dict(LanguageModel.objects.values_list("key", "updated"))
    scan = merged(server, reported("a"), reported("b", size_bytes=6))
    after = dict(LanguageModel.objects.values_list("key", "updated"))
    assert (after["a"] == before["a"], after["b"] > before["b"]) == (True, True)
    assert scan.changed == [{"key": "b", "fields": {"size_bytes": [5, 6]}}]


def test_automatic_tags_follow_what_is_told_and_custom_ones_stay(server: Server) -> None:
    known = make_model(server=server, key="qwen", tags=("mine",))
    merged(server, reported(architecture="qwen2", params_string="7B"))
    merged(server, reported(architecture="qwen2", params_string="70B"))
    assert [tag.name for tag in known.tags.all()] == ["chat", "mine", "qwen", "xl"]


def test_only_a_scan_that_finds_changes_counts_as_one(server: Server) -> None:
    merged(server, reported())
    before = Registry.objects.default().version
    merged(server, reported())
    assert Registry.objects.default().version == before
    merged(server, reported(size_bytes=6))
    assert Registry.objects.default().version == before + 1


def test_loading_a_model_does_not_mark_its_facts_as_updated(server: Server) -> None:
    merged(server, reported())
    before = LanguageModel.objects.get().updated
    merged(server, reported(instances=(ReportedInstance(id="qwen"),)))
    assert (LanguageModel.objects.get().updated, LanguageModel.objects.get().state) == (before, State.LOADED)


def test_facts_that_a_person_set_are_left_alone(server: Server) -> None:
    make_model(server=server, key="qwen", type="code", edited=["type"])
    merged(server, reported(display_name="Qwen"))
    assert (LanguageModel.objects.get().type, LanguageModel.objects.get().name) == ("code", "Qwen")
