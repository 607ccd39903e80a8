"""Memory: what is taken on each server, and the policies that keep it free, beside what they would do now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry import copies, evicting, memory_policies, memory_use
from registry.access import demand, needs
from registry.evicting import Eviction
from registry.eviction_plan import Rules
from registry.forms.memory import MemoryPolicyForm
from registry.memory_use import Memory
from registry.models import Instance, MemoryPolicy, Registry, Role, Server
from registry.views import memory_bars
from registry.views.current import registry_of

SHOWN = 30  # servers


@require_http_methods(["GET", "HEAD", "POST"])
def memory(request: HttpRequest) -> HttpResponse:
    """The default policy beside what it would do, and the memory of every server; admins save the policy."""
    policy = memory_policies.default_policy()
    form = MemoryPolicyForm(request.POST or None, policy=policy)
    if request.method == "POST":
        demand(request, Role.ADMIN)
        if saved := _saved(None, form):
            messages.success(request, f"Saved: the default policy {_does(saved)}.")
            return redirect("settings-memory")
    return render(request, "registry/memory.html", _page(request, policy, form))


@require_safe
def memory_live(request: HttpRequest) -> HttpResponse:
    return render(request, "registry/memory_servers.html", _bars(registry_of(request)))


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def server_policy(request: HttpRequest, pk: int) -> HttpResponse:
    """The policy of one server: what is saved here is its own from then on."""
    server = get_object_or_404(Server, pk=pk)
    bar = memory_bars.bar(server, registry_of(request))
    form = MemoryPolicyForm(request.POST or None, policy=bar.policy if bar.own else memory_policies.begun(server))
    if request.method == "POST" and (saved := _saved(server, form)):
        messages.success(request, f"Saved: on {server} the policy {_does(saved)}.")
        return redirect("settings-memory")
    context = {"bar": bar, "form": form, "server": server, "evictions": bar.evictions}
    context["spared"] = _spared(bar.evictions, [bar.memory], bar.policy)
    return render(request, "registry/memory_server.html", context)


@require_POST
@needs(Role.ADMIN)
def follow_default(request: HttpRequest, pk: int) -> HttpResponse:
    server = get_object_or_404(Server, pk=pk)
    memory_policies.drop_policy(server)
    messages.success(request, f"{server} follows the default policy again.")
    return redirect("settings-memory")


@require_safe
def preview(request: HttpRequest) -> HttpResponse:
    """What a policy as it stands in the form would unload now: on one server, or on those that follow the default."""
    server = get_object_or_404(Server, pk=request.GET["server"]) if request.GET.get("server", "").isdecimal() else None
    form = MemoryPolicyForm(request.GET, policy=memory_policies.default_policy())
    context: dict[str, Any] = {"evictions": None}
    if form.is_valid():
        servers = [server] if server else memory_policies.followers()
        context["evictions"] = [one for each in servers for one in evicting.would(each, form.policy)]
        context["spared"] = _spared(context["evictions"], map(memory_use.memory_of, servers), form.policy)
    return render(request, "registry/memory_would.html", context)


def _page(request: HttpRequest, policy: MemoryPolicy, form: MemoryPolicyForm) -> dict[str, Any]:
    context = _bars(registry_of(request))
    following = [bar for bar in context["all"] if not bar.own]
    evictions: list[Eviction] = [eviction for bar in following for eviction in bar.evictions]
    return context | {
        "policy": policy,
        "told": memory_policies.in_words(policy),
        "form": form,
        "evictions": evictions,
        "spared": _spared(evictions, [bar.memory for bar in following], policy),
        "following": len(following),
        "switched_on": sum(bar.policy.enabled for bar in context["all"]),
    }


def _spared(evictions: list[Eviction], memories: Iterable[Memory], policy: Rules) -> list[Instance]:
    """What the policy leaves only since it was used a moment ago; asked where it would unload nothing."""
    if evictions:
        return []
    uses = copies.uses()
    return [one for each in memories for one in evicting.spared(each.server, policy, each, uses)]


def _bars(registry: Registry) -> dict[str, Any]:
    found = memory_bars.bars(registry)
    return {"all": found, "bars": found[:SHOWN], "more": max(len(found) - SHOWN, 0)}


def _saved(server: Server | None, form: MemoryPolicyForm) -> MemoryPolicy | None:
    """The policy as it is saved; None when the form says why it is not."""
    if not form.is_valid():
        return None
    try:
        return memory_policies.save_policy(server, **form.cleaned_data)
    except ValueError as refusal:
        form.add_error(None, str(refusal))
        return None


def _does(policy: MemoryPolicy) -> str:
    told = memory_policies.in_words(policy)
    return told if policy.enabled else "is switched off"
