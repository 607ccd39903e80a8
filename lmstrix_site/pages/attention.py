"""What needs a look: silent servers, loads that failed or are not as asked, webhooks, tests, models that vanished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, Subquery
from django.urls import reverse

from lmstrix_site.pages.statuses import Counted
from registry.models import Delivery, Instance, LanguageModel, Registry, Server, Webhook
from registry.models.language_model import CheckStatus, State
from registry.models.webhook import DeliveryStatus
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


def items(silent: list[Server], counted: Counted, registry: Registry, *, for_admin: bool = False) -> list[Item]:
    """Servers first, then loads that went astray, then models, the worst first; one query more for models to name.

    Webhooks are for admins only, as their pages are.
    """
    found = [_silent(server) for server in silent] if len(silent) <= EACH else [_many_silent(silent)]
    found += _webhooks() if for_admin else []
    groups: list[tuple[int, Callable[[LanguageModel], bool], Callable[[LanguageModel], Item], Item]] = [
        (counted.in_error, lambda m: m.state == State.ERROR and not m.missing, _in_error, _many(
            "alert-triangle", "bad", counted.in_error, "could not be loaded", "", "/models/?filter=state%3Aerror")),
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
        Q(state=State.ERROR, missing=False),
    )  # fmt: skip
    wanted = Q()
    for kind in kinds:
        models = LanguageModel.objects.filter(kind, registry=registry)
        wanted |= Q(pk__in=models.order_by("-last_tested").values("pk")[:EACH])
    return list(LanguageModel.objects.filter(wanted).select_related("server").order_by("-last_tested", "key"))


def _webhooks() -> list[Item]:
    """Webhooks that took nothing since a message to them went wrong; many of them are one line. One query."""
    troubled = Delivery.objects.filter(
        webhook=OuterRef("pk"), status__in=(DeliveryStatus.WAITING, DeliveryStatus.FAILED)
    )
    last = troubled.exclude(error="").order_by("-pk")
    taken = Delivery.objects.filter(webhook=OuterRef("pk"), status=DeliveryStatus.DELIVERED, pk__gt=OuterRef("trouble"))
    hooks = Webhook.objects.filter(enabled=True).annotate(
        trouble=Subquery(last.values("pk")[:1]), why=Subquery(last.values("error")[:1])
    )
    failing = hooks.exclude(trouble=None).exclude(Exists(taken)).values_list("pk", "name", "why")[: EACH + 1]
    if len(failing) > EACH:
        what = f"More than {words(EACH)} webhooks do not take their messages"
        return [Item("plug-connected-x", "warn", what, "", reverse("settings-webhooks"), "See them")]
    return [_webhook(*each) for each in failing]


def _webhook(pk: int, name: str, why: str) -> Item:
    what = f"The webhook {_short(name, 80)} does not take its messages"
    url = reverse("settings-webhook", args=[pk])
    return Item("plug-connected-x", "warn", what, f"{sentence(_short(why))}.", url, "See its messages")


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


def _in_error(model: LanguageModel) -> Item:
    why = _short(model.state_error or "Its last load failed").rstrip(".")
    return Item(
        "alert-triangle", "bad", f"{_name(model)} could not be loaded{_on(model)}", f"{sentence(why)}.",
        model.get_absolute_url(), "See model",
    )  # fmt: skip


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


def _many(icon: str, tone: str, count: int, what: str, status: str, url: str = "") -> Item:
    url = url or f"/models/?status={status}"
    return Item(icon, tone, f"{sentence(words(count))} models {what}", "", url, "See them")


def _on(model: LanguageModel) -> str:
    return f" on {model.server.name}" if model.server else ""


def _name(model: LanguageModel) -> str:
    return _short(model.name, 80)


def _short(text: str, length: int = 220) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
