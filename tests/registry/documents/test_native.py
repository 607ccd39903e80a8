"""The native file: exact both ways, strict about what comes in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from registry.documents import reading
from registry.documents.content import Content, ModelId, Unreadable, public_ids
from registry.documents.native import as_native, canonical, from_native
from tests.registry.documents.contents_strategy import contents

slow_to_make = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # large examples take minutes to shrink
    max_examples=60,
    deadline=None,
)


@slow_to_make
@given(contents())
def test_any_full_document_reads_back_byte_for_byte(content: Content) -> None:
    data = canonical(as_native(content, full=True))
    assert canonical(as_native(reading.read(data), full=True)) == data


@slow_to_make
@given(contents())
def test_any_plain_document_reads_back_byte_for_byte(content: Content) -> None:
    data = canonical(as_native(content, full=False))
    assert canonical(as_native(reading.read(data), full=False)) == data


@slow_to_make
@given(contents(whole=True))
def test_nothing_of_a_registry_is_lost_in_its_full_document(content: Content) -> None:
    assert reading.read(canonical(as_native(content, full=True))) == content


@slow_to_make
@given(contents(with_tests=False))
def test_ids_are_distinct_and_do_not_depend_on_the_order(content: Content) -> None:
    ids = public_ids(content.models, content.servers)
    backwards = public_ids(dict(reversed(content.models.items())), content.servers)
    assert (len(set(ids.values())), backwards) == (len(content.models), ids)


GUIDE: dict[str, Any] = {
    "version": "1.0",
    "last_updated": "2024-01-15T10:30:00Z",
    "models": {
        "llama-3.2-3b-instruct": {
            "id": "llama-3.2-3b-instruct", "name": "Llama 3.2 3B Instruct", "display_name": "Llama 3.2 3B Instruct",
            "size_mb": 3276, "parameters": "3.2B", "type": "chat", "architecture": "llama", "context_window": 128000,
            "tested_context": 29696, "test_status": "tested", "last_tested": "2024-01-15T10:30:00Z",
            "test_iterations": 8, "test_duration": 156.7,
            "performance_metrics": {
                "avg_tokens_per_second": 42.3, "peak_memory_mb": 3847, "load_time_seconds": 8.2,
            },
            "usage_stats": {
                "inference_count": 127, "total_tokens_processed": 45832, "total_inference_time": 892.4,
                "last_used": "2024-01-15T09:45:00Z",
            },
            "metadata": {
                "added_date": "2024-01-10T14:20:00Z", "source": "lm_studio_scan", "tags": ["instruct", "chat", "3b"],
                "description": "Efficient instruction-following model",
            },
        }
    },
    "statistics": {
        "total_models": 8, "tested_models": 6, "untested_models": 2, "failed_tests": 0, "avg_context_limit": 34521,
        "total_inference_count": 856, "last_scan": "2024-01-15T08:00:00Z",
    },
}  # fmt: skip


def model_with(**fields: Any) -> dict[str, Any]:
    return {"models": {"x": fields}}


def read_model(**fields: Any) -> dict[str, Any]:
    return next(iter(from_native(model_with(**fields)).models.values()))


def test_every_field_of_the_guides_file_is_there_again() -> None:
    told = GUIDE["models"]["llama-3.2-3b-instruct"]
    written = as_native(from_native(GUIDE), full=False)["models"]["llama-3.2-3b-instruct"]
    flat = {name: value for name, value in told.items() if not isinstance(value, dict)}
    assert {name: written[name] for name in flat} == flat
    for part in ("performance_metrics", "usage_stats"):
        assert {name: written[part][name] for name in told[part]} == told[part]
    assert set(told["metadata"]["tags"]) <= set(written["metadata"]["tags"])


def test_tags_that_no_rule_derives_are_peoples_own() -> None:
    assert next(iter(from_native(GUIDE).models.values()))["tags"] == ["3b"]


def test_what_is_not_told_stays_untold() -> None:
    assert read_model(size_bytes=None, type=None) == {"size_bytes": None, "type": ""}


def test_megabytes_count_only_where_bytes_are_not_told() -> None:
    assert read_model(size_mb=1.5)["size_bytes"] == 3 * 2**19
    assert read_model(size_mb=1, size_bytes=5)["size_bytes"] == 5


def test_times_become_utc() -> None:
    assert read_model(last_tested="2024-01-15T10:30:00+02:00")["last_tested"] == "2024-01-15T08:30:00Z"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"size_mb": "big"}, 'models["x"].size_mb: must be a number, got "big"'),
        ({"size_bytes": -1}, 'models["x"].size_bytes: must be from 0 to'),
        ({"size_bytes": 2**63}, 'models["x"].size_bytes: must be from 0 to'),
        ({"context_window": 1.5}, 'models["x"].context_window: must be a whole number, got 1.5'),
        ({"type": "cat"}, 'models["x"].type: must be one of chat, code'),
        ({"vision": 1}, 'models["x"].vision: must be true or false, got 1'),
        ({"architecture": "a" * 201}, 'models["x"].architecture: must have at most 200 characters, got 201'),
        ({"last_tested": "soon"}, 'models["x"].last_tested: must be a time like'),
        ({"metadata": []}, 'models["x"].metadata: must be an object, got a list'),
        ({"metadata": {"tags": "a"}}, 'models["x"].metadata.tags: must be a list of texts, got "a"'),
        ({"metadata": {"tags": ["ok", "a,b"]}}, 'models["x"].metadata.tags: holds "a,b", which is no tag: a,b: a tag'),
        ({"metadata": {"custom_tags": ["a\x07"]}}, 'models["x"].metadata.custom_tags: holds "a\\u0007", which is no'),
        ({"tags": ["a,b"]}, 'models["x"].tags: holds "a,b", which is no tag'),
        ({"tags": ["a" * 101]}, 'models["x"].tags: must have at most 100 characters, got 101'),
        ({"usage_stats": {"inference_count": "n"}}, 'models["x"].usage_stats.inference_count: must be a number'),
        ({"tests": [{"created": "2024-01-01", "probes": [{}]}]}, 'models["x"].tests[0].probes[0].order: must be told'),
        ({"server": "attic"}, 'models["x"]: no server is called "attic"'),
        ({"server_url": "ftp://x"}, 'models["x"]: must be the address of a server'),
        ({"extra": {"a": float("inf")}}, 'models["x"].extra: holds inf'),
        ({"name": "\ud800"}, 'models["x"].name: holds half a character'),
    ],
    ids=range(20),
)
def test_a_fault_is_named_with_its_place(fields: Any, text: Any) -> None:
    with pytest.raises(Unreadable) as raised:
        from_native(model_with(**fields))
    assert text in str(raised.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(Unreadable) as raised:
        from_native({"models": {"x": {"size_mb": "a", "type": 5}, "y": 1}, "groups": {"g": {"models": ["z"]}}})
    assert [fault.place for fault in raised.value.faults] == [
        'models["x"].type', 'models["x"].size_mb', 'models["y"]', 'groups["g"].models',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "not a registry: it is a list"),
        ({"items": []}, "this is not a registry: it has no models"),
        ({"models": []}, "models: must be an object"),
        ({"version": "1.1", "models": {}}, "comes from a newer LMStrix.*Update LMStrix here"),
        ({"version": "2", "models": {}}, "comes from a newer LMStrix"),
        ({"version": "x", "models": {}}, 'version: must be "1.0", got "x"'),
    ],
    ids=range(6),
)
def test_a_document_that_is_no_registry_is_refused(document: Any, text: Any) -> None:
    with pytest.raises(Unreadable, match=text):
        from_native(document)


def test_a_field_that_nobody_knows_is_a_warning_told_once() -> None:
    data = json.dumps({"models": {"x": {"colour": 1}, "y": {"colour": 2}}}).encode()
    (warning,) = reading.read_file(data).warnings
    assert warning == 'models["x"].colour is not a field of a registry and was left out (2 times)'


def test_reading_only_what_is_good_leaves_faulty_models_out() -> None:
    content = reading.read_good(
        b'{"models": {"x": {"size_mb": "big"}, "y": {}}, "groups": {"g": {"models": ["x", "y"]}}}'
    )
    assert list(content.models) == content.groups["g"]["models"] == [ModelId("", "y", "")]


def test_a_server_may_be_named_that_the_registry_knows() -> None:
    content = from_native(model_with(server="lab"), servers={"lab": "http://lab:1234"})
    assert list(content.models) == [ModelId("http://lab:1234", "x", "")]


def test_two_entries_may_not_be_the_same_model() -> None:
    with pytest.raises(Unreadable, match="is the same model as models"):
        from_native({"models": {"x": {}, "y": {"key": "x"}}})


SERVERS: dict[str, dict[str, Any]] = {"http://a:1": {"name": "a"}, "http://c:1": {"name": "c"}}


def test_ids_that_would_fall_together_are_kept_apart() -> None:
    one, two = ModelId("http://a:1", "b", ""), ModelId("http://c:1", "b", "")
    named = ModelId("http://c:1", "a/b", "")
    ids = public_ids({model: {} for model in (one, two, named)}, SERVERS)
    assert ids == {one: "a/b@", two: "c/b", named: "a/b"}
