"""What every page shows around its content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, DateTimeField, IntegerField, Max, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse

from lmstrix_site import assets
from registry import tallying
from registry.models import Job, LanguageModel, Registry, Role, Server, User
from registry.views.current import registry_of

REGISTRIES_SHOWN = 20  # in the page head; the rest is one click away
# page, its label, its icon; a page is current for every address whose name begins with its singular
SECTIONS = (
    ("overview", "Overview", "layout-dashboard"),
    ("models", "Models", "box"),
    ("servers", "Servers", "server-2"),
    ("context-tests", "Context tests", "ruler-2"),
    ("usage", "Usage", "chart-histogram"),
    ("playground", "Playground", "player-play"),
    ("snapshots", "Snapshots", "history"),
    ("jobs", "Jobs", "list-check"),
)
OPERATORS = {"playground"}  # sections that viewers do not see


@dataclass(frozen=True)
class Section:
    """One entry of the navigation."""

    label: str
    icon: str
    url: str
    current: bool
    count: int | None = None
    running: bool = False


def shell(request: HttpRequest) -> dict[str, Any]:
    """Navigation with its counts and whether the servers answer; nothing for strangers or fragments."""
    htmx = getattr(request, "htmx", None)
    if not getattr(request, "user", None) or not request.user.is_authenticated or htmx:
        return {}
    match = request.resolver_match
    return around(request, match.url_name if match else None) | {"assets_missing": bool(assets.missing())}


def page_behind(request: HttpRequest) -> str | None:
    """The name of the page that a fragment was asked for from."""
    try:
        return resolve(request.htmx.current_url_abs_path.partition("?")[0]).url_name  # type: ignore[attr-defined]
    except (Resolver404, AttributeError):
        return None


def around(request: HttpRequest, page: str | None) -> dict[str, Any]:
    """The navigation as it is now, and the registries to choose from, in one query beside that for the chosen one."""
    chosen = registry_of(request)
    registries = list(_registries(chosen))
    now = registries[0] if registries else Registry()
    counts = {name: getattr(now, f"{name}_count", 0) for name in ("models", "servers", "tests", "jobs")}
    tallying.keep_present(chosen, counts["models"])
    counts["context-tests"] = counts["tests"]
    silent, answer = getattr(now, "silent_count", 0), getattr(now, "answer_count", 0)
    return {
        "registry": chosen,
        "registries": registries[:REGISTRIES_SHOWN],
        "more_registries": len(registries) > REGISTRIES_SHOWN,
        "sections": [_section(key, label, icon, page, counts.get(key)) for key, label, icon in _shown_to(request)],
        "settings_current": _in_settings(page),
        "servers_answering": Answering(counts["servers"], answer, silent, getattr(now, "checked_at", None)),
    }


def _shown_to(request: HttpRequest) -> list[tuple[str, str, str]]:
    operates = isinstance(request.user, User) and request.user.may(Role.OPERATOR)
    return [section for section in SECTIONS if operates or section[0] not in OPERATORS]


def _registries(chosen: Registry) -> QuerySet[Registry]:
    """The chosen one, then the others by name; beside each, as scalars that are read once, what is counted."""
    # as many jobs as the Jobs page lists: parts are listed with their whole
    jobs, servers = Job.objects.open(), Server.objects.enabled()
    first = Case(When(pk=chosen.pk, then=Value(0)), default=Value(1), output_field=IntegerField())
    known = tallying.present(chosen)  # of 100,000 models it takes long to count
    models = LanguageModel.objects.filter(registry=chosen, missing=False)
    return Registry.objects.annotate(
        models_count=_number(models) if known is None else Value(known),
        jobs_count=_number(jobs.filter(parent=None)),
        tests_count=_number(jobs.filter(kind="context_test", context_test__model__registry=chosen)),
        servers_count=_number(servers),
        answer_count=_number(servers.filter(reachable=True)),
        silent_count=_number(servers.filter(reachable=False)),
        checked_at=Subquery(_grouped(servers).values_list(Max("last_scan")), output_field=DateTimeField()),
    ).order_by(first, "name")[: REGISTRIES_SHOWN + 1]


def _number(rows: QuerySet[Any]) -> Coalesce:
    return Coalesce(Subquery(_grouped(rows).values_list(Count("pk"))), 0, output_field=IntegerField())


def _grouped(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    """All rows as one group: for an aggregate as a scalar of another query."""
    grouped: QuerySet[Any, Any] = rows.order_by().annotate(one=Value(1)).values("one")
    return grouped


def _in_settings(page: str | None) -> bool:
    return bool(page) and (page or "").startswith(("setting", "group", "profile", "registr", "upkeep", "history"))


BELOW_SNAPSHOTS = ("compare", "import", "sync")  # pages that are found there


def _section(key: str, label: str, icon: str, page: str | None, count: int | None) -> Section:
    begins = (key.rstrip("s"), *(BELOW_SNAPSHOTS if key == "snapshots" else ()))
    here = bool(page) and (page or "").startswith(begins)
    running = key in {"context-tests", "jobs"}
    return Section(label, icon, reverse(key), here, count or None, running)


@dataclass(frozen=True)
class Answering:
    """How many of the enabled servers answered at their last scan."""

    all: int
    answer: int
    silent: int
    checked: datetime | None

    @property
    def state(self) -> str:
        if not self.all or not (self.answer or self.silent):
            return "unknown"
        return "failed" if not self.answer else "stale" if self.silent else "tested"

    @property
    def sentence(self) -> str:
        if not self.all:
            return "No server yet"
        if not (self.answer or self.silent):
            return "Not scanned yet"
        if self.silent:
            return f"{self.answer} of {self.all} servers answer{'s' if self.answer == 1 else ''}"
        return "1 server answers" if self.answer == 1 else f"{self.answer} servers answer"
