"""Where a registry shows its usage live, and where it keeps only what came with a file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry import counting, exchanging, keeping, snapshots
from registry.models import InferenceRecord, LanguageModel, Registry
from registry.scripting import load_model_registry
from tests.builders import make_model
from tests.inferences import ask

pytestmark = [pytest.mark.django_db, pytest.mark.database]
BALANCE = {"inference_count": 127, "total_tokens_processed": 45_832, "last_used": "2024-01-15T09:45:00Z"}


@pytest.fixture
def used() -> LanguageModel:
    """A model that came with a file and was asked twice since."""
    model = make_model(key="qwen", opening_balance=BALANCE)
    ask(model, "2025-05-05T05:05:05", times=2)
    return model


def exported(**how: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(exchanging.export(Registry.objects.default(), **how))
    return document


def test_a_native_export_tells_what_was_recorded_here(used: LanguageModel) -> None:
    document = exported()
    assert document["models"]["qwen"]["usage_stats"] == {
        "inference_count": 2, "total_tokens_processed": 80, "total_inference_time": 2.0,
        "last_used": "2025-05-05T05:05:05Z",
    }  # fmt: skip
    assert document["statistics"]["total_inference_count"] == 2


def test_an_export_without_live_usage_tells_what_came_with_the_file(used: LanguageModel) -> None:
    assert exported(live=False)["models"]["qwen"]["usage_stats"]["inference_count"] == 127


def test_a_snapshot_does_not_change_with_use(used: LanguageModel) -> None:
    registry = Registry.objects.default()
    before = snapshots.create(registry, "before")
    ask(used, times=3)
    after = snapshots.create(registry, "after")
    assert (before.sha256, keeping.content(after).models) == (after.sha256, keeping.content(before).models)
    (fields,) = keeping.content(before).models.values()
    assert fields["opening_balance"] == BALANCE


def test_a_restore_leaves_records_and_their_sums_alone(used: LanguageModel) -> None:
    snapshot = snapshots.create(Registry.objects.default(), "before")
    ask(used, times=3)
    snapshots.restore(snapshot)
    assert InferenceRecord.objects.count() == 5
    assert exported()["models"]["qwen"]["usage_stats"]["inference_count"] == 5


def test_an_export_elsewhere_becomes_the_opening_balance_there(used: LanguageModel) -> None:
    data = exchanging.export(Registry.objects.default())
    copy = Registry.objects.create(name="copy")
    exchanging.bring_in(copy, data, name="qwen.json")
    assert copy.models.get().opening_balance["inference_count"] == 2
    assert exchanging.export(copy) == exchanging.export(copy, live=False)


def test_statistics_count_records_and_for_models_without_any_what_a_file_told(used: LanguageModel) -> None:
    make_model(opening_balance={"inference_count": 40})
    assert counting.statistics(used.registry)["total_inference_count"] == 42


def test_a_script_reads_live_usage(used: LanguageModel) -> None:
    registry = load_model_registry()
    stats = registry.get_model_usage_stats("qwen")
    assert stats["last_used"] == "2025-05-05T05:05:05Z"
    assert (stats["inference_count"], stats["total_tokens_processed"]) == (2, 80)
    assert registry.get_model_info("qwen")["inference_count"] == 2


def test_a_script_reads_trends_metrics_and_reports(used: LanguageModel) -> None:
    ask(used, times=3)
    registry = load_model_registry()
    assert f"{registry.get_usage_trends('qwen', days=30)['daily_avg']:.1f}" == "0.1"
    assert f"{registry.get_performance_metrics('qwen')['success_rate']:.1%}" == "100.0%"
    report = registry.generate_performance_report("2025-05-01", "2025-05-31", models=["qwen"])
    assert (report["total_inferences"], report["most_used_model"]) == (2, "qwen")
    assert registry.generate_performance_report()["total_inferences"] == 3


def test_unknown_figures_print_in_any_format() -> None:
    make_model(key="idle")
    registry = load_model_registry()
    assert f"{registry.get_usage_trends('idle')['peak_day']:,}" == "unknown"
    assert f"{registry.get_performance_metrics('idle')['p95_response_time']:.2f}s" == "unknowns"
