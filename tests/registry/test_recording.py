"""Recording requests: each once, by the guide's fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from registry import recording
from registry.models import ApiToken, InferenceRecord, KeptExchange, Role, Rollup
from registry.models.usage import Outcome, Source
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]

GUIDE = {"tokens_processed": 245, "inference_time": 5.7, "timestamp": "2024-01-15T10:30:00Z", "success": True}


def recorded(**fields: Any) -> InferenceRecord:
    model = make_model()
    return recording.record_inference(model.registry, model.key, fields)


def test_the_guides_fields_make_a_record() -> None:
    row = recorded(**GUIDE)
    assert (row.tokens_unsplit, row.tokens_in, row.tokens_out) == (245, None, None)
    assert (row.duration_us, row.outcome, row.source) == (5_700_000, Outcome.OK, Source.REPORTED)
    assert row.started == datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    assert row.model is not None
    assert (row.model_key, row.server_id) == (row.model.key, row.model.server_id)


def test_without_a_uuid_every_call_is_a_new_record() -> None:
    model = make_model()
    for _ in range(2):
        recording.record_inference(model.registry, model.key, GUIDE)
    assert InferenceRecord.objects.count() == 2
    assert Rollup.objects.get(scope="all", period="day").requests == 2


def test_a_uuid_is_recorded_once_and_counted_once() -> None:
    model, name = make_model(), str(uuid4())
    first = recording.record_inference(model.registry, model.key, GUIDE | {"uuid": name})
    again = recording.record_inference(model.registry, model.key, GUIDE | {"uuid": UUID(name), "tokens_processed": 9})
    assert first == again
    assert Rollup.objects.get(scope="model", period="hour").tokens_unsplit == 245


def test_a_time_without_a_zone_is_utc_and_any_other_becomes_it() -> None:
    assert recorded(timestamp="2024-01-15T10:30:00").started == datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    assert recorded(timestamp="2024-01-15T10:30:00+02:00").started == datetime(2024, 1, 15, 8, 30, tzinfo=UTC)
    assert recorded(timestamp=datetime(2024, 1, 15)).started == datetime(2024, 1, 15, tzinfo=UTC)


def test_without_a_time_it_was_now() -> None:
    assert timezone.now() - recorded().started < timedelta(minutes=1)


def test_tokens_in_and_out_are_kept_apart() -> None:
    row = recorded(tokens_in=200, tokens_out=45, inference_time=2, ttft=0.5)
    assert (row.tokens_in, row.tokens_out, row.tokens_unsplit) == (200, 45, None)
    assert (row.ttft_us, row.stream) == (500_000, True)


def test_one_kind_of_tokens_and_a_total_tell_the_other() -> None:
    row = recorded(tokens_processed=245, tokens_in=200)
    assert (row.tokens_in, row.tokens_out, row.tokens_unsplit) == (200, 45, None)


def test_an_error_is_no_success() -> None:
    row = recorded(error="out of memory" * 100)
    assert (row.outcome, len(row.error)) == (Outcome.ERROR, 300)
    assert recorded(success=False).outcome == Outcome.ERROR


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tokens": 5}, "tokens is no field of an inference"),
        ({"tokens_processed": -1}, "tokens_processed must be"),
        ({"tokens_processed": True}, "tokens_processed must be"),
        ({"tokens_out": 1.5}, "tokens_out must be"),
        ({"tokens_in": "12"}, "tokens_in must be"),
        ({"inference_time": float("nan")}, "inference_time must be"),
        ({"inference_time": -0.1}, "inference_time must be"),
        ({"inference_time": 1, "ttft": 2}, "ttft is more than inference_time"),
        ({"timestamp": "yesterday"}, "timestamp must be a time"),
        ({"timestamp": "2999-01-01"}, "timestamp must be a time"),
        ({"timestamp": 5}, "timestamp must be a time"),
        ({"success": "yes"}, "success must be true or false"),
        ({"uuid": "x"}, "uuid must be a UUID"),
        ({"error": 5}, "error must be a text"),
        ({"tokens_processed": 5, "tokens_in": 9}, "tokens_processed is 5"),
    ],
)
def test_a_field_that_cannot_be_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recorded(**fields)
    assert not InferenceRecord.objects.exists()


def test_an_unknown_model_is_named_with_what_is_near() -> None:
    model = make_model(key="llama-3.2")
    with pytest.raises(ValueError, match=r"no model named llama-3 .*Near it: llama-3\.2"):
        recording.record_inference(model.registry, "llama-3", GUIDE)


def test_many_are_recorded_at_once_and_known_ones_left_alone() -> None:
    model = make_model()
    told = [{"model": model.key, "uuid": str(uuid4()), **GUIDE} for _ in range(1_200)]
    assert recording.record_many(model.registry, told[:700]) == 700
    assert recording.record_many(model.registry, told) == 500
    assert Rollup.objects.get(scope="cell", period="hour").requests == 1_200


def test_of_many_a_faulty_one_is_named_by_its_place_and_none_is_recorded() -> None:
    model = make_model()
    told: list[dict[str, Any]] = [{"model": model.key}, {"model": model.key, "tokens_in": -1}]
    with pytest.raises(ValueError, match=r"\[1\]: tokens_in must be"):
        recording.record_many(model.registry, told)
    assert not InferenceRecord.objects.exists()


def test_the_same_uuid_twice_in_one_batch_is_one_record() -> None:
    model, name = make_model(), str(uuid4())
    told = [{"model": model.key, "uuid": name, "tokens_in": tokens} for tokens in (1, 2)]
    assert recording.record_many(model.registry, told) == 1
    assert Rollup.objects.get(scope="all", period="hour").tokens_in == 1


def test_more_than_ten_thousand_at_once_are_refused() -> None:
    many: list[dict[str, Any]] = [{}] * 10_001
    with pytest.raises(ValueError, match="send up to 10,000"):
        recording.record_many(make_model().registry, many)


def test_what_was_said_is_kept_once_and_only_for_a_token_that_exists() -> None:
    token, _ = ApiToken.issue("program", Role.OPERATOR)
    row = InferenceRecord(uuid=uuid4(), model_key="m", token_id=token.pk)
    other = InferenceRecord(uuid=uuid4(), model_key="m", token_id=token.pk + 99)
    exchanges = [
        KeptExchange(record_uuid=uuid, token_id=number, request="?", answer="!", expires=timezone.now())
        for uuid, number in ((row.uuid, token.pk), (other.uuid, token.pk + 99))
    ]
    for _ in range(2):
        recording.record([row, other], exchanges=exchanges)
    assert KeptExchange.objects.get().record_uuid == row.uuid
