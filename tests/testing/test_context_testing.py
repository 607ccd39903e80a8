"""Context tests against a scripted LM Studio: verdicts, thresholds, what is asked, what is kept."""

import re
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from django.db import connection

from registry import connecting, jobs, scanning
from registry.models import Job, LanguageModel, Server
from registry.models.language_model import CheckStatus
from testing import context_testing
from testing.context_testing import Options
from testing.models import ContextTest, Probe
from testing.probing import Prober
from testing.search import ContextSearch, Tried, Why
from tests.builders import make_model
from tests.scripted_http import RESET, answer
from tests.scripted_lmstudio import CHAT, LIST, LOAD, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def remembers(text: str) -> str:
    """An answer that recalls every planted code."""
    return " ".join(re.findall(r"code of \w+ is (\d+)", text)) or "yes"


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen", max_context_length=32_768)], says=remembers) as server:
        yield server


def scanned(studio: ScriptedLMStudio, **server: Any) -> LanguageModel:
    """The first model of a freshly added and scanned server."""
    added = connecting.add_server(name="studio", base_url=studio.url, **server)
    jobs.run(scanning.enqueue(added, door="test").pk)
    return LanguageModel.objects.select_related("server", "registry").get(key=studio.models[0]["key"])


def run_test(found: LanguageModel, **options: Any) -> ContextTest:
    """The test of `found`, run to its end in this thread."""
    job = context_testing.enqueue([found], Options(**options), door="test")
    jobs.run(job.pk)
    found.refresh_from_db()
    return ContextTest.objects.select_related("job", "model").get(job=job)


