"""Webhooks: who is told, about what, and how each message went."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from registry import subscribing
from registry.access import needs
from registry.forms.webhooks import WebhookForm
from registry.models import Delivery, Role, User, Webhook
from registry.models.webhook import DeliveryStatus
from registry.views import listing


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def webhooks(request: HttpRequest) -> HttpResponse:
    """All of them; adds one on POST."""
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            hook, secret = subscribing.add_webhook(**form.cleaned_data, made_by=cast(User, request.user))
        except ValueError as refusal:
            form.add_error(None, str(refusal))
        else:
            return _page(request, hook, secret=secret)
    return render(request, "registry/webhooks.html", {"webhooks": Webhook.objects.with_counts(), "form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """One of them with its messages; changed on POST."""
    hook = get_object_or_404(Webhook, pk=pk)
    form = WebhookForm(request.POST or None, webhook=hook)
    if request.method == "POST" and form.is_valid():
        try:
            subscribing.edit_webhook(hook, **form.cleaned_data)
        except ValueError as refusal:
            hook.refresh_from_db()
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{hook} is saved.")
            return redirect(hook)
    return _page(request, hook, form=form)


@require_POST
@needs(Role.ADMIN)
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Enables it, or disables it: it is told nothing meanwhile, and what waits stays."""
    hook = get_object_or_404(Webhook, pk=pk)
    subscribing.edit_webhook(hook, enabled=not hook.enabled)
    messages.success(request, f"{hook} is {'enabled' if hook.enabled else 'disabled: nothing is sent to it'}.")
    return redirect(hook)


@require_POST
@needs(Role.ADMIN)
def new_secret(request: HttpRequest, pk: int) -> HttpResponse:
    hook = get_object_or_404(Webhook, pk=pk)
    return _page(request, hook, secret=subscribing.renew_secret(hook))


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Says first what is lost; deletes on POST."""
    hook = get_object_or_404(Webhook.objects.with_counts(), pk=pk)
    if request.method != "POST":
        return render(request, "registry/webhook_delete.html", {"webhook": hook})
    subscribing.delete_webhook(hook)
    messages.success(request, f"{hook} is deleted.")
    return redirect("settings-webhooks")


@require_POST
@needs(Role.ADMIN)
def send_test(request: HttpRequest, pk: int) -> HttpResponse:
    hook = get_object_or_404(Webhook, pk=pk)
    return _told(request, hook, subscribing.send_test(hook))


@require_POST
@needs(Role.ADMIN)
def send_again(request: HttpRequest, pk: int) -> HttpResponse:
    delivery = get_object_or_404(Delivery.objects.select_related("webhook"), pk=pk)
    return _told(request, delivery.webhook, subscribing.send_again(delivery))


def _told(request: HttpRequest, hook: Webhook, sent: Delivery) -> HttpResponse:
    if sent.status == DeliveryStatus.DELIVERED:
        messages.success(request, f"{hook} took the message (HTTP {sent.http_status}).")
    else:
        messages.error(request, f"{hook} did not take the message: {sent.error}.")
    return redirect(hook)


def _page(request: HttpRequest, hook: Webhook, **more: Any) -> HttpResponse:
    rows = hook.deliveries.all()
    page = listing.page(request, rows, sort="sent", reverse=True, columns={"sent": "pk"})
    context = {"webhook": hook, "form": WebhookForm(webhook=hook), "page": page}
    context |= {"pages": listing.turning(request, page), "latest": rows.first()}
    answer = render(request, "registry/webhook.html", context | more)
    if "secret" in more:
        answer["Cache-Control"] = "no-store"
    return answer
