"""Records requests to models: each once, together with the sums it is part of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from registry import finding, rolling_up
from registry.models import ApiToken, InferenceRecord, KeptExchange, LanguageModel, Registry
from registry.models.usage import Outcome, Source
from registry.record_rows import UUID_PLACE, Row, insert_new, row_of, told

MOST_AT_ONCE = 10_000
LONGEST_ERROR = 300
MOST_TOKENS, MOST_SECONDS = 10**12, 10**7  # of one request: more is a mistake
SECOND = 1_000_000
AHEAD = timedelta(days=1)  # that another clock may be


def record(rows: Sequence[InferenceRecord], *, exchanges: Iterable[KeptExchange] = ()) -> int:
    """Inserts the records whose uuid is not there yet, and adds these to the rollups, in one transaction.

    Gives how many were new. `exchanges`: prompts and answers of such records, kept as far as their tokens exist.
    """
    return record_rows([row_of(row) for row in rows], exchanges=exchanges)


def record_rows(rows: Sequence[Row], *, exchanges: Iterable[KeptExchange] = ()) -> int:
    """The same of plain rows."""
    with transaction.atomic():
        rolling_up.take_turns()
        new = insert_new(rows)
        rolling_up.add_to_rollups(map(told, new))
        if exchanges:
            names = {row[UUID_PLACE] for row in new}
            _keep([each for each in exchanges if each.record_uuid in names])
    return len(new)


def _keep(exchanges: Sequence[KeptExchange]) -> None:
    tokens = {each.token_id for each in exchanges}
    there = set(ApiToken.objects.filter(pk__in=tokens).values_list("pk", flat=True)) if tokens else set()
    KeptExchange.objects.bulk_create([each for each in exchanges if each.token_id in there], ignore_conflicts=True)


def record_inference(registry: Registry, model_id: str, fields: Mapping[str, Any]) -> InferenceRecord:
    """Records one request from the guide's fields (see FIELDS); gives its record, the one there was for a known uuid.

    ValueError that names the model when there is none, or the field that is unknown or whose value cannot be.
    """
    row = _row(_model(registry, model_id), fields)
    record([row])
    return InferenceRecord.objects.get(uuid=row.uuid)


def record_many(registry: Registry, each: Sequence[Mapping[str, Any]], *, token: ApiToken | None = None) -> int:
    """Records up to 10,000 requests, each with its `model` (id or number) beside its fields, all or (ValueError) none.

    `token`: of the program that tells of them. Gives how many were new. A fault is named with its place, counted from
    0: `[3]: inference_time must be ...`.
    """
    if len(each) > MOST_AT_ONCE:
        raise ValueError(f"{len(each):,} inferences at once are too many; send up to {MOST_AT_ONCE:,}.")
    models: dict[Any, LanguageModel] = {}
    rows = []
    for place, fields in enumerate(each):
        try:
            name = fields.get("model")
            if not isinstance(name, str | int) or isinstance(name, bool) or not name:
                raise ValueError(f"model must be the id of a model, got {name!r:.100}.")
            if name not in models:
                models[name] = _model(registry, name)
            rows.append(_row(models[name], {key: value for key, value in fields.items() if key != "model"}))
            rows[-1].token = token
        except ValueError as error:
            raise ValueError(f"[{place}]: {error}" if len(each) > 1 else str(error)) from error
    return record(rows)


def _model(registry: Registry, name: str | int) -> LanguageModel:
    if isinstance(name, str):
        return finding.model_named(registry, name, where=f" in registry {registry}")
    if model := LanguageModel.objects.filter(registry=registry, pk=name).first():
        return model
    raise ValueError(f"There is no model {name} in registry {registry}.")


def _row(model: LanguageModel, fields: Mapping[str, Any]) -> InferenceRecord:
    """The record that these fields tell of; ValueError names the first that is wrong."""
    if unknown := [name for name in fields if name not in FIELDS]:
        raise ValueError(f"{unknown[0]} is no field of an inference; there is {', '.join(FIELDS)}.")
    known = {name: FIELDS[name](name, value) for name, value in fields.items() if value is not None}
    duration, ttft = known.get("inference_time"), known.get("ttft")
    if duration is not None and ttft is not None and ttft > duration:
        raise ValueError("ttft is more than inference_time; the first token cannot come after the last.")
    success = known.get("success", "error" not in known)
    tokens_in, tokens_out, unsplit = _tokens(known)
    return InferenceRecord(
        uuid=known.get("uuid") or uuid4(),
        model=model,
        server_id=model.server_id,
        model_key=model.key,
        source=Source.REPORTED,
        outcome=Outcome.OK if success else Outcome.ERROR,
        error=known.get("error", ""),
        stream=ttft is not None,
        started=known.get("timestamp") or timezone.now(),
        duration_us=duration,
        ttft_us=ttft,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_unsplit=unsplit,
    )


def _tokens(known: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Tokens read, written, and (where only their sum is told) not told apart."""
    read, written, total = (known.get(name) for name in ("tokens_in", "tokens_out", "tokens_processed"))
    if total is None or (read is None and written is None):
        return read, written, total
    read = total - written if read is None else read
    written = total - read if written is None else written
    if read < 0 or written < 0 or read + written != total:
        raise ValueError(f"tokens_processed is {total:,}, which is not the sum of tokens_in and tokens_out.")
    return read, written, None


def _count(name: str, value: Any) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 0 <= value <= MOST_TOKENS:
        raise ValueError(f"{name} must be a whole number of tokens from 0 to {MOST_TOKENS:,}, got {value!r:.100}.")
    return int(value)


def _microseconds(name: str, value: Any) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= MOST_SECONDS:
        raise ValueError(f"{name} must be a number of seconds from 0 to {MOST_SECONDS:,}, got {value!r:.100}.")
    whole: int = round(value * SECOND)
    return whole


def _moment(name: str, value: Any) -> datetime:
    """A time; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{name} must be a time like 2024-01-15T10:30:00Z, got {value!r:.100}.") from error
    if not datetime(2000, 1, 1, tzinfo=UTC) <= moment <= timezone.now() + AHEAD:
        raise ValueError(f"{name} must be a time since the year 2000 that is past, got {value!s:.100}.")
    return moment


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r:.100}.")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {value!r:.100}.")
    return value.replace("\0", "")[:LONGEST_ERROR]


def _uuid(name: str, value: Any) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{name} must be a UUID, got {value!r:.100}.") from error


FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "tokens_processed": _count,
    "inference_time": _microseconds,  # seconds, the same for ttft
    "timestamp": _moment,
    "success": _truth,
    "tokens_in": _count,
    "tokens_out": _count,
    "ttft": _microseconds,
    "uuid": _uuid,
    "error": _text,
}