def test_a_model_that_keeps_its_promise_is_verified_at_its_declared_size(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    test = run_test(found)
    assert (test.verdict, found.tested_context, found.test_status) == ("verified", 32_768, CheckStatus.TESTED)
    assert (test.recall_found, test.recall_asked) == (3, 3)


def test_a_limit_is_found_within_one_percent_and_few_loads(studio: ScriptedLMStudio) -> None:
    studio.models[0]["max_context_length"] = 131_072
    studio.behaviour.limit = 37_900
    studio.behaviour.gb_at = lambda context: 3.0 + context * 24e-6
    found = scanned(studio, memory_limit_bytes=int(3e9 + 37_900 * 24_000))
    test = run_test(found)
    assert test.tested_context is not None
    assert 37_900 - 379 <= test.tested_context <= 37_900
    assert test.iterations <= 10
    assert test.iterations == len(studio.calls(LOAD))


def test_what_was_measured_becomes_a_tag_and_a_change_of_the_registry(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    before = found.registry.version
    run_test(found)
    found.refresh_from_db()
    tag = found.tags.get(family="performance")
    assert f"{found.tokens_per_second:,.1f} tokens/s" in tag.reason
    found.registry.refresh_from_db()
    assert found.registry.version > before


def test_the_second_test_starts_at_the_last_result(studio: ScriptedLMStudio) -> None:
    studio.behaviour.limit = 20_000
    found = scanned(studio)
    first = run_test(found)
    again = run_test(found)
    assert again.tested_context == first.tested_context
    assert again.iterations <= 4


def test_a_model_that_does_not_load_at_all_fails_with_the_reason(studio: ScriptedLMStudio) -> None:
    studio.script(LOAD, answer({"error": {"type": "model_load_failed", "message": "bad file"}}, 500))
    found = scanned(studio)
    test = run_test(found)
    assert (test.verdict, found.test_status, found.tested_context) == ("does not load", CheckStatus.FAILED, None)
    assert "bad file" in test.probes.all()[0].message


def test_a_server_that_applies_less_is_named_and_not_believed(studio: ScriptedLMStudio) -> None:
    studio.behaviour.applied = lambda context: min(context, 6553)
    test = run_test(scanned(studio), fixed_context=32_768)
    assert test.verdict == "server applied less"
    assert [probe.applied for probe in test.probes.all()] == [6553]


def test_rounding_up_is_as_asked(studio: ScriptedLMStudio) -> None:
    studio.behaviour.applied = lambda context: context + 192
    assert run_test(scanned(studio), fixed_context=4000).verdict == "verified"


def test_a_prompt_that_is_cut_silently_is_not_verified(studio: ScriptedLMStudio) -> None:
    studio.behaviour.count_tokens = lambda text: min(8 + len(text) // 4, 3000)
    test = run_test(scanned(studio), fixed_context=8192)
    assert test.verdict == "silently truncated"
    assert test.tested_context is None


def test_an_empty_answer_to_a_full_window_steps_down(studio: ScriptedLMStudio) -> None:
    studio.behaviour.fill_limit = 30_500
    test = run_test(scanned(studio))
    kinds = [probe.kind for probe in test.probes.all()]
    assert kinds.count("step down") >= 1
    assert test.tested_context is not None
    assert test.tested_context < 32_768


def test_a_model_that_recalls_nothing_is_still_read_to_the_end(studio: ScriptedLMStudio) -> None:
    studio.behaviour.says = lambda _: "I do not know."
    found = scanned(studio)
    test = run_test(found)
    assert (test.verdict, found.tested_context) == ("reads but does not recall", 32_768)


def test_nothing_is_loaded_above_the_threshold(studio: ScriptedLMStudio) -> None:
    test = run_test(scanned(studio), threshold=5000)
    assert test.tested_context == 5000
    assert max(probe.requested for probe in test.probes.all()) == 5000


def test_a_smaller_fixed_size_does_not_lower_a_verified_window(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    run_test(found)
    run_test(found, fixed_context=4096)
    assert found.tested_context == 32_768


def test_the_server_is_left_as_it_was_found(studio: ScriptedLMStudio) -> None:
    studio.models.append(model("gemma"))
    studio.put("gemma", 12_288)
    found = scanned(studio)
    run_test(found)
    assert studio.instances() == ["gemma"]
    loaded = studio.models[1]["loaded_instances"][0]["config"]["context_length"]
    assert loaded == 12_288


def test_other_models_are_set_aside_while_a_size_is_tried(studio: ScriptedLMStudio) -> None:
    studio.models.append(model("gemma"))
    studio.put("gemma", 12_288)
    seen: list[list[str]] = []
    studio.behaviour.applied = lambda context: seen.append(studio.instances()) or context  # type: ignore[func-returns-value]
    run_test(scanned(studio), fixed_context=4096)
    assert seen[0] == []


def test_a_dropped_connection_is_tried_once_more_and_then_called_a_crash(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    studio.script(CHAT, [RESET])
    test = run_test(found, fixed_context=4096)
    assert [probe.verdict for probe in test.probes.all()] == ["interrupted", "crashed"]


def test_a_refusal_while_a_stray_copy_is_loaded_says_nothing_about_the_size(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    message = "this model requires approximately 9.00 GB of memory"
    refused = answer({"error": {"type": "model_load_failed", "message": message}}, 500)

    def once(_: Any) -> Any:
        studio.unscript(LOAD)
        studio.put("qwen", 2048)
        return refused

    studio.script(LOAD, once)
    test = run_test(found, fixed_context=4096)
    assert test.verdict == "verified"
    assert test.iterations == 2


def test_an_embedding_model_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="embedding model"):
        context_testing.enqueue([make_model(type="embedding")], Options(), door="test")


def test_a_model_cannot_be_tested_twice_at_once(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    context_testing.enqueue([found], Options(), door="test")
    with pytest.raises(ValueError, match="being tested already"):
        context_testing.enqueue([found], Options(), door="test")


def test_several_models_become_one_parent_with_children(studio: ScriptedLMStudio) -> None:
    studio.models.append(model("gemma", max_context_length=4096))
    scanned(studio)
    parent = context_testing.enqueue(list(LanguageModel.objects.all()), Options(), door="test")
    for child in parent.children.all():
        jobs.run(child.pk)
    parent.refresh_from_db()
    assert (parent.status, parent.message) == ("succeeded", "2 of 2 done")


def test_a_second_experiment_waits_for_the_server(studio: ScriptedLMStudio) -> None:
    studio.models.append(model("gemma", max_context_length=4096))
    first = scanned(studio)
    holder = Job.objects.create(kind="context_test")
    assert first.server is not None
    first.server.take_for(holder)
    job = context_testing.enqueue([first], Options(), door="test")
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.status, job.message, job.waiting_for) == ("queued", "waiting for studio", first.server)


@pytest.mark.parametrize("bad", [{"threshold": 100}, {"fixed_context": 2**30}, {"timeout_seconds": 0}])
def test_options_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="use"):
        Options(**bad)


def test_a_test_killed_between_probes_goes_on_and_repeats_none(studio: ScriptedLMStudio) -> None:
    studio.behaviour.limit = 20_000
    found = scanned(studio)
    whole = [probe.requested for probe in run_test(found).probes.all()]
    context_testing.forget([found])
    Server.objects.update(guardrail_seen=False)
    found = LanguageModel.objects.select_related("server").get(pk=found.pk)
    job = context_testing.enqueue([found], Options(), door="test")
    stop_after(job, 3)
    jobs.run(job.pk)
    assert [probe.requested for probe in ContextTest.objects.get(job=job).probes.all()] == whole


def stop_after(job: Job, probes: int) -> None:
    """Runs `job` until it has so many probes, then drops it as a killed worker would, and queues it again."""

    class Killed(BaseException): ...

    begin = Prober._begin

    def begin_or_die(self: Prober, size: int, why: Why) -> Probe:
        row = begin(self, size, why)
        if row.order > probes:
            raise Killed
        return row

    with mock.patch.object(Prober, "_begin", begin_or_die), pytest.raises(Killed):
        jobs.run(job.pk)
    Job.objects.filter(pk=job.pk).update(status="queued", lease="")


def test_a_server_that_is_gone_before_the_first_probe_is_waited_for(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)

    def gone_once(_: Any) -> Any:
        studio.unscript(LIST)
        return [RESET]

    studio.script(LIST, gone_once)
    assert run_test(found, fixed_context=4096).verdict == "verified"


def test_a_server_that_is_gone_while_things_are_put_back_is_waited_for(studio: ScriptedLMStudio) -> None:
    studio.models.append(model("gemma"))
    studio.put("gemma", 12_288)
    found = scanned(studio)

    def gone_once(request: Any) -> Any:
        if request.json["model"] != "gemma":
            return None
        studio.unscript(LOAD)
        return [RESET]

    studio.script(LOAD, gone_once)
    assert run_test(found, fixed_context=4096).verdict == "verified"
    assert studio.instances() == ["gemma"]


def test_a_limited_test_does_not_hold_a_later_whole_one_back(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    run_test(found, fixed_context=2048)
    run_test(found, threshold=4096)
    assert run_test(found).tested_context == 32_768


def test_a_refused_token_says_nothing_about_the_model(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    run_test(found)
    studio.script(LOAD, answer({"error": {"type": "invalid_request", "code": "invalid_api_key", "message": "no"}}, 401))
    test = run_test(found)
    assert test.job is not None
    assert (test.job.status, test.verdict) == ("failed", "")
    assert (found.tested_context, found.test_status) == (32_768, CheckStatus.TESTED)


def test_a_result_is_kept_when_another_model_cannot_be_loaded_again(studio: ScriptedLMStudio) -> None:
    studio.models.append(model("gemma"))
    studio.put("gemma", 12_288)
    found = scanned(studio)
    refused = answer({"error": {"type": "model_load_failed", "message": "disk error"}}, 500)
    studio.script(LOAD, lambda request: refused if request.json["model"] == "gemma" else None)
    test = run_test(found)
    assert test.job is not None
    assert (test.job.status, found.tested_context) == ("succeeded", 32_768)
    assert "not everything could be loaded again: gemma" in test.job.message


def test_a_fill_answered_by_an_instance_loaded_anew_is_not_believed(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)
    long = 10_000  # bytes of a request: only a fill is longer

    def vanish(request: Any) -> None:
        if len(request.body) > long:
            studio.drop("qwen")

    studio.script(CHAT, vanish)
    studio.behaviour.default_context = 16_384
    test = run_test(found, fixed_context=8192)
    assert (test.verdict, test.tested_context) == ("crashed", None)


def test_a_measured_estimate_that_was_wrong_corrects_the_next_one() -> None:
    search = ContextSearch(131_072, limit_bytes=440_401_920)
    for size in (2048, 4096):
        search.record(Tried(size, True, memory_bytes=150_000_000 + size * 23_040))
    search.record(Tried(7424, True))
    search.record(Tried(7680, False))
    assert search.learned_correction == pytest.approx(7424 / 12_604, rel=0.01)


def test_a_file_that_changes_during_its_test_leaves_a_stale_result(studio: ScriptedLMStudio) -> None:
    found = scanned(studio)

    def rescan() -> None:
        LanguageModel.objects.filter(pk=found.pk).update(size_bytes=7)
        connection.close()

    def change(_: Any) -> None:
        thread = threading.Thread(target=rescan)  # the scripted server's own thread has an event loop
        thread.start()
        thread.join()

    studio.script(CHAT, change)
    run_test(found, fixed_context=4096)
    assert (found.stale, found.stale_reason) == (True, "the file changed while it was tested")
