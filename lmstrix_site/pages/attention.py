"""What needs a look: silent servers, loads not as asked, failed tests, stale results, models that vanished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Q

from lmstrix_site.pages.statuses import Counted
from registry.models import Instance, LanguageModel, Registry, Server
from registry.models.language_model import CheckStatus
from registry.templatetags.figures import sentence, words

SHOWN = 6
EACH = 3  # more models of one kind than this become one line


@dataclass(frozen=True)
class Item:
    """One thing to look at: what it is, why, and where to go on."""

    icon: str
    tone: str
    what: str
    why: str
    url: str
    action: str


def items(silent: list[Server], counted: Counted, registry: Registry) -> list[Item]:
    """Servers first, then loads that went astray, then models, the worst first; one query more for models to name."""
    found = [_silent(server) for server in silent] if len(silent) <= EACH else [_many_silent(silent)]
    groups: list[tuple[int, Callable[[LanguageModel], bool], Callable[[LanguageModel], Item], Item]] = [
        (counted.failed, lambda m: m.test_status == CheckStatus.FAILED and not m.missing, _failed, _many(
            "circle-x", "bad", counted.failed, "could not be tested", "failed")),
        (counted.less, lambda m: m.test_verdict == "server applied less" and not m.missing, _less, _many(
            "alert-triangle", "warn", counted.less, "got less than asked", "tested")),
        (counted.stale, lambda m: m.stale and m.test_status == CheckStatus.TESTED and not m.missing, _stale, _many(
            "clock-exclamation", "warn", counted.stale, "are stale", "stale")),
        (counted.gone, lambda m: m.missing, _missing, _many(
            "file-off", "warn", counted.gone, "are no longer offered", "missing")),
    ]  # fmt: skip
    named = _models(registry) if any(0 < count <= EACH for count, *_ in groups) else []
    found += _drifts(registry)
    for count, belongs, one, many in groups:
        found += [many] if count > EACH else [one(model) for model in named if belongs(model)]
    return found


def _models(registry: Registry) -> list[LanguageModel]:
    """Enough of the models concerned: kinds with more than EACH are told as one line anyway."""
    kinds = (
        Q(test_status=CheckStatus.FAILED, missing=False), Q(test_verdict="server applied less", missing=False),
        Q(stale=True, test_status=CheckStatus.TESTED, missing=False), Q(missing=True),
    )  # fmt: skip
    ids = [
        LanguageModel.objects.filter(kind, registry=registry).order_by("-last_tested").values("pk")[:EACH]
        for kind in kinds
    ]
    wanted = Q(pk__in=ids[0]) | Q(pk__in=ids[1]) | Q(pk__in=ids[2]) | Q(pk__in=ids[3])
    return list(LanguageModel.objects.filter(wanted).select_related("server").order_by("-last_tested", "key"))


def _drifts(registry: Registry) -> list[Item]:
    """Loaded copies that are not what was asked for; many of them are one line. One query."""
    copies = Instance.objects.filter(model__registry=registry).exclude(drift="").select_related("model__server")
    drifting = list(copies.order_by("-first_seen", "pk"))
    if len(drifting) <= EACH:
        return [_drift(copy) for copy in drifting]
    what = f"{sentence(words(len(drifting)))} loads are not as asked"
    return [Item("alert-triangle", "warn", what, "", "/models/?filter=is%3Adrifting", "See them")]


def _drift(copy: Instance) -> Item:
    model = copy.model
    what = f"{_name(model)} is loaded twice" if copy.drift.startswith("a second") else f"{_name(model)} is not as asked"
    told = copy.drift.replace("the server", copy.model.server.name if copy.model.server else "the server")
    why = _short(f"{told[:1].upper()}{told[1:]}.")
    return Item("alert-triangle", "warn", what, why, model.get_absolute_url(), "See the ledger")


def _silent(server: Server) -> Item:
    why = server.error or "It did not answer the last scan."
    return Item(
        "plug-connected-x",
        "bad",
        f"{server.name} does not answer",
        _short(why),
        server.get_absolute_url(),
        "See server",
    )


def _many_silent(servers: list[Server]) -> Item:
    names = ", ".join(server.name for server in servers[:EACH])
    why = f"{_short(names)} and {words(len(servers) - EACH)} more."
    what = f"{sentence(words(len(servers)))} servers do not answer"
    return Item("plug-connected-x", "bad", what, why, "/servers/", "See the servers")


def _failed(model: LanguageModel) -> Item:
    why = f"No size worked{_on(model)}: {model.test_verdict or 'no verdict'}."
    return Item(
        "circle-x", "bad", f"{_name(model)} could not be tested", why, model.get_absolute_url(), "See the probes"
    )


def _less(model: LanguageModel) -> Item:
    why = f"Its server{_on(model)} applied less context than was asked for."
    return Item(
        "alert-triangle", "warn", f"{_name(model)} got less than asked", why, model.get_absolute_url(), "See the test"
    )


def _stale(model: LanguageModel) -> Item:
    before = f"; {model.tested_context:,} tokens worked before" if model.tested_context else ""
    why = f"{sentence(model.stale_reason or 'Its file changed')}{before}."
    return Item(
        "clock-exclamation", "warn", f"{_name(model)}{_on(model)} is stale", why, model.get_absolute_url(), "Test again"
    )


def _missing(model: LanguageModel) -> Item:
    where = model.server.name if model.server else "its server"
    why = f"{where} no longer offers it. Its results are kept."
    return Item("file-off", "warn", f"{_name(model)} is gone", why, model.get_absolute_url(), "See model")


def _many(icon: str, tone: str, count: int, what: str, status: str) -> Item:
    return Item(icon, tone, f"{sentence(words(count))} models {what}", "", f"/models/?status={status}", "See them")


def _on(model: LanguageModel) -> str:
    return f" on {model.server.name}" if model.server else ""


def _name(model: LanguageModel) -> str:
    return _short(model.name, 80)


def _short(text: str, length: int = 220) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
