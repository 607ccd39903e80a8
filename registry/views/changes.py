"""The rows of a diff page: which changes are shown, which of them are chosen, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from registry.diffing import ADDED, CHANGED, EMPTY, MISSING, Change, Diff, FieldChange, part_of
from registry.documents.content import Content, ModelId
from registry.placing import foreign
from registry.views import wording
from registry.views.wording import Shown

OBJECTS_A_PAGE, ROWS_A_PAGE = 200, 1000
SHOWS: dict[str, Callable[[Change], bool]] = {
    "everything": lambda change: True,
    "added": lambda change: change.action == ADDED,
    "missing": lambda change: change.action == MISSING,
    "changed": lambda change: change.action == CHANGED,
    "test results": lambda change: "results" in change.parts,
    "tags and groups": lambda change: change.kind == "group" or "labels" in change.parts,
}
VERDICTS = {ADDED: ("ok", "added"), MISSING: ("warn", "missing there"), CHANGED: ("busy", "")}
DONE = {ADDED: ("ok", "added"), MISSING: ("bad", "removed"), CHANGED: ("busy", "")}
USUAL, ALL, NONE = "usual", "all", "none"


@dataclass(frozen=True)
class Row:
    """One field of an object, old and new."""

    name: str
    old: Shown
    new: Shown
    note: str
    token: str
    ticked: bool


@dataclass(frozen=True)
class Block:
    """One object: its fields when it changed, else one line."""

    change: Change
    place: str
    about: str
    verdict: tuple[str, str]  # colour, words
    rows: list[Row]
    ticked: bool

    @property
    def taken(self) -> str:
        """ "2 of 4 taken"; for an object as a whole what it is."""
        ticked = sum(row.ticked for row in self.rows)
        if not self.rows:
            return self.about
        return {0: "not taken", len(self.rows): "all taken"}.get(ticked, f"{ticked} of {len(self.rows)} taken")


@dataclass(frozen=True)
class Choice:
    """Which changes are to be taken over: a rule for all, and the tokens for which it is the other way round."""

    base: str = USUAL
    turned: frozenset[str] = frozenset()

    def takes(self, token: str, usual: bool) -> bool:
        by_rule = usual if self.base == USUAL else self.base == ALL
        return by_rule != (token in self.turned)

    def ticked(self, items: Iterable[Item], tokens: set[str]) -> Choice:
        """The choice after somebody ticked `tokens` among `items`; all else stays."""
        turned = set(self.turned)
        for item in items:
            if self.takes(item.token, item.usual) != (item.token in tokens):
                turned ^= {item.token}
        return replace(self, turned=frozenset(turned))


@dataclass(frozen=True)
class Item:
    """One thing that can be chosen: a field of a changed object, or an object as a whole."""

    change: Change
    field: FieldChange | None
    token: str
    usual: bool  # ticked unless somebody says otherwise


@dataclass(frozen=True)
class Comparison:
    """Two contents and how they differ, for a page."""

    before: Content
    after: Content
    diff: Diff

    @cached_property
    def elsewhere(self) -> frozenset[str]:
        """Servers whose address means another machine on the other side: results of there are not those of here."""
        return foreign(self.before, self.after)

    def usual(self, change: Change) -> list[bool]:
        """What is ticked of a change unless somebody says otherwise: nothing that forgets, no results of elsewhere."""
        if change.action != CHANGED:
            return [change.action == ADDED]
        away = _server(change) in self.elsewhere
        return [
            after not in EMPTY and not (away and part_of(change.kind, name) == "results")
            for name, _, after in change.differences
        ]

    def items(self, changes: Iterable[Change] | None = None) -> Iterator[Item]:
        """Everything that can be chosen, in the order of the page."""
        for change in self.diff.changes if changes is None else changes:
            fields: list[FieldChange | None] = list(change.fields) or [None]
            for each, usual in zip(fields, self.usual(change), strict=True):
                yield Item(change, each, each.token if each else change.token, usual)

    @property
    def total(self) -> int:
        """How many things there are to choose."""
        return sum(max(len(change.differences), 1) for change in self.diff.changes)

    def chosen(self, choice: Choice) -> int:
        """How many of them are chosen; without exceptions no token has to be made for that."""
        if choice.turned:
            return sum(choice.takes(item.token, item.usual) for item in self.items())
        if choice.base != USUAL:
            return self.total if choice.base == ALL else 0
        return sum(sum(self.usual(change)) for change in self.diff.changes)

    def blocks(self, changes: Iterable[Change], choice: Choice) -> list[Block]:
        """The changes to choose from."""
        return [self._block(change, choice, planned=False) for change in changes]

    def planned(self, changes: Iterable[Change]) -> list[Block]:
        """The changes as they will happen, all of them."""
        return [self._block(change, Choice(ALL), planned=True) for change in changes]

    def _block(self, change: Change, choice: Choice, *, planned: bool) -> Block:
        colour, word = (DONE if planned else VERDICTS)[change.action]
        items = list(self.items([change]))
        ticks = [choice.takes(item.token, item.usual) for item in items]
        rows = [
            Row(
                wording.field_name(item.field.field), wording.shown(item.field.field, item.field.before),
                wording.shown(item.field.field, item.field.after),
                "" if planned else self._note(change, item.field), item.token, ticked,
            )
            for item, ticked in zip(items, ticks, strict=True)
            if item.field
        ]  # fmt: skip
        counted = f"{len(rows)} field{'' if len(rows) == 1 else 's'} changed"
        place = wording.place(change, self.before, self.after)
        about = wording.about(change, planned=planned)
        return Block(change, place, about, (colour, word or counted), rows, any(ticks))

    def _note(self, change: Change, each: FieldChange) -> str:
        """Why a field is not ticked by itself."""
        if each.part == "results" and _server(change) in self.elsewhere:
            return "measured on another host"
        return "unknown there" if each.after in EMPTY else ""

    def same(self) -> list[str]:
        """The models that are the same on both sides, by name."""
        differ = {change.identity for change in self.diff.changes if change.kind == "model"}
        return sorted(str(told.get("name") or key.key) for key, told in self.before.models.items() if key not in differ)


def _server(change: Change) -> str | None:
    return change.identity.server if isinstance(change.identity, ModelId) else None


def paged(changes: list[Change]) -> list[list[Change]]:
    """The changes in pages: so many objects, and no more rows than a browser likes."""
    pages: list[list[Change]] = [[]]
    rows = 0
    for change in changes:
        weight = max(len(change.differences), 1)
        if pages[-1] and (len(pages[-1]) == OBJECTS_A_PAGE or rows + weight > ROWS_A_PAGE):
            pages.append([])
            rows = 0
        pages[-1].append(change)
        rows += weight
    return pages
