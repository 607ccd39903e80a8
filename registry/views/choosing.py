"""A diff page as its form says it: both sides, what is shown of them, and what is chosen so far.

Nothing is kept between requests: the choice travels in the form, as a rule for all changes and the exceptions to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

from registry import comparing
from registry.comparing import Side
from registry.diffing import Change
from registry.views import sides
from registry.views.changes import ALL, NONE, SHOWS, USUAL, Choice, Comparison, Item, paged


@dataclass(frozen=True)
class Asked:
    """What somebody looks at, and what they chose."""

    before: Side
    after: Side
    comparison: Comparison
    show: str
    page: int
    same: bool
    choice: Choice

    @classmethod
    def read(cls, data: QueryDict) -> Asked:
        """From an address or a form; ValueError when a side cannot be read."""
        before, after = sides.side(data.get("before", "")), sides.side(data.get("after", ""))
        comparison = Comparison(before.content, after.content, comparing.compare(before, after))
        base = data.get("was_base", USUAL)
        choice = Choice(base if base in (USUAL, ALL, NONE) else USUAL, frozenset(data.get("turned", "").split()))
        was = cls(before, after, comparison, data.get("was_show", ""), _number(data.get("was_page")), False, choice)
        return was._ticked(data)._turned(data)

    def _ticked(self, data: QueryDict) -> Asked:
        """With what is ticked on the page that the form was on."""
        if "choosing" not in data:
            return self
        items = list(self.comparison.items(self.changes))
        return replace(self, choice=self.choice.ticked(items, set(data.getlist("take"))))

    def _turned(self, data: QueryDict) -> Asked:
        """With what the pressed button asks for: another chip, another page, all or nothing chosen."""
        show, page = data.get("show"), _number(data.get("page"))
        known = show if show in SHOWS else self.show if self.show in SHOWS else "everything"
        rule = data.get("base")
        return replace(
            self,
            show=known,
            page=1 if show else page or self.page,
            same=data.get("same", data.get("was_same")) == "1",
            choice=Choice(rule) if rule in (USUAL, ALL, NONE) else self.choice,
        )

    @property
    def matching(self) -> list[Change]:
        wanted = SHOWS.get(self.show, SHOWS["everything"])
        return [change for change in self.comparison.diff.changes if wanted(change)]

    @property
    def pages(self) -> list[list[Change]]:
        return paged(self.matching)

    @property
    def changes(self) -> list[Change]:
        """The changes of the page that is shown."""
        pages = self.pages
        return pages[min(max(self.page, 1), len(pages)) - 1]

    def counts(self) -> list[tuple[str, int]]:
        """How many objects each chip shows."""
        changes = self.comparison.diff.changes
        return [(name, sum(1 for change in changes if wanted(change))) for name, wanted in SHOWS.items()]

    def chosen(self) -> list[Item]:
        return [item for item in self.comparison.items() if self.choice.takes(item.token, item.usual)]

    @property
    def hidden(self) -> list[tuple[str, Any]]:
        """The form's fields that carry the choice on."""
        return [
            ("before", spec_of(self.before)), ("after", spec_of(self.after)), ("was_base", self.choice.base),
            ("turned", " ".join(sorted(self.choice.turned))),
        ]  # fmt: skip


def spec_of(side: Side) -> str:
    if side.snapshot is not None:
        return sides.of_snapshot(side.snapshot)
    assert side.registry is not None  # noqa: S101  (a page compares nothing else)
    return sides.of_registry(side.registry)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else 0
