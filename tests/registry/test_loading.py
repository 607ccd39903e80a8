"""Loads: what is sent, read back, kept in the ledger and in the state log; and never a second copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from registry import asking, ledger, loading, unloading
from registry.lmstudio import errors
from registry.models import AuditEvent, GatewayProcess, Instance, LanguageModel, Registry, Server, StateChange
from registry.models.instance import LoadedBy
from registry.models.state_change import Cause
from tests.builders import make_job, make_model, make_server
from tests.scripted_http import RESET, answer
from tests.scripted_lmstudio import LOAD, UNLOAD, ScriptedLMStudio, model

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def studio() -> Iterator[ScriptedLMStudio]:
    with ScriptedLMStudio([model("qwen"), model("gemma")]) as server:
        yield server


@pytest.fixture
def qwen(studio: ScriptedLMStudio) -> LanguageModel:
    return make_model(key="qwen", server=make_server(name="shelf", base_url=studio.url))


def log(of: LanguageModel) -> list[tuple[str, str, str]]:
    return list(StateChange.objects.filter(model=of).order_by("pk").values_list("old", "new", "cause"))


def sent(studio: ScriptedLMStudio) -> dict[str, Any]:
    return {k: v for k, v in studio.calls(LOAD)[-1].json.items() if k not in ("model", "echo_load_config")}


def seen(server: Server) -> None:
    """Takes over what the server shows, as a look at it does."""
    for each in LanguageModel.objects.filter(server=server):
        offer = unloading.offered(each, asking.listing(server))
        assert offer is not None
        unloading.rows_of(each, offer)


def test_a_load_sends_what_was_asked_and_keeps_both_sides(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    wish = {"flash_attention": False, "batch": 256}
    copy = loading.load(qwen, context=8192, options=wish)
    assert sent(studio) == {"context_length": 8192, "flash_attention": False, "eval_batch_size": 256}
    assert (copy.instance_id, copy.context_length, copy.loaded_by) == ("qwen", 8192, LoadedBy.US)
    assert copy.asked == sent(studio)
    assert "asked for flash attention off, which is on" in copy.drift


def test_the_state_log_tells_the_load_and_the_context(qwen: LanguageModel) -> None:
    loading.load(qwen, context=8192)
    assert log(qwen) == [("unloaded", "loading", "us"), ("loading", "loaded", "us")]
    last = StateChange.objects.filter(model=qwen).first()
    assert last is not None
    assert last.context_length == 8192
    assert AuditEvent.objects.get(action="load").summary == "on shelf with 8,192 tokens"


def test_a_silently_shrunk_context_is_a_drift(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.behaviour.applied = lambda context: context // 10
    copy = loading.load(qwen, context=65_536)
    assert copy.drift == "asked for 65,536 tokens, the server applied 6,553 without a word"


def test_a_copy_that_is_loaded_already_is_given_back(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.put("qwen", 8192)
    copy = loading.load(qwen, context=4096)
    assert (copy.context_length, copy.loaded_by, studio.calls(LOAD)) == (8192, LoadedBy.OTHERS, [])
    assert log(qwen) == [("unloaded", "loaded", "seen")]


def test_a_smaller_copy_is_replaced_never_doubled(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.put("qwen", 2048)
    copy = loading.load(qwen, context=4096)
    assert (studio.instances(), copy.context_length, Instance.objects.count()) == (["qwen"], 4096, 1)


def test_the_gateway_does_not_replace_what_others_loaded(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.put("qwen", 2048)
    with pytest.raises(loading.InUse, match=r"loaded by somebody else, with 2,048 tokens"):
        loading.load(qwen, context=4096, by=LoadedBy.GATEWAY, cause=Cause.GATEWAY)
    assert studio.calls(UNLOAD) == []


def test_the_same_wish_again_is_not_tried_again(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.behaviour.applied = lambda context: context // 2
    loading.load(qwen, context=8192)
    assert loading.load(qwen, context=8192).context_length == 4096
    assert len(studio.calls(LOAD)) == 1


def test_other_options_load_it_anew(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.put("qwen", 8192)
    loading.load(qwen, options={"kv_offload": False})
    loading.load(qwen, options={"kv_offload": False})
    assert (len(studio.calls(LOAD)), studio.instances()) == (1, ["qwen"])


def test_a_refusal_is_the_error_state_with_its_reason(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    studio.behaviour.limit = 4096
    with pytest.raises(errors.OutOfMemory):
        loading.load(qwen, context=8192)
    qwen.refresh_from_db()
    assert (qwen.state, Instance.objects.count()) == ("error", 0)
    assert "insufficient system resources" in qwen.state_error


def test_what_had_to_go_for_a_load_that_failed_comes_back(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    loading.load(qwen, context=2048)
    studio.behaviour.limit = 4096
    with pytest.raises(errors.OutOfMemory, match="it is loaded again as it was before"):
        loading.load(qwen, context=8192)
    copy = Instance.objects.get()
    assert (copy.context_length, copy.loaded_by, copy.asked) == (2048, "us", {"context_length": 2048})
    assert [new for _, new, _ in log(qwen)][-2:] == ["error", "loaded"]


def test_a_lost_answer_is_no_lost_load(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    def lose(_: object) -> Any:
        studio.put("qwen", 8192)
        return [RESET]

    studio.script(LOAD, lose)
    assert loading.load(qwen, context=8192).context_length == 8192
    qwen.refresh_from_db()
    assert qwen.state == "loaded"


def test_of_two_copies_made_at_once_one_stays(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    def beside(_: object) -> None:
        studio.put("qwen", 8192)  # somebody loads it past LMStrix

    studio.script(LOAD, beside)
    copy = loading.load(qwen, context=4096)
    assert (studio.instances(), copy.instance_id) == (["qwen"], "qwen")


def test_a_second_copy_is_shown_as_a_drift_until_it_is_gone(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    loading.load(qwen, context=4096)
    studio.put("qwen", 8192)
    server = Server.objects.get()
    seen(server)
    assert Instance.objects.get(instance_id="qwen:2").drift.startswith("a second copy of the same model beside qwen")
    Instance.objects.filter(instance_id="qwen").delete()
    assert ledger.check(server) == 1
    assert Instance.objects.get().drift == ""


def test_every_registry_sees_the_copy(qwen: LanguageModel) -> None:
    twin = make_model(key="qwen", server=qwen.server, registry=Registry.objects.create(name="other"))
    loading.load(qwen, context=4096)
    twin.refresh_from_db()
    assert (twin.state, twin.instances.get().loaded_by) == ("loaded", LoadedBy.US)


def test_one_of_two_files_of_a_key_is_named_by_its_variant(studio: ScriptedLMStudio) -> None:
    studio.models = [model("qwen", selected_variant="qwen@q4"), model("qwen", selected_variant="qwen@q8")]
    chosen = make_model(key="qwen", variant="qwen@q8", server=make_server(base_url=studio.url))
    studio.script(LOAD, answer({"error": {"type": "model_load_failed", "message": "no"}}, 500))
    with pytest.raises(errors.LoadFailed):
        loading.load(chosen)
    assert studio.calls(LOAD)[0].json["model"] == "qwen@q8"


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"context": 0}, r"The context is 0; use 1 to 16,777,216 tokens\."),
        ({"options": {"batch": 0}}, "The eval_batch_size is 0"),
        ({"options": {"flash_attention": "yes"}}, "use on or off"),
        ({"options": {"ttl": 5}}, "A load has no option 'ttl'"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_before_anything_is_sent(
    qwen: LanguageModel, studio: ScriptedLMStudio, wish: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        loading.load(qwen, **wish)
    assert studio.requests == []


@pytest.mark.parametrize(
    ("fields", "told"), [({"missing": True}, "no longer on shelf"), ({"key": "gone"}, "no longer on shelf")]
)
def test_what_is_not_there_is_not_loaded(qwen: LanguageModel, fields: dict[str, Any], told: str) -> None:
    for name, value in fields.items():
        setattr(qwen, name, value)
    qwen.save()
    with pytest.raises(ValueError, match=told):
        loading.load(qwen)


def test_a_server_held_by_an_experiment_is_left_alone(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    job = make_job(kind="context_test", title="gemma")
    assert qwen.server is not None
    assert qwen.server.take_for(job)
    with pytest.raises(loading.Reserved, match=rf"reserved for the context test of gemma \(job {job.pk}\)"):
        loading.load(qwen)
    assert studio.requests == []


def test_an_unload_takes_it_out_and_logs_it(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    loading.unload(loading.load(qwen), reason="to make room")
    assert (studio.instances(), Instance.objects.count()) == ([], 0)
    assert [new for _, new, _ in log(qwen)][2:] == ["unloading", "unloaded"]


def test_one_of_two_copies_goes_and_the_model_stays_loaded(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    loading.load(qwen)
    studio.put("qwen", 8192)
    assert qwen.server is not None
    seen(qwen.server)
    loading.unload(Instance.objects.get(instance_id="qwen:2"))
    qwen.refresh_from_db()
    assert (studio.instances(), qwen.state) == (["qwen"], "loaded")


def test_one_that_is_gone_already_is_fine(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    copy = loading.load(qwen)
    studio.drop("qwen")
    loading.unload(copy)
    qwen.refresh_from_db()
    assert qwen.state == "unloaded"


def test_a_copy_in_use_stays_loaded(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    copy = loading.load(qwen)
    GatewayProcess.objects.create(
        name="elsewhere:1:0", seen=copy.first_seen, knows=copy.first_seen, in_flight={f"{copy.server_id}:qwen": 2}
    )
    with pytest.raises(loading.InUse, match="in use"):
        loading.unload(copy, patience=0.1)
    copy.refresh_from_db()
    assert (copy.draining, studio.instances()) == (None, ["qwen"])
    loading.unload(copy, patience=0.1, force=True)
    assert studio.instances() == []


def test_an_unload_that_is_refused_leaves_it_loaded(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    copy = loading.load(qwen)
    studio.script(UNLOAD, answer({"error": {"type": "internal_error", "message": "busy"}}, 500))
    with pytest.raises(errors.LMStudioError, match="busy"):
        loading.unload(copy)
    qwen.refresh_from_db()
    copy.refresh_from_db()
    assert (qwen.state, copy.draining) == ("loaded", None)


def test_unload_all_takes_also_what_no_registry_knows(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    loading.load(qwen)
    studio.put("gemma", 2048)
    studio.put("gemma", 2048)
    assert (loading.unload_all(), studio.instances()) == (3, [])


def test_unload_all_goes_on_past_a_silent_server(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    make_server(name="a silent one")
    studio.put("qwen", 2048)
    with pytest.raises(ValueError, match="cannot be reached"):
        loading.unload_all()
    assert studio.instances() == []


def test_a_pinned_model_may_be_unloaded_by_a_person(qwen: LanguageModel, studio: ScriptedLMStudio) -> None:
    LanguageModel.objects.update(pinned=True)
    loading.unload(loading.load(qwen))
    assert studio.instances() == []
