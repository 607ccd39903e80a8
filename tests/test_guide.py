"""The guide works as printed: one test for each of its blocks, by the block's heading, in our own calls."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import yaml
from django.utils import timezone
from lmstrix.core.context_tester import ContextTester
from lmstrix.core.models import ModelStateManager
from lmstrix.loaders.model_loader import ModelRegistry, ValidationError, load_model_registry

from lmstrix_site import console
from registry.models import LanguageModel, MemoryPolicy
from registry.models.language_model import State
from tests.builders import make_model, make_server
from tests.guide import GUIDE, LATER, SHOWN, headings, shows
from tests.scripted_lmstudio import ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

LLAMA, MISTRAL, PHI, CODE = "llama-3.2-3b-instruct", "mistral-7b-instruct", "phi-3-mini-4k-instruct", "codellama-13b"
Lmstrix = Callable[..., str]


@pytest.fixture
def lmstrix(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lmstrix:
    """Runs one line of the shell through the console script; gives what it printed."""

    def run(line: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["lmstrix", *line.split()])
        with pytest.raises(SystemExit) as ended:
            console.main()
        printed = capsys.readouterr()
        assert (ended.value.code or 0) == code, printed.err
        return printed.out

    return run


@pytest.fixture
def registry() -> ModelRegistry:
    """The default registry with the models that the guide talks of."""
    shelf = make_server(name="shelf")
    usage = {"inference_count": 127, "total_tokens_processed": 45_832, "total_inference_time": 892.4,
             "last_used": "2024-01-15T09:45:00Z"}  # fmt: skip
    make_model(
        key=LLAMA, server=shelf, size_bytes=3_435_134_976, architecture="llama", parameters="3.2B",
        parameter_count=3_200_000_000, declared_context=128_000, tested_context=29_696, test_status="tested",
        last_tested="2024-01-15T10:30:00Z", tokens_per_second=42.3, peak_memory_bytes=4_033_871_872, load_seconds=8.2,
        test_duration=156.7, test_iterations=8, opening_balance=usage,
    )  # fmt: skip
    make_model(key=MISTRAL, server=shelf, size_bytes=7_100_000_000, test_status="tested", tested_context=32_000)
    make_model(key=PHI, server=shelf, size_bytes=900_000_000, test_status="failed")
    make_model(key=CODE, server=shelf, size_bytes=13_000_000_000, type="code")
    return load_model_registry()


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model(LLAMA), model(MISTRAL)]) as server:
        make_server(name="studio", base_url=server.url)
        yield server


def ids(printed: str) -> set[str]:
    return set(json.loads(printed)["models"])


@pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not beside this checkout")
def test_each_block_of_the_guide_has_a_test() -> None:
    assert set(headings()) - LATER == SHOWN


@shows("Registry Structure")
def test_an_export_has_every_field_of_the_guides_structure(registry: ModelRegistry, tmp_path: Path) -> None:
    registry.export_to_file(tmp_path / "models.json")
    document = json.loads((tmp_path / "models.json").read_text())
    entry = document["models"][LLAMA]
    assert (document["version"], entry["size_mb"], entry["tested_context"]) == ("1.0", 3276, 29_696)
    assert entry["performance_metrics"]["peak_memory_mb"] == 3847
    assert entry["usage_stats"]["total_tokens_processed"] == 45_832
    assert {"added_date", "source", "tags", "description"} <= set(entry["metadata"])
    assert {"total_models", "avg_context_limit", "total_inference_count", "last_scan"} <= set(document["statistics"])


@shows("Automatic Discovery")
def test_models_are_discovered_on_known_and_named_servers(studio: ScriptedLMStudio, lmstrix: Lmstrix) -> None:
    assert "2 new" in lmstrix("scan")
    assert LLAMA in lmstrix("scan --verbose")
    lmstrix("scan --refresh")
    lmstrix(f"scan --server {studio.url}")
    assert LanguageModel.objects.count() == 2


@shows("Discovery Output")
def test_a_verbose_scan_tells_what_is_new_and_what_was_known(studio: ScriptedLMStudio, lmstrix: Lmstrix) -> None:
    assert "🆕 New" in lmstrix("scan --verbose")
    again = lmstrix("scan --verbose --refresh")
    assert "✅ Known" in again
    assert "Scan completed in" in again


@shows("Custom Model Addition")
def test_a_model_is_added_by_hand() -> None:
    registry = load_model_registry()
    registry.add_model({
        "id": "own-llama-7b", "name": "Own Llama 7B", "size_mb": 7168, "parameters": "7B", "type": "chat",
        "architecture": "llama", "context_window": 4096, "source": "manual_addition", "tags": ["own", "7b"],
    })  # fmt: skip
    registry.save()
    info = load_model_registry().get_model_info("own-llama-7b")
    assert (info["size_mb"], info["context_window"], info["source"]) == (7168, 4096, "manual_addition")
    assert {"own", "7b", "llama"} <= set(info["tags"])


@shows("Basic Listing")
def test_models_are_listed_in_every_order(registry: ModelRegistry, lmstrix: Lmstrix) -> None:
    for order in ("name", "size", "ctx", "date"):
        assert all(key in lmstrix(f"list --sort {order}") for key in (LLAMA, MISTRAL, PHI, CODE))
    largest_first = lmstrix("list --sort size --reverse")
    assert largest_first.index(CODE) < largest_first.index(MISTRAL) < largest_first.index(PHI)
    assert LLAMA in lmstrix("list")


@shows("Advanced Filtering")
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("status:tested", {LLAMA, MISTRAL}),
        ("status:untested", {CODE}),
        ("status:failed", {PHI}),
        ("size:>5GB", {MISTRAL, CODE}),
        ("size:1GB-10GB", {LLAMA, MISTRAL}),
        ("ctx:>30000", {MISTRAL}),
        ("ctx:16384-65536", {LLAMA, MISTRAL}),
        ("type:chat", {LLAMA, MISTRAL, PHI}),
        ("type:code", {CODE}),
        ("tag:favourite", {PHI}),
        ("tag:favourite,slow", {PHI, CODE}),
        ("status:tested,size:>5GB,type:chat", {MISTRAL}),
    ],
)
def test_a_filter_finds(registry: ModelRegistry, lmstrix: Lmstrix, expression: str, expected: set[str]) -> None:
    registry.add_tags(PHI, ["favourite"])
    registry.add_tags(CODE, ["slow"])
    assert ids(lmstrix(f"list --filter {expression} --show json")) == expected


@shows("Output Formats")
def test_a_list_is_printed_in_every_format(registry: ModelRegistry, lmstrix: Lmstrix) -> None:
    assert LLAMA in lmstrix("list --show table")
    assert len(ids(lmstrix("list --show json"))) == 4
    assert len(list(csv.DictReader(io.StringIO(lmstrix("list --show csv"))))) == 4
    assert LLAMA in str(yaml.safe_load(lmstrix("list --show yaml")))
    assert "4" in lmstrix("list --show summary")


@shows("Detailed Model Info")
def test_what_is_known_of_a_model_is_told(registry: ModelRegistry) -> None:
    info = registry.get_model_info(LLAMA)
    assert f"{info['size_mb']:,} MB" == "3,276 MB"
    assert (info.get("tested_context", "Unknown"), info.get("avg_tokens_per_second", "N/A")) == (29_696, 42.3)
    assert info.get("inference_count", 0) == 127
    assert registry.get_model_info(CODE).get("tested_context", "Unknown") == "Unknown"


@shows("Usage Statistics")
def test_usage_is_told_also_where_there_was_none(registry: ModelRegistry) -> None:
    stats = registry.get_model_usage_stats(LLAMA)
    assert f"{stats['total_tokens_processed']:,} {stats['avg_tokens_per_inference']:.1f}" == "45,832 360.9"
    assert f"{stats['total_inference_time']:.1f}" == "892.4"
    assert str(stats["last_used"]).startswith("2024-01-15T09:45:00")
    unused = registry.get_model_usage_stats(CODE)
    assert f"{unused['inference_count']} {unused['avg_tokens_per_inference']:.1f}" == "0 unknown"


@shows("Performance Metrics")
def test_performance_is_told_also_where_nothing_was_measured(registry: ModelRegistry) -> None:
    metrics = registry.get_model_performance(LLAMA)
    assert f"{metrics['avg_tokens_per_second']:.1f} {metrics['peak_memory_mb']:,}" == "42.3 3,847"
    assert f"{metrics['load_time_seconds']:.1f} {metrics['test_duration']:.1f}" == "8.2 156.7"
    assert f"{registry.get_model_performance(CODE)['peak_memory_mb']:,}" == "unknown"


@shows("Automatic Tags")
def test_tags_of_five_families_follow_from_facts(studio: ScriptedLMStudio, lmstrix: Lmstrix) -> None:
    studio.models[:] = [model("phi-multilingual-3b-instruct", params_string="3B", architecture="phi3")]
    lmstrix("scan")
    LanguageModel.objects.update(tokens_per_second=90.0, test_status="tested", tested_context=4096)
    lmstrix("scan --refresh")
    families = dict(LanguageModel.objects.get().tags.values_list("name", "family"))
    assert {"phi": "architecture", "small": "size", "instruct": "type", "multilingual": "capability"}.items() <= (
        families.items()
    )


@shows("Custom Tags")
def test_custom_tags_come_and_go(registry: ModelRegistry) -> None:
    registry.add_tags(LLAMA, ["production", "favorite", "qa"])
    registry.remove_tags(LLAMA, ["qa"])
    assert registry.get_models_by_tag("production") == [LLAMA]
    assert registry.get_models_by_tag("qa") == []


@shows("Create Model Groups")
def test_groups_are_made_and_grow(registry: ModelRegistry) -> None:
    registry.create_group("chat_models", [LLAMA, MISTRAL])
    registry.create_group("code_models", [CODE])
    registry.add_to_group("chat_models", PHI)
    assert load_model_registry().get_group("chat_models") == [LLAMA, MISTRAL, PHI]


@shows("Group Operations")
def test_every_model_of_a_group_is_tested(studio: ScriptedLMStudio, lmstrix: Lmstrix) -> None:
    lmstrix("scan")
    registry = load_model_registry()
    registry.create_group("chat_models", [MISTRAL, LLAMA])
    assert "chat_models" in registry.list_groups()
    tester = ContextTester()
    results = [
        tester.test_model_context(key, threshold=4096, verbose=False) for key in registry.get_group("chat_models")
    ]
    assert [result["optimal_context"] for result in results] == [4096, 4096]


@shows("Create Usage Profiles")
def test_a_profile_names_the_model_to_use(registry: ModelRegistry) -> None:
    registry.create_profile("quick_answers", {
        "preferred_models": [LLAMA, PHI], "max_context": 1024, "temperature": 0.3, "description": "short questions",
    })  # fmt: skip
    profile = registry.get_profile("quick_answers")
    assert (profile["preferred_models"][0], profile["temperature"]) == (LLAMA, 0.3)


@shows("Cleanup Operations")
def test_orphans_and_old_results_are_removed_and_the_rest_is_compacted(registry: ModelRegistry) -> None:
    LanguageModel.objects.filter(key=CODE).update(missing=True)
    assert registry.cleanup_orphaned_models() == [CODE]
    registry.cleanup_old_test_results(days=90)
    registry.compact()
    assert len(registry.list_models()) == 3


@shows("Registry Validation")
def test_issues_are_named_and_fixed(registry: ModelRegistry) -> None:
    LanguageModel.objects.filter(key=MISTRAL).update(test_status="tested", tested_context=None)
    result = registry.validate()
    assert not result["valid"]
    assert any(MISTRAL in issue for issue in result["issues"])
    registry.auto_fix_issues()
    assert not any(MISTRAL in issue for issue in registry.validate()["issues"])


@shows("Backup Registry")
def test_backups_are_made_and_listed(registry: ModelRegistry) -> None:
    assert Path(registry.create_backup()).exists()
    assert registry.create_backup("before_update").endswith(".json.gz")
    names = [f"{backup['name']} ({backup['date']})" for backup in registry.list_backups()]
    assert len(names) == 2
    assert names[0].startswith("before_update (")


@shows("Restore Registry")
def test_a_backup_a_file_and_a_merge_bring_things_back(registry: ModelRegistry) -> None:
    path = registry.create_backup("before_update")
    LanguageModel.objects.filter(key=CODE).delete()
    registry.restore_from_backup("before_update")
    assert len(registry.list_models()) == 4
    LanguageModel.objects.filter(key=CODE).delete()
    registry.restore_from_file(path)
    assert len(registry.list_models()) == 4
    LanguageModel.objects.filter(key=PHI).delete()
    registry.merge_from_backup("before_update", strategy="prefer_newer")
    assert len(registry.list_models()) == 4


@shows("Export Registry Data")
def test_what_is_listed_can_be_kept_in_a_file(registry: ModelRegistry, lmstrix: Lmstrix, tmp_path: Path) -> None:
    assert len(ids(lmstrix("list --show json"))) == 4
    assert len(ids(lmstrix("list --filter status:tested --show json"))) == 2
    lmstrix(f"registry export --full-metadata {tmp_path}/full.json")
    assert ids((tmp_path / "full.json").read_text()) == {LLAMA, MISTRAL, PHI, CODE}


@shows("Import Registry Data")
def test_a_file_is_taken_over_and_a_bad_one_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    registry.export_to_file(tmp_path / "models.json")
    LanguageModel.objects.filter(key=CODE).delete()
    registry.import_from_file(tmp_path / "models.json", merge_strategy="update")
    assert len(registry.list_models()) == 4
    LanguageModel.objects.filter(key=CODE).delete()
    assert registry.import_models(tmp_path / "models.json", validate=True, skip_duplicates=True) == 1
    (tmp_path / "bad.json").write_text('{"version": "1.0", "models": {"x": {"size_mb": "big"}}}')
    with pytest.raises(ValidationError, match="size_mb"):
        registry.import_models(tmp_path / "bad.json")


@shows("Multiple Registries")
def test_registries_in_files_are_compared_and_synced(tmp_path: Path) -> None:
    first = load_model_registry(f"{tmp_path}/prod_models.json")
    second = load_model_registry(f"{tmp_path}/dev_models.json")
    first.add_model({"id": "both", "size_mb": 10})
    second.add_model({"id": "only-in-dev", "size_mb": 20})
    difference = first.compare_with(second)
    assert (difference["different"], difference["missing_in_first"]) == ([], ["only-in-dev"])
    assert first.sync_with(second)["models_updated"] >= 0
    assert ids((tmp_path / "prod_models.json").read_text()) == {"both", "only-in-dev"}
    assert ids((tmp_path / "dev_models.json").read_text()) == {"both", "only-in-dev"}


@shows("Model States")
def test_the_six_states_are_those_of_the_guide() -> None:
    assert set(State.values) == {"unloaded", "loading", "loaded", "active", "error", "unloading"}


@shows("State Tracking")
def test_states_are_told_and_their_changes_heard(studio: ScriptedLMStudio, lmstrix: Lmstrix) -> None:
    lmstrix("scan")
    states = ModelStateManager()
    assert (states.get_model_state(LLAMA), states.get_loaded_models()) == ("unloaded", [])
    heard: Queue[tuple[str, str, str]] = Queue()
    states.add_state_listener(lambda model_id, old, new: heard.put((model_id, old, new)))
    try:
        states.load_model(LLAMA)
        assert [heard.get(timeout=10), heard.get(timeout=10)] == [
            (LLAMA, "unloaded", "loading"), (LLAMA, "loading", "loaded"),
        ]  # fmt: skip
        assert states.get_loaded_models() == [LLAMA]
    finally:
        states.close()


@shows("Automatic Memory Management")
def test_memory_is_managed_as_configured(registry: ModelRegistry) -> None:
    registry.configure_memory_management({
        "auto_unload_inactive": True, "inactive_timeout_minutes": 30, "memory_threshold_percent": 80,
        "max_loaded_models": 2,
    })  # fmt: skip
    policy = MemoryPolicy.objects.get(server=None)
    assert (policy.enabled, policy.inactive_timeout_minutes, policy.max_loaded_models) == (True, 30, 2)
    with pytest.raises(ValueError, match="max_models"):
        registry.configure_memory_management({"max_models": 2})


@shows("Manual Memory Control")
def test_models_are_loaded_and_unloaded_by_hand(studio: ScriptedLMStudio, lmstrix: Lmstrix) -> None:
    lmstrix("scan")
    states = ModelStateManager()
    states.load_model(LLAMA)
    states.unload_model(LLAMA)
    states.load_model(MISTRAL)
    states.unload_all_models()
    assert states.get_loaded_models() == []
    memory = states.get_memory_usage()
    assert f"{memory['total_mb']:,} {memory['used_mb']:,} {memory['available_mb']:,}"
    assert memory["source"] in {"measured", "estimated", "mixed"}


@shows("Track Model Usage")
def test_usage_is_recorded_and_its_trend_told(registry: ModelRegistry) -> None:
    now = timezone.now()
    for tokens in (245, 255):
        registry.record_inference(LLAMA, {
            "tokens_processed": tokens, "inference_time": 5.0, "timestamp": now.isoformat(), "success": True,
        })  # fmt: skip
    trends = registry.get_usage_trends(LLAMA, days=30)
    assert f"{trends['daily_avg']:.1f} {trends['monthly_tokens']:,}" == "0.1 500"
    assert str(trends["peak_day"]) == now.astimezone(UTC).date().isoformat()
    assert registry.get_model_usage_stats(LLAMA)["inference_count"] == 2


@shows("Performance Monitoring")
def test_performance_is_told_in_seconds_and_tokens(registry: ModelRegistry) -> None:
    for success in (True, True, True, False):
        registry.record_inference(LLAMA, {"tokens_processed": 100, "inference_time": 2.0, "success": success})
    metrics = registry.get_performance_metrics(LLAMA)
    assert f"{metrics['avg_response_time']:.2f}s {metrics['success_rate']:.1%}" == "2.00s 75.0%"
    assert metrics["p95_response_time"] == pytest.approx(2.0, rel=0.02)
    assert metrics["tokens_per_second"] == pytest.approx(50, rel=0.02)


@shows("Generate Reports")
def test_a_report_sums_a_period(registry: ModelRegistry) -> None:
    for key, day in ((LLAMA, "2024-01-10"), (LLAMA, "2024-01-31"), (MISTRAL, "2024-01-15"), (LLAMA, "2024-02-01")):
        record = {"tokens_processed": 100, "inference_time": 2.0, "timestamp": f"{day}T10:30:00Z", "success": True}
        registry.record_inference(key, record)
    report = registry.generate_performance_report(
        start_date="2024-01-01", end_date="2024-01-31", models=[LLAMA, MISTRAL]
    )
    assert (report["total_inferences"], report["most_used_model"]) == (3, LLAMA)
    assert f"{report['avg_latency']:.2f}s" == "2.00s"
    assert "2024-01-01" in str(report["period"])


def test_a_script_of_its_own_needs_nothing_but_the_import(tmp_path: Path) -> None:
    script = (
        "from lmstrix.loaders.model_loader import load_model_registry\n"
        "print(len(load_model_registry().list_models()))\n"
    )
    environment = {**os.environ, "LMSTRIX_DATA_DIR": str(tmp_path), "LMSTRIX_MIRROR_FILE": "", "DATABASE_URL": ""}
    done: Any = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr
