"""What a scan brings into the registry, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry import connecting
from registry.models import Instance, LanguageModel, Server
from tests.builders import make_server
from tests.scans import TESTED, again, rows, scan, scanned, with_results
from tests.scripted_http import answer
from tests.scripted_lmstudio import LIST, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")]) as server:
        yield server


@pytest.fixture
def server(studio: ScriptedLMStudio) -> Server:
    return make_server(name="shelf", base_url=studio.url)


def test_a_first_scan_adds_the_models_with_their_facts(server: Server) -> None:
    done = scan(server)
    assert (done.job.status, done.found, done.added, done.error) == ("succeeded", 2, ["qwen", "gemma"], "")  # type: ignore[union-attr]
    qwen = LanguageModel.objects.get(key="qwen")
    assert (qwen.name, qwen.publisher, qwen.architecture, qwen.quantization) == ("Qwen", "scripted", "qwen3", "Q4_K_M")
    assert (qwen.size_bytes, qwen.declared_context, qwen.parameters) == (2_500_000_000, 131_072, "4B")
    assert (qwen.parameter_count, qwen.format, qwen.vision, qwen.tool_use) == (4_000_000_000, "gguf", False, True)
    assert (qwen.test_status, qwen.tested_context, qwen.last_seen is not None) == ("untested", None, True)


def test_a_scan_says_what_it_found(server: Server, studio: ScriptedLMStudio) -> None:
    done = scan(server)
    assert done.job is not None
    assert (done.job.message, done.api, done.job.progress) == ("2 models, 2 new", "v1", 1.0)
    assert done.ping_seconds is not None
    assert 0 < done.ping_seconds < 5
    server.refresh_from_db()
    assert (server.reachable, server.error) == (True, "")


def test_a_second_scan_changes_nothing_but_the_time_it_was_seen(server: Server) -> None:
    scan(server)
    before = rows()
    done = scan(server)
    after = rows()
    assert (done.added, done.changed, done.missing) == ([], [], [])
    assert all(new.pop("last_seen") > old.pop("last_seen") for new, old in zip(after, before, strict=True))
    assert after == before


def test_test_results_tags_and_tests_are_kept(server: Server, studio: ScriptedLMStudio) -> None:
    found = with_results(server)
    studio.models[0]["display_name"] = "Qwen, renamed"
    done = scan(server)
    again(found)
    assert {name: getattr(found, name) for name in TESTED} == TESTED
    assert (found.name, found.stale, done.preserved) == ("Qwen, renamed", False, 1)
    assert (found.context_tests.count(), [tag.name for tag in found.tags.custom()]) == (1, ["favourite"])


def test_a_model_that_is_gone_is_missing_and_keeps_its_results(server: Server, studio: ScriptedLMStudio) -> None:
    found = with_results(server)
    studio.put("qwen", 4096)
    scan(server)
    del studio.models[0]
    done = scan(server)
    again(found)
    assert (found.missing, found.state, found.tested_context) == (True, "unloaded", 65_536)
    assert (done.missing, Instance.objects.count()) == (["qwen"], 0)
    assert done.job is not None
    assert done.job.message == "1 model, 1 missing"


def test_a_missing_model_is_told_once(server: Server, studio: ScriptedLMStudio) -> None:
    scan(server)
    del studio.models[0]
    assert (scan(server).missing, scan(server).missing) == (["qwen"], [])


def test_a_missing_model_comes_back(server: Server, studio: ScriptedLMStudio) -> None:
    found = with_results(server)
    gone = studio.models.pop(0)
    scan(server)
    studio.models.append(gone)
    done = scan(server)
    assert (again(found).missing, found.tested_context, done.added) == (False, 65_536, [])
    assert done.changed == [{"key": "qwen", "fields": {"missing": [True, False]}}]


def test_another_file_size_makes_a_test_stale(server: Server, studio: ScriptedLMStudio) -> None:
    found = with_results(server)
    studio.models[0]["size_bytes"] = 2_600_000_000
    scan(server)
    assert again(found).stale
    assert found.stale_reason == "the file changed from 2,500,000,000 to 2,600,000,000 bytes"


def test_another_file_size_says_nothing_of_a_model_never_tested(server: Server, studio: ScriptedLMStudio) -> None:
    found = scanned(server)
    studio.models[0]["size_bytes"] = 5
    scan(server)
    assert (again(found).stale, found.size_bytes) == (False, 5)


def test_another_variant_of_a_model_makes_its_test_stale(server: Server, studio: ScriptedLMStudio) -> None:
    studio.models[0]["selected_variant"] = "qwen@q4"
    found = with_results(server)
    studio.models[0]["selected_variant"] = "qwen@q8"
    done = scan(server)
    again(found)
    assert (found.variant, found.stale, found.stale_reason) == (
        "qwen@q8", True, "the variant changed from qwen@q4 to qwen@q8"
    )  # fmt: skip
    assert (done.added, done.missing, done.changed[0]["fields"]) == ([], [], {"variant": ["qwen@q4", "qwen@q8"]})


def test_two_variants_of_one_key_are_two_models(server: Server, studio: ScriptedLMStudio) -> None:
    studio.models[:] = [model("qwen", selected_variant=f"qwen@{name}") for name in ("q4", "q8")]
    scan(server)
    done = scan(server)
    assert (LanguageModel.objects.count(), done.added, done.changed) == (2, [], [])
    assert {found.public_id for found in LanguageModel.objects.all()} == {"shelf/qwen@qwen@q4", "shelf/qwen@qwen@q8"}


def test_the_older_api_leaves_what_it_does_not_tell_unknown(server: Server, studio: ScriptedLMStudio) -> None:
    studio.script(LIST, answer("Not found", 404))
    found = scanned(server)
    assert (found.size_bytes, found.bits_per_weight, found.parameters, found.parameter_count) == (None, None, "", None)
    assert (found.name, found.tool_use, found.quantization, found.declared_context) == ("qwen", None, "Q4_K_M", 131_072)


def test_the_older_api_erases_nothing_that_was_known(server: Server, studio: ScriptedLMStudio) -> None:
    studio.models[0] |= {"selected_variant": "qwen@q4", "description": "A model.", "params_string": "3.2B"}
    found = with_results(server)
    [before] = rows(pk=found.pk)
    studio.script(LIST, answer("Not found", 404))
    done = scan(server)
    [after] = rows(pk=found.pk)
    assert (done.api, done.added, done.changed, done.missing) == ("v0", [], [], [])
    assert after.pop("last_seen") > before.pop("last_seen")
    assert after == before


def test_a_description_that_was_taken_back_is_taken_back_here(server: Server, studio: ScriptedLMStudio) -> None:
    studio.models[0]["description"] = "A model."
    found = scanned(server)
    studio.models[0]["description"] = None
    scan(server)
    assert again(found).description == ""


def test_an_unreadable_entry_makes_no_model_missing(server: Server, studio: ScriptedLMStudio) -> None:
    found = scanned(server)
    studio.put("qwen", 8192)
    scan(server)
    studio.models[0]["size_bytes"] = "big"
    done = scan(server)
    assert (again(found).missing, found.size_bytes, found.state) == (False, 2_500_000_000, "loaded")
    assert Instance.objects.get().context_length == 8192
    assert done.rejected == ["models[0].size_bytes: must be a whole number, got 'big'"]
    assert done.job is not None
    assert (done.job.status, done.job.message) == ("succeeded", "1 model, 1 unreadable")


def test_loaded_copies_are_seen_with_their_settings(server: Server, studio: ScriptedLMStudio) -> None:
    studio.put("qwen", 4096)
    studio.put("qwen", 8192)
    found = scanned(server)
    assert [(copy.instance_id, copy.context_length) for copy in found.instances.all()] == [
        ("qwen", 4096), ("qwen:2", 8192),
    ]  # fmt: skip
    assert found.instances.all()[0].options["flash_attention"] is True
    studio.drop("qwen")
    scan(server)
    assert (again(found).state, found.instances.get().instance_id) == ("loaded", "qwen:2")
    studio.drop("qwen:2")
    scan(server)
    assert (again(found).state, found.instances.count()) == ("unloaded", 0)


def test_a_copy_that_stays_keeps_the_time_it_was_first_seen(server: Server, studio: ScriptedLMStudio) -> None:
    studio.put("qwen", 4096)
    scan(server)
    first = Instance.objects.get()
    studio.models[0]["loaded_instances"][0]["config"]["context_length"] = 2048
    scan(server)
    second = Instance.objects.get()
    assert (second.pk, second.first_seen, second.context_length) == (first.pk, first.first_seen, 2048)


def test_the_same_key_on_two_servers_is_two_models(server: Server) -> None:
    with ScriptedLMStudio([model("qwen", size_bytes=5)]) as second:
        other = make_server(name="laptop", base_url=second.url)
        scan(server)
        scan(other)
        ids = {found.public_id for found in LanguageModel.objects.filter(key="qwen")}
        assert ids == {"shelf/qwen", "laptop/qwen"}
        assert LanguageModel.objects.get(key="gemma").public_id == "gemma"
        second.models.clear()
        scan(other)
    assert [found.missing for found in LanguageModel.objects.filter(key="qwen").order_by("server__name")] == [
        True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "key", ["org/模型-7b", "a/b/c@d", "ключ с пробелом", "🦙", "x" * 500, "a%2Fb?c#d", "' OR 1=1 --"]
)
def test_any_key_is_kept_as_it_is(server: Server, studio: ScriptedLMStudio, key: str) -> None:
    studio.models[:] = [model(key)]
    scan(server)
    done = scan(server)
    assert (LanguageModel.objects.get().key, done.added, done.missing) == (key, [], [])


def test_a_renamed_server_keeps_its_models(server: Server) -> None:
    found = scanned(server)
    connecting.edit_server(server, name="rack")
    done = scan(server)
    assert (done.added, done.missing, again(found).server.name) == ([], [], "rack")  # type: ignore[union-attr]
    assert LanguageModel.objects.named("rack/qwen").get() == found
