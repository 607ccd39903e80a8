"""What the list of models shows: the rows a filter lets through, in the order and with the columns that were chosen."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, IntegerField, OuterRef, Prefetch, Subquery, When
from django.http import HttpRequest

from registry import filtering, ordering, paging, tallying
from registry.filters import BadFilter, Expression, parse
from registry.models import Instance, LanguageModel, Registry, Server, Tag
from registry.models.language_model import LanguageModelQuerySet
from registry.models.registry import DEFAULT
from registry.models.tag import Family
from registry.views import chips, listing
from registry.views.current import registry_of

COLUMNS = {**ordering.SORTS, "favourite": "favourite"}  # what the list can be sorted by -> the field
# the columns that may be shown beside the name, in their order: heading and classes
SHOWN = {
    "server": ("Server", "hide-sm"),
    "size": ("Size", "num hide-sm"),
    "params": ("Params", "num hide-sm"),
    "ctx": ("Context, tested of declared", "fit"),
    "declared": ("Declared", "num hide-sm"),
    "usable": ("Usable", "num hide-sm"),
    "speed": ("Tokens/s", "num hide-sm"),
    "memory": ("Peak memory", "num hide-sm"),
    "status": ("Status", "hide-sm"),
    "type": ("Type", "hide-sm"),
    "arch": ("Architecture", "hide-sm"),
    "quant": ("Quantization", "hide-sm"),
    "date": ("Last tested", "end hide-sm"),
    "added": ("Added", "end hide-sm"),
}
COMMAND_SORTS = ("size", "ctx", "date", "status", "speed")  # beside the name, what the command can sort by
USUAL = ("server", "size", "params", "ctx", "speed", "status", "date")
OWN_TAGS_FIRST = Prefetch(
    "tags",
    Tag.objects.order_by(Case(When(family=Family.CUSTOM, then=0), default=1, output_field=IntegerField()), "name"),
)
LOADED_AT = Instance.objects.filter(model=OuterRef("pk")).order_by("instance_id").values("context_length")[:1]
DRIFT = Instance.objects.filter(model=OuterRef("pk")).exclude(drift="").order_by("instance_id").values("drift")[:1]
CHOSEN = "models.columns"  # where a session keeps the chosen columns
SPARSE = 20  # one model in so many or more: going through the list until a page is full is quicker than finding them
UNFINISHED = re.compile(r",?\s*[a-z]+:\s*$|,\s*$", re.IGNORECASE)
# long texts that no row shows
UNREAD = ("description", "notes", "extra", "opening_balance", "edited")


@dataclass(frozen=True)
class Column:
    """A column that may be shown, and whether it was chosen."""

    name: str
    label: str
    classes: str
    heading: listing.Heading
    shown: bool

    @property
    def ticks(self) -> bool:
        return self.name == "ctx"


def everything(registry: Registry) -> LanguageModelQuerySet:
    return LanguageModel.objects.filter(registry=registry)


def shown(request: HttpRequest) -> dict[str, Any]:
    """Everything the page says."""
    registry, text = registry_of(request), chips.asked(request)
    expression, problem = read(_finished(text) if getattr(request, "htmx", False) else text)
    tally = tallying.tally(registry)
    match = tallying.match(registry, text, expression) if expression else tallying.Match(0, 0, None)
    order = listing.Order.asked(request, COLUMNS)
    page = _page(order, registry, expression, match.models, many=match.models * SPARSE > tally.all)
    names, headings = chosen_columns(request), order.headings()
    return {
        "page": page,
        "pages": listing.turning(request, page),
        "headings": headings,
        "columns": [Column(name, *about, headings[name], name in names) for name, about in SHOWN.items()],
        "shown": names,
        "command": command(registry, text, order),
        "tally": tally,
        "match": match,
        "chips": chips.chips(request, text, tally),
        "searched": text,
        "problem": problem,
        "narrowed": bool(text.strip()),
        "any_server": tally.all > 0 or Server.objects.exists(),
    }


def read(text: str) -> tuple[Expression | None, str]:
    """The expression of a filter, or None and what is wrong with it."""
    try:
        return parse(text), ""
    except BadFilter as error:
        return None, str(error)


def _finished(text: str) -> str:
    """A filter while it is typed: without a last key that has no value yet."""
    return UNFINISHED.sub("", text)


def _page(
    order: listing.Order, registry: Registry, expression: Expression | None, count: int, *, many: bool
) -> paging.Page[LanguageModel]:
    models = everything(registry)
    rows = filtering.filtered(models, expression, many=many) if expression else models.none()
    read_as = LanguageModel.objects.select_related("server").prefetch_related(OWN_TAGS_FIRST).defer(*UNREAD)
    read_as = read_as.annotate(loaded_at=Subquery(LOADED_AT), drift=Subquery(DRIFT))
    rows, read_as = (ordering.sortable(each, order.sort) for each in (rows, read_as))
    return order.page(rows, total=count, shown=read_as)


def chosen_columns(request: HttpRequest) -> list[str]:
    """The columns this browser shows; the usual ones until others are chosen."""
    chosen = request.session.get(CHOSEN)
    names = chosen if isinstance(chosen, list) else USUAL
    return [name for name in SHOWN if name in names]


def choose_columns(request: HttpRequest, names: list[str]) -> None:
    request.session[CHOSEN] = [name for name in SHOWN if name in names]


def command(registry: Registry, text: str, order: listing.Order) -> str:
    """The command that lists the same models."""
    words = ["lmstrix", "list"]
    words += ["--filter", text] if text else []
    words += ["--sort", order.sort] if order.sort in COMMAND_SORTS else []
    words += ["--reverse"] if order.reverse else []
    words += ["--registry", registry.name] if registry.name != DEFAULT else []
    return shlex.join(words)
