"""Reading the list of models: v1, the older v0, and entries that are not as promised."""

from __future__ import annotations

from typing import Any

import pytest

from registry.lmstudio.errors import BadReply, LMStudioError
from registry.lmstudio.parsing import read_listing
from registry.lmstudio.wire import ReportedInstance, ReportedModel
from tests.registry.lmstudio.conftest import Ask
from tests.scripted_http import answer
from tests.scripted_lmstudio import LIST, OLD_LIST, ScriptedLMStudio, model


def listed(*entries: Any) -> Any:
    return read_listing({"models": list(entries)}, "v1", 0.0)


def test_every_field_of_a_model_is_read() -> None:
    instance = {"id": "a", "config": {"context_length": 4096, "eval_batch_size": 512, "num_experts": 8}}
    entry = model("a", selected_variant="a@q4", variants=["a@q4"], loaded_instances=[instance], description="text")
    assert listed(entry).models == (
        ReportedModel(
            key="a", type="llm", variant="a@q4", variants=("a@q4",), publisher="scripted", display_name="A",
            architecture="qwen3", quantization="Q4_K_M", bits_per_weight=4.0, size_bytes=2_500_000_000,
            params_string="4B", max_context_length=131_072, format="gguf", vision=False, tool_use=True,
            description="text", instances=(ReportedInstance("a", 4096, 512, num_experts=8),),
        ),
    )  # fmt: skip


def test_what_is_not_told_is_unknown() -> None:
    assert listed({"key": "a", "type": "embedding"}).models == (ReportedModel(key="a", type="embedding"),)


def test_nulls_are_unknown() -> None:
    names = ("quantization", "capabilities", "size_bytes", "loaded_instances", "format", "variants", "params_string")
    assert listed({"key": "a", "type": "llm", **dict.fromkeys(names)}).models == (ReportedModel("a", "llm"),)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"size_bytes": "big"}, "models[1].size_bytes: must be a whole number, got 'big'"),
        ({"size_bytes": True}, "models[1].size_bytes: must be a whole number, got True"),
        ({"size_bytes": -1}, "models[1].size_bytes: must be between 0 and 2^53, got -1"),
        ({"size_bytes": 2**60}, "models[1].size_bytes: must be between 0 and 2^53, got 1152921504606846976"),
        ({"key": None}, "models[1].key: must be a string, got nothing"),
        ({"key": ""}, "models[1].key: must not be empty, got ''"),
        ({"key": "a\0b"}, "models[1].key: must not hold a NUL character, got 'a\\x00b'"),
        ({"type": "tts"}, 'models[1].type: must be "llm" or "embedding", got \'tts\''),
        ({"loaded_instances": [{}]}, "models[1].loaded_instances[0].id: must be a string, got nothing"),
        ({"variants": [3]}, "models[1].variants[0]: must be a string, got 3"),
        ({"capabilities": []}, "models[1].capabilities: must be an object, got a list"),
        ({"capabilities": {"vision": 1}}, "models[1].capabilities.vision: must be true or false, got 1"),
        (
            {"quantization": {"bits_per_weight": "4"}},
            "models[1].quantization.bits_per_weight: must be a number, got '4'",
        ),
    ],
)
def test_one_bad_entry_is_named_and_the_others_are_kept(fields: Any, complaint: Any) -> None:
    listing = listed(model("a"), model("b") | fields, model("c"))
    assert ([each.key for each in listing.models], listing.rejected) == (["a", "c"], (complaint,))


def test_a_key_too_long_is_rejected_and_a_long_description_is_cut() -> None:
    listing = listed(model("k" * 501), model("a", description="d" * 5000))
    assert "at most 500 characters" in listing.rejected[0]
    assert len(listing.models[0].description or "") == 4000


def test_an_entry_that_is_no_object_is_rejected() -> None:
    assert listed(5).rejected == ("models[0]: must be an object, got 5",)


def test_quantizations_of_one_key_are_models_of_their_own() -> None:
    assert len(listed(model("a", selected_variant="a@q4"), model("a", selected_variant="a@q8")).models) == 2


def test_a_repeated_identity_keeps_the_first() -> None:
    listing = listed(model("a", size_bytes=1), model("a", size_bytes=2))
    assert (listing.models[0].size_bytes, listing.rejected) == (1, ("models[1]: repeats a",))


def test_the_older_list_is_asked_where_v1_is_missing(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(LIST, answer("Not found", 404))
    studio.put("qwen3-4b", 8192)
    listing = ask(lambda client: client.list_models())
    [found] = listing.models
    assert (listing.api, found.size_bytes, found.instances[0].context_length) == ("v0", None, 8192)


def test_the_older_list_names_vision_models_and_embeddings(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(LIST, answer({"error": "Unexpected endpoint or method. (GET /api/v1/models)"}))
    studio.models[:] = [model("eye", capabilities={"vision": True}), model("vectors", type="embedding")]
    eye, vectors = ask(lambda client: client.list_models()).models
    assert (eye.type, eye.vision, vectors.type, vectors.vision) == ("llm", True, "embedding", None)


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_the_older_list_is_not_asked_for_another_failure(studio: ScriptedLMStudio, ask: Ask, status: int) -> None:
    studio.script(LIST, answer("no", status))
    with pytest.raises(LMStudioError):
        ask(lambda client: client.list_models())
    assert not studio.calls(OLD_LIST)


def test_the_openai_list_is_not_taken_for_the_native_one(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.script(LIST, answer({"object": "list", "data": []}))
    with pytest.raises(BadReply):
        ask(lambda client: client.list_models())


def test_a_list_of_ten_thousand_models_is_read_whole(studio: ScriptedLMStudio, ask: Ask) -> None:
    studio.models[:] = [model(f"m{number}", variants=[f"m{number}@q4"]) for number in range(10_000)]
    assert len(ask(lambda client: client.list_models()).models) == 10_000
