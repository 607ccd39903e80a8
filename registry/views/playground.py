"""The playground: a prompt, and the answer as it comes."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from registry import inferring
from registry.access import needs
from registry.acting import Actor
from registry.forms.playground import PlaygroundForm
from registry.lmstudio.errors import LMStudioError
from registry.models import Role, User
from registry.views import streaming
from registry.views.current import registry_of


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def playground(request: HttpRequest) -> HttpResponse:
    """The page; without JavaScript a prompt is posted here and its answer shown when it is whole."""
    form = PlaygroundForm(request.POST or None, registry=registry_of(request), chosen=request.GET.get("model", ""))
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        try:
            context["answer"] = inferring.infer(form.wish())
        except (ValueError, LMStudioError) as refusal:
            form.add_error(None, str(refusal))
    return render(request, "registry/playground.html", context)


@require_POST
@needs(Role.OPERATOR)
def ask(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The answer as server-sent events; 422 with the reasons where the form is wrong."""
    form = PlaygroundForm(request.POST, registry=registry_of(request))
    if not form.is_valid():
        faults = [f"{form.fields[name].label or name.capitalize()}: {text}" for name, text in _faults(form)]
        return JsonResponse({"faults": faults}, status=422)
    return streaming.answered(form.wish(), Actor("page", cast(User, request.user)))


def _faults(form: PlaygroundForm) -> list[tuple[str, str]]:
    return [(name, str(text)) for name, texts in form.errors.items() for text in texts]
