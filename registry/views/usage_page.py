"""What the usage page shows: of all requests, or of one model's or token's, in the time that was asked for."""

from __future__ import annotations

import json
import shlex
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from registry import usage_names
from registry.models import LanguageModel
from registry.models.usage import InferenceRecord, Rollup
from registry.templatetags.figures import words
from registry.usage_names import Named
from registry.usage_rollups import Whose, hour, requests, sums, times, totals
from registry.usage_sums import Use, Window, change, total
from registry.views.current import registry_of
from registry.views.listing import address
from registry.views.usage_lanes import Lanes, points, span_told

HOURS = 24
# key in the address: label, days, days in one bar, how the time before is told
RANGES = {
    "24h": ("24 h", 0, 1, "24 hours", "24"),
    "7d": ("7 d", 7, 1, "7 days", "7"),
    "30d": ("30 d", 30, 1, "30 days", "30"),
    "90d": ("90 d", 90, 1, "90 days", "90"),
    "1y": ("Year", 364, 7, "a year", "year"),
}
USUAL = "30d"
BY = {"model": "model_id", "token": "token_id", "server": "server_id"}
LISTED = 10
SPARK_POINTS = 60
LATELY = timedelta(minutes=5)
SETTLED = timedelta(days=14)  # ago: as old requests are hardly ever recorded now
WEEKS = 12  # the heatmap looks back so far at most


@dataclass(frozen=True)
class Row:
    """One model, token or server in the table."""

    named: Named
    url: str  # its own page, or this one narrowed to it
    of: Use
    share: float
    over_time: list[int]


def shown(request: HttpRequest) -> dict[str, Any]:
    """Everything on the page, in a fixed number of queries; `empty` when nothing was ever recorded."""
    now = timezone.now()
    asked = request.GET.get("range", USUAL)
    asked = asked if asked in RANGES else USUAL
    whose = _whose(request)
    _, days, piece, _, _ = RANGES[asked]
    window = Window.days(days, now) if days else Window.hours(HOURS, now)
    by_start = sums(whose.within(window), "start", sketches=("durations", "ttfts"))
    over_time = points(window, {key[0]: of for key, of in by_start.items()}, piece)
    whole = total(point.of for point in over_time)
    context: dict[str, Any] = {
        "ranges": [(label, address(request, range=key), key == asked) for key, (label, *_) in RANGES.items()],
        "range": asked,
        "narrowed": _narrowed(request, whose),
        "rate": _rate(whose, now),
        "span": span_told(window),
        "report": _report_address(window),
    }
    if not whole.requests and not Rollup.objects.exists():
        return context | {"empty": True} | _examples(request)
    lanes = Lanes(over_time, whole)
    context |= {"lanes": lanes, "charts": lanes.charts(), "headline": _headline(whole, whose, window, asked)}
    return context | _table(request, whose, window, whole) | _week(whose, now, days) | _tokens(whose, window, now)


def _examples(request: HttpRequest) -> dict[str, str]:
    """How a program is pointed at the gateway of this very site, with a model of the chosen registry."""
    url = request.build_absolute_uri("/v1")
    model = LanguageModel.objects.filter(registry=registry_of(request), missing=False).order_by("key").first()
    key = json.dumps(model.key if model else "MODEL", ensure_ascii=False)
    hello = f'"model": {key}, "messages": [{{"role": "user", "content": "Hello"}}]'
    python = (
        f'from openai import OpenAI\n\nclient = OpenAI(base_url="{url}", api_key="lmx_...")\n'
        f"answer = client.chat.completions.create(\n    model={key},\n"
        '    messages=[{"role": "user", "content": "Hello"}],\n)\nprint(answer.choices[0].message.content)'
    )
    shell = (
        f'curl {url}/chat/completions -H "Authorization: Bearer lmx_..." \\\n'
        f'  -H "Content-Type: application/json" -d {shlex.quote("{" + hello + "}")}'
    )
    return {"gateway_url": url, "example": python, "example_shell": shell}


def _whose(request: HttpRequest) -> Whose:
    """Whose usage the address asks for; a number that is none means all."""
    chosen = {name: _number(request.GET.get(name, "")) for name in ("model", "token")}
    return Whose(registry_of(request), **chosen)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _narrowed(request: HttpRequest, whose: Whose) -> list[tuple[str, str]]:
    """What the page is narrowed to, each with the address without it."""
    chips = []
    if whose.model is not None:
        chips.append((usage_names.models([whose.model])[whose.model].name, address(request, model=None)))
    if whose.token is not None:
        chips.append((usage_names.tokens([whose.token])[whose.token].name, address(request, token=None)))
    return chips


def _rate(whose: Whose, now: datetime) -> float:
    """Requests a minute lately."""
    records = InferenceRecord.objects.filter(started__gte=now - LATELY)
    if whose.model is not None:
        records = records.filter(model=whose.model or None)
    if whose.token is not None:
        records = records.filter(token=whose.token or None)
    return round(records.order_by().count() / (LATELY.total_seconds() / 60), 1)


