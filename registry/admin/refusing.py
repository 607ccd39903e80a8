"""Refusals of verbs in the admin: said on the page, nothing changed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from registry.filters import BadFilter
from registry.holding import Busy


class SaysRefusals:
    """A page whose verb may refuse shows the reason as a message."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _said(request, super().changeform_view, *args, **kwargs)  # type: ignore[misc]

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _said(request, super().delete_view, *args, **kwargs)  # type: ignore[misc]


def _said(request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
    try:
        answer: HttpResponse = view(request, *args, **kwargs)
    except (ValueError, Busy) as refusal:
        if type(refusal) not in (ValueError, BadFilter, Busy):
            raise
        messages.error(request, str(refusal))
        return redirect(request.path)
    return answer
