"""Lists the models of a registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count, Max, Sum
from rich.table import Table

from registry import contents, filtering
from registry.documents import native
from registry.documents.content import ModelId
from registry.filters import BadFilter
from registry.management.base import OwnCommand, add_registry_option, registry_named, wrong_usage
from registry.management.model_columns import COLUMNS, IN_SHEET, IN_TABLE, as_cells, as_rows, chosen
from registry.models import LanguageModel, Registry
from registry.models.language_model import CheckStatus, LanguageModelQuerySet
from registry.ordering import SORTS, in_order
from registry.rendering import as_json, as_yaml, counted, render
from registry.templatetags.figures import plain_size


class Command(OwnCommand):
    help = "Lists models with what is known of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sort", choices=list(SORTS), default="name", help="unknown values come last")
        parser.add_argument("--reverse", action="store_true")
        parser.add_argument("--filter", default="", metavar="EXPR", help='such as "status:tested,size:>5GB,type:chat"')
        parser.add_argument(
            "--show", "--format", choices=["table", "json", "csv", "yaml", "summary"], default="table", dest="show"
        )
        parser.add_argument("--columns", metavar="A,B", help=f"of {', '.join(COLUMNS)}")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        models = _asked(registry, options)
        show, columns = options["show"], None if options["columns"] is None else chosen(options["columns"])
        if show == "summary":
            self._summary(models, options["json"])
        elif options["json"] or show in ("json", "yaml", "csv"):
            fmt = "json" if options["json"] else show
            flat = columns or fmt == "csv"
            told = _flat(models, columns or IN_SHEET, fmt) if flat else _native(registry, models, fmt)
            self.stdout.write(told, ending="")
        else:
            self._table(models, columns or IN_TABLE, filtered=bool(options["filter"].strip()))

    def _table(self, models: LanguageModelQuerySet, columns: Sequence[str], *, filtered: bool) -> None:
        rows = as_rows(models, columns)
        if not rows:
            nothing = "No model meets this filter." if filtered else "No models yet. `lmstrix scan` asks the servers."
            self.console.print(nothing)
            return
        table = Table(box=None)
        for name in columns:
            table.add_column(COLUMNS[name].heading, justify="right" if COLUMNS[name].number else "left")
        for row in rows:
            table.add_row(*as_cells(row))
        self.console.print(table)

    def _summary(self, models: LanguageModelQuerySet, as_data: bool) -> None:
        told = summary(models)
        if as_data:
            self.print_json(told)
            return
        where = f"{counted(told['models'], 'model')} on {counted(told['on_servers'], 'server')}"
        self.console.print(f"{where}, {plain_size(told['size_bytes'])}")
        for heading in ("status", "types", "servers"):
            counts = ", ".join(f"{count:,} {name}" for name, count in told[heading].items())
            self.console.print(f"{heading.capitalize()}: {counts or 'none'}")
        largest = told["largest_tested_context"]
        self.console.print(f"Largest tested context: {f'{largest:,} tokens' if largest else 'unknown'}")


def _asked(registry: Registry, options: dict[str, Any]) -> LanguageModelQuerySet:
    """The models that the filter lets through, in the order that was asked for."""
    sort = "key" if options["sort"] == "name" else options["sort"]  # the first column shows ids
    try:
        models = filtering.filtered(LanguageModel.objects.filter(registry=registry), options["filter"])
    except BadFilter as bad:
        raise wrong_usage(str(bad)) from bad
    return in_order(models, sort, options["reverse"])


def _flat(models: LanguageModelQuerySet, columns: Sequence[str], fmt: str) -> str:
    return render(as_rows(models, columns), columns, fmt)


def _native(registry: Registry, models: LanguageModelQuerySet, fmt: str) -> str:
    """The native structure, its models in the order that was asked for."""
    content = contents.content_of(registry, models=models, live=True)
    places = models.select_related("server").only("key", "variant", "server__base_url")
    order = [ModelId(m.server.base_url if m.server else "", m.key, m.variant) for m in places]
    told = native.as_native(content, full=False)
    names = (content.ids[place] for place in order if place in content.ids)
    told["models"] = {name: told["models"][name] for name in names if name in told["models"]}
    return as_yaml(told) if fmt == "yaml" else as_json(told)


def summary(models: LanguageModelQuerySet) -> dict[str, Any]:
    """How many models there are, of which status and type, where, and how large."""
    models = models.order_by()

    def counts(path: str, unknown: str = "unknown") -> dict[str, int]:
        found = models.values_list(path).annotate(n=Count("pk")).order_by("-n", path)
        return {str(name or unknown): number for name, number in found}

    sums = models.aggregate(
        models=Count("pk"),
        on_servers=Count("server", distinct=True),
        size_bytes=Sum("size_bytes", default=0),
        largest_tested_context=Max("tested_context"),
    )
    statuses = counts("test_status")
    return sums | {
        "status": {name: statuses[name] for name in CheckStatus.values if name in statuses},
        "types": counts("type"),
        "servers": counts("server__name", "on no server"),
    }
