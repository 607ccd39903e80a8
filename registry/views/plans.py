"""A page that shows what would change, before it is done: import, restore, merge, take-over, sync, clean-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from registry.diffing import CHANGED, MISSING, Diff
from registry.documents.content import Content
from registry.models import Server
from registry.views.changes import Block, Comparison, paged

LISTED = 200  # undecided parts, conflicts and warnings that are listed


@dataclass(frozen=True)
class Plan:
    """What an operation would do: `button` starts it by a POST of `hidden` to `action`."""

    title: str
    lead: str
    diff: Diff
    action: str
    button: str
    back: str
    hidden: list[tuple[str, Any]] = field(default_factory=list)
    warnings: Sequence[Any] = ()
    undecided: Sequence[Any] = ()
    conflicts: Sequence[Any] = ()
    danger: bool = False
    nothing: str = "Nothing would change."

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Objects by what happens to them, what happens most often first."""
        words = (("added", "added"), ("changed", "changed"), ("removed", "missing"))
        return [(word, number) for word, action in words if (number := self.diff.count(action))]

    @property
    def undoable(self) -> bool:
        """Whether anything of what is there now goes: then a snapshot is taken first."""
        return bool(self.diff.count(CHANGED) or self.diff.count(MISSING))

    @property
    def blocks(self) -> list[Block]:
        """The first page of the changes; nothing is chosen here, so all of it happens."""
        servers = {url: {"name": name} for url, name in Server.objects.values_list("base_url", "name")}
        known = Content(servers=servers)
        return Comparison(known, known, self.diff).planned(paged(self.diff.changes)[0])

    @property
    def not_shown(self) -> int:
        return len(self.diff.changes) - len(paged(self.diff.changes)[0])


def show(request: HttpRequest, plan: Plan, template: str = "registry/diff_plan.html", **context: Any) -> HttpResponse:
    """The page of a plan."""
    listed = {name: list(getattr(plan, name))[:LISTED] for name in ("warnings", "undecided", "conflicts")}
    return render(request, template, {"plan": plan, "listed": listed, **context})
