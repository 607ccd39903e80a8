"""Lists the models of a registry."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import F, QuerySet
from rich.table import Table

from registry.management.base import OwnCommand, add_registry_option, registry_named
from registry.models import LanguageModel
from registry.native import model_as_dict
from registry.templatetags.figures import plain_size

SORTS = {
    "name": "key",
    "size": "size_bytes",
    "ctx": "tested_context",
    "date": "last_tested",
    "status": "test_status",
    "speed": "tokens_per_second",
}


class Command(OwnCommand):
    help = "Lists models with what is known of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sort", choices=list(SORTS), default="name", help="missing values come last")
        parser.add_argument("--reverse", action="store_true")
        parser.add_argument("--show", choices=["table", "json"], default="table")
        add_registry_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        registry = registry_named(options["registry"])
        known = LanguageModel.objects.filter(registry=registry).for_list()
        models = in_order(known, options["sort"], options["reverse"])
        if options["json"] or options["show"] == "json":
            shown = {model.public_id: model_as_dict(model) for model in models}
            self.print_json({"version": "1.0", "registry": registry.name, "models": shown})
        elif models:
            self.console.print(_table(models))
        else:
            self.console.print("No models yet. `lmstrix scan` asks the servers.")


def in_order(models: QuerySet[LanguageModel], sort: str, reverse: bool) -> QuerySet[LanguageModel]:
    column = F(SORTS[sort])
    return models.order_by(column.desc(nulls_last=True) if reverse else column.asc(nulls_last=True), "pk")


def _table(models: QuerySet[LanguageModel]) -> Table:
    table = Table("Model", "Server", "Size", "Params", "Declared", "Tested", "Tokens/s", "Status", box=None)
    for column in table.columns[2:7]:
        column.justify = "right"
    for model in models:
        status = model.test_status + (", stale" if model.stale else "") + (", missing" if model.missing else "")
        table.add_row(
            model.public_id, model.server.name if model.server else "–",
            plain_size(model.size_bytes) if model.size_bytes is not None else "–", model.parameters or "–",
            _number(model.declared_context), _number(model.tested_context),
            f"{model.tokens_per_second:.1f}" if model.tokens_per_second else "–", status,
        )  # fmt: skip
    return table


def _number(value: int | None) -> str:
    return f"{value:,}" if value is not None else "–"
