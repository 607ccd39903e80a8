"""Adds, changes, switches and deletes servers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from registry import connecting, sealing
from registry.access import needs
from registry.forms.servers import EditServerForm, ServerForm
from registry.models import Role, Server


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("token")
@needs(Role.ADMIN)
def add(request: HttpRequest) -> HttpResponse:
    form = ServerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            server = connecting.add_server(**form.fields_to_save())
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{server} is added. Scan it to see its models.")
            return redirect(server)
    return _form(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("token")
@needs(Role.ADMIN)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    server = get_object_or_404(Server, pk=pk)
    form = EditServerForm(request.POST or None, server=server)
    if request.method == "POST" and form.is_valid():
        try:
            connecting.edit_server(server, **form.fields_to_save())
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{server} is saved.")
            return redirect(server)
    return _form(request, form, server=server)


@require_POST
@sensitive_post_parameters("token")
@needs(Role.ADMIN)
def try_connection(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Says how the server answers, before anything is saved."""
    server = get_object_or_404(Server, pk=pk) if pk is not None else None
    form = EditServerForm(request.POST, server=server) if server else ServerForm(request.POST)
    found = connecting.try_connection(form.data.get("base_url", ""), _token(form, server))
    if getattr(request, "htmx", False):
        return render(request, "registry/connection.html", {"connection": found})
    return _form(request, form, server=server, connection=found)


@require_POST
@needs(Role.ADMIN)
def enable(request: HttpRequest, pk: int) -> HttpResponse:
    server = connecting.edit_server(get_object_or_404(Server, pk=pk), enabled=True)
    messages.success(request, f"{server} is enabled.")
    return redirect(server)


@require_POST
@needs(Role.ADMIN)
def disable(request: HttpRequest, pk: int) -> HttpResponse:
    server = connecting.edit_server(get_object_or_404(Server, pk=pk), enabled=False)
    messages.success(request, f"{server} is disabled: it is neither scanned nor tested until it is enabled again.")
    return redirect(server)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Says first what is lost; deletes on POST."""
    server = get_object_or_404(Server, pk=pk)
    if request.method != "POST":
        context = {"server": server, "losses": connecting.losses(server)}
        return render(request, "registry/server_delete.html", context)
    try:
        connecting.delete_server(server)
    except ValueError as refusal:
        messages.error(request, str(refusal))
        return redirect(server)
    messages.success(request, f"{server} is deleted.")
    return redirect("servers")


def _form(request: HttpRequest, form: ServerForm, **context: Any) -> HttpResponse:
    return render(request, "registry/server_form.html", {"form": form, "server": None, **context})


@sensitive_variables()
def _token(form: ServerForm, server: Server | None) -> str:
    """The token to try: the one entered, else the stored one, which only ever goes to the stored address."""
    entered = str(form.data.get("token", ""))
    if entered or server is None or form.data.get("forget_token"):
        return entered
    if form.data.get("base_url", "").rstrip("/") != server.base_url:
        return ""
    try:
        return server.token
    except sealing.Unreadable:
        return ""
