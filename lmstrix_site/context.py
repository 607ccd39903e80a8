"""What every page shows around its content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q
from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse

from lmstrix_site import assets
from registry.models import Job, LanguageModel, Server
from registry.models.registry import DEFAULT

# page, its label, its icon; a page is current for every address whose name begins with its singular
SECTIONS = (
    ("overview", "Overview", "layout-dashboard"),
    ("models", "Models", "box"),
    ("servers", "Servers", "server-2"),
    ("context-tests", "Context tests", "ruler-2"),
    ("jobs", "Jobs", "list-check"),
)


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
    return around(match.url_name if match else None) | {"assets_missing": bool(assets.missing())}


def page_behind(request: HttpRequest) -> str | None:
    """The name of the page that a fragment was asked for from."""
    try:
        return resolve(request.htmx.current_url_abs_path.partition("?")[0]).url_name  # type: ignore[attr-defined]
    except (Resolver404, AttributeError):
        return None


def around(page: str | None) -> dict[str, Any]:
    """The navigation as it is now, in three cheap queries."""
    # as many as the Jobs page lists: parts are listed with their whole
    jobs = Job.objects.open().aggregate(
        all=Count("pk", filter=Q(parent=None)), tests=Count("pk", filter=Q(kind="context_test"))
    )
    servers = Server.objects.enabled().aggregate(
        all=Count("pk"),
        answer=Count("pk", filter=Q(reachable=True)),
        silent=Count("pk", filter=Q(reachable=False)),
        checked=Max("last_scan"),
    )
    models = LanguageModel.objects.filter(registry__name=DEFAULT, missing=False).count()
    counts = {"models": models, "servers": servers["all"], "context-tests": jobs["tests"], "jobs": jobs["all"]}
    return {
        "sections": [_section(key, label, icon, page, counts.get(key)) for key, label, icon in SECTIONS],
        "settings_current": bool(page and page.startswith("setting")),
        "servers_answering": Answering(**servers),
    }


def _section(key: str, label: str, icon: str, page: str | None, count: int | None) -> Section:
    here = bool(page) and (page or "").startswith(key.rstrip("s"))
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