def _report_address(window: Window) -> str:
    last = window.end - timedelta(seconds=1)
    return f"start={window.start:%Y-%m-%d}&end={last:%Y-%m-%d}"


def _headline(whole: Use, whose: Whose, window: Window, asked: str) -> str:
    _, _, _, told, before_told = RANGES[asked]
    said = f"{whole.requests:,} request{'' if whole.requests == 1 else 's'} in {told}"
    before = total(totals(whose.within(window.before), "period").values()).requests
    return f"{said}, {change(whole.requests, before)} the {before_told} before" if before else said


def _table(request: HttpRequest, whose: Whose, window: Window, whole: Use) -> dict[str, Any]:
    """The busiest models, tokens or servers."""
    asked = request.GET.get("by", "model")
    by = asked if asked in BY else "model"
    column = BY[by]
    counted = totals(whose.within(window, column), column)
    busiest = sorted(counted, key=lambda key: (-counted[key].requests, key))[:LISTED]
    rows = whose.within(window, column).filter(**{f"{column}__in": busiest})
    for key, buckets in times(rows, column, window.end - SETTLED).items():
        counted[key].buckets["durations"] = buckets
    over: dict[int, Counter[str]] = defaultdict(Counter)
    for key, began, count in requests(rows, column):
        over[key][began] += count
    names = {"model": usage_names.models, "token": usage_names.tokens, "server": usage_names.servers}[by](busiest)
    urls = {key: address(request, token=str(key), by=None) if by == "token" else names[key].url for key in busiest}
    listed = [_row(names[key], urls[key], counted[key], over[key], window, whole) for key in busiest]
    return {
        "by": by,
        "bys": [(key, address(request, by=key), key == by) for key in BY],
        "rows": listed,
        "more": max(len(counted) - len(listed), 0),
        "table_told": _concentration(by, listed, len(counted)),
    }


def _row(named: Named, url: str, of: Use, over: Counter[str], window: Window, whole: Use) -> Row:
    values = [over[hour(at)] for at in window.starts]
    piece = -(-len(values) // SPARK_POINTS)
    squeezed = [sum(values[first : first + piece]) for first in range(0, len(values), piece)]
    return Row(named, url, of, of.requests / whole.requests if whole.requests else 0.0, squeezed)


def _concentration(by: str, rows: list[Row], count: int) -> str:
    """Two models do 63 % of the work."""
    if not rows:
        return f"By {by}"
    share, number = 0.0, 0
    for row in rows[:3]:
        share, number = share + row.share, number + 1
        if share >= 0.5:
            break
    does = "does" if number == 1 else "do"
    if number == count:
        return f"{words(count).capitalize()} {by}{'' if count == 1 else 's'} {does} all of the work"
    return f"{words(number).capitalize()} {by}{'' if number == 1 else 's'} {does} {share * 100:.0f} % of the work"


def _week(whose: Whose, now: datetime, days: int) -> dict[str, Any]:
    """Requests by weekday and hour in the time shown, whole weeks and at most twelve of them."""
    weeks = min(max(-(-days // 7), 1), WEEKS)
    window = Window.hours(weeks * 7 * HOURS, now)
    hours = [[0] * HOURS for _ in range(7)]
    counted: Counter[str] = Counter()
    for began, count in requests(whose.within(window)):
        counted[began] += count
    for at in window.starts:
        hours[at.weekday()][at.hour] += counted[hour(at)]
    most, day, time = max((count, -day, -time) for day, row in enumerate(hours) for time, count in enumerate(row))
    rows = [(f"{time:02}:00", [row[time] for row in hours]) for time in range(HOURS)]
    return {
        "week_rows": rows,
        "week": hours,
        "weeks": weeks,
        "week_most": most,
        "week_told": _busiest_hour(most, -day, -time),
    }


WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def _busiest_hour(most: int, day: int, time: int) -> str:
    return f"Most is asked on {WEEKDAYS[day]} at {time:02}:00" if most else "Nothing was asked in these weeks"


def _tokens(whose: Whose, window: Window, now: datetime) -> dict[str, Any]:
    """The busiest tokens, and what each used of its day."""
    counted = totals(whose.within(window, "token_id"), "token_id")
    busiest = sorted(counted, key=lambda key: (-counted[key].requests, key))[:LISTED]
    today = totals(whose.within(Window.days(1, now), "token_id").filter(token_id__in=busiest), "token_id")
    names = usage_names.tokens(busiest)
    return {"tokens": [(key, names[key], counted[key], today.get(key) or Use()) for key in busiest]}


def of_model(model: LanguageModel) -> Lanes | None:
    """Thirty days of one model, for its own page; None where nothing was asked."""
    window = Window.days(30, timezone.now())
    rows = Whose(model=model.pk).within(window)
    found = {key[0]: of for key, of in sums(rows, "start").items()}
    whole = total(found.values())
    return Lanes(points(window, found), whole) if whole.requests else None
