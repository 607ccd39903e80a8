"""How much models are used and how fast they answer: trends, metrics and reports, read from the rollups only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from registry import finding, usage_names
from registry.models import LanguageModel, Registry
from registry.models.usage import InferenceRecord, Period, Rollup, Scope
from registry.summing import SKETCHES
from registry.usage_figures import Line, Metrics, Report, Trends
from registry.usage_rollups import Whose, sums, totals
from registry.usage_sums import Use, Window, total

MOST_DAYS = 3_660  # ten years
DAYS = 30


def trends(model: LanguageModel | None, days: int = DAYS, *, registry: Registry | None = None) -> Trends:
    """The last `days` days, today among them, of a model, or of all (of `registry`)."""
    now = timezone.now()
    window = Window.days(checked_days(days), now)
    whose = _whose(model, registry)
    found = totals(whose.within(window), "start")
    first = now.astimezone(UTC).date().replace(day=1)
    this_month = Window.between(first, now.astimezone(UTC).date())
    month = total(totals(whose.within(this_month), "period").values())
    return Trends([(start.date(), found.get(start) or Use()) for start in window.starts], month)


def checked_days(days: int) -> int:
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"{days} is no number of days; ask for 1 to {MOST_DAYS:,}.")
    return days


def _whose(model: LanguageModel | None, registry: Registry | None) -> Whose:
    return Whose(registry) if model is None else Whose(model=model.pk)


def metrics(model: LanguageModel | None, days: int = DAYS, *, registry: Registry | None = None) -> Metrics:
    """Over the last `days` days, today among them, of a model, or of all (of `registry`)."""
    window = Window.days(checked_days(days), timezone.now())
    rows = _whose(model, registry).within(window)
    return Metrics(total(sums(rows, "period", sketches=SKETCHES).values()))


def report(
    registry: Registry, start: date | str | None, end: date | str | None, models: Collection[str] | None = None
) -> Report:
    """From `start` to `end`, both included (default: the last 30 days), of all models or of these, by their ids.

    A model that is gone is named by the key it was called by. ValueError, with a sentence, for what is no date or no
    model; a model without requests has a line of zeros.
    """
    first, last = period(start, end)
    rows = Whose(registry).within(Window.between(first, last), "model_id")
    found = {key[0]: of for key, of in sums(rows, "model_id").items()}
    if models is not None:
        found = {pk: found.get(pk) or Use() for pk in _chosen(registry, models, found)}
        rows = rows.filter(model_id__in=found)
    names = usage_names.models(found)
    lines = sorted(
        (Line(names[pk], of) for pk, of in found.items()), key=lambda line: (-line.of.requests, line.named.id)
    )
    by_day = totals(rows, "start")
    days = [(at.date(), by_day.get(at) or Use()) for at in Window.between(first, last).starts]
    return Report(registry.name, first, last, total(line.of for line in lines), lines, days)


def _chosen(registry: Registry, wanted: Collection[str], found: dict[int, Use]) -> list[int]:
    """Primary keys of the models that are named."""
    there = LanguageModel.objects.filter(pk__in=found).values_list("pk", flat=True)
    gone: dict[str, int] | None = None
    chosen = []
    for name in dict.fromkeys([wanted] if isinstance(wanted, str) else wanted):
        try:
            chosen.append(finding.model_named(registry, name, where=f" in registry {registry}").pk)
        except ValueError:
            if gone is None:
                lost = set(found) - set(there) - {0}
                gone = {named.id: pk for pk, named in usage_names.models(lost).items()}
            if name not in gone:
                raise
            chosen.append(gone[name])
    return chosen


def period(start: date | str | None, end: date | str | None, *, today: date | None = None) -> tuple[date, date]:
    """First and last day; ValueError with a sentence for what is none."""
    today = today or timezone.now().astimezone(UTC).date()
    last = _day_of(end) or today
    first = _day_of(start) or last - timedelta(days=DAYS - 1)
    if first > last:
        raise ValueError(f"The report would start on {first} and end before, on {last}; turn the two round.")
    if (last - first).days >= MOST_DAYS:
        raise ValueError(f"{first} to {last} is too long; a report spans {MOST_DAYS:,} days at most.")
    if first > today:
        raise ValueError(f"The report would start on {first}, which lies in the future; today is {today} (UTC).")
    return first, last


def _day_of(told: date | str | None) -> date | None:
    if not told:
        return None
    found: date | None = told if isinstance(told, date) else None
    if isinstance(told, str):
        try:
            found = parse_date(told) or parse_datetime(told)
        except ValueError:
            found = None
    if found is None or not 2000 <= found.year < 9999:  # days beside it are computed, and beyond there are none
        raise ValueError(f"{told} is no day; write it like 2026-01-31.")
    if isinstance(found, datetime):
        return (found.astimezone(UTC) if found.tzinfo else found).date()
    return found


LISTED = 5_000  # keys named in one query; beyond, all are read


def usage_stats(models: Iterable[LanguageModel]) -> dict[int, dict[str, Any]]:
    """The guide's usage statistics by primary key: of the records where there are any, else what a file told.

    inference_count, total_tokens_processed, total_inference_time (seconds), last_used (time or None) and the averages
    avg_tokens_per_inference and avg_time_per_inference; unknown is None.
    """
    wanted = list(models)
    live = live_usage([model.pk for model in wanted])
    return {model.pk: live.get(model.pk) or _told(model.opening_balance) for model in wanted}


def live_usage(keys: Collection[int]) -> dict[int, dict[str, Any]]:
    """Usage statistics of the models that have records, in two queries.

    `last_used` is the last day with records where they were deleted since.
    """
    days = Rollup.objects.filter(scope=Scope.MODEL, period=Period.DAY, model_id__gt=0)
    days = days.filter(model_id__in=keys) if len(keys) <= LISTED else days
    found, wanted = totals(days, "model_id"), set(keys)
    last = _last_used(days) if found else {}
    stats = {}
    for pk, of in found.items():
        if pk in wanted:
            seconds = of.seconds if of.counts["duration_count"] else None
            stats[pk] = _with_averages(of.requests, of.tokens, seconds, last.get(pk))
            stats[pk]["avg_time_per_inference"] = of.avg_response  # of those that were answered
    return stats


def _last_used(days: QuerySet[Rollup]) -> dict[int, datetime]:
    """When the last record of each model began."""
    newest = InferenceRecord.objects.filter(model=OuterRef("pk")).order_by("-started").values("started")[:1]
    models = LanguageModel.objects.filter(pk__in=days.order_by().values("model_id")).order_by()
    told = dict(models.annotate(newest=Subquery(newest)).values_list("pk", "newest"))
    if None in told.values():
        last = days.order_by().values("model_id").annotate(last=Max("start")).values_list("model_id", "last")
        told = dict(last) | {pk: at for pk, at in told.items() if at}
    return told


def _told(balance: Mapping[str, Any]) -> dict[str, Any]:
    """What was counted elsewhere before the first record here."""
    last = balance.get("last_used")
    return _with_averages(
        balance.get("inference_count") or 0,
        balance.get("total_tokens_processed"),
        balance.get("total_inference_time"),
        parse_datetime(last) if isinstance(last, str) else None,
    )


def _with_averages(count: int, tokens: int | None, seconds: float | None, last: datetime | None) -> dict[str, Any]:
    return {
        "inference_count": count,
        "total_tokens_processed": tokens,
        "avg_tokens_per_inference": tokens / count if count and tokens is not None else None,
        "total_inference_time": seconds,
        "avg_time_per_inference": seconds / count if count and seconds is not None else None,
        "last_used": last,
    }
