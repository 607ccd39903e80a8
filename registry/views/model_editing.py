"""Adds a model by hand, and changes what people say of one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from registry import editing
from registry.access import needs
from registry.forms.models import AddModelForm, EditModelForm, ModelForm
from registry.holding import Busy
from registry.models import LanguageModel, Role
from registry.views.current import registry_of
from registry.views.wording import field_name


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def add(request: HttpRequest) -> HttpResponse:
    """A model that no server offers."""
    form = AddModelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            model = editing.add_custom(registry_of(request), form.fields_to_save())
        except (ValueError, Busy) as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{model} is added.")
            return redirect(model)
    return _form(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Facts that scans leave alone from then on."""
    model = _model(pk)
    form = EditModelForm(request.POST or None, model=model)
    if request.method == "POST" and form.is_valid():
        try:
            editing.edit(model, **form.fields_to_save())
        except (ValueError, Busy) as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{model} is saved.")
            return redirect(model)
    return _form(request, form, model)


@require_POST
@needs(Role.OPERATOR)
def give_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Lets the server say a fact again that a person had set."""
    model, field = _model(pk), request.POST.get("field", "")
    try:
        editing.give_back(model, [field])
        messages.success(request, f"The next scan sets {field.replace('_', ' ')} of {model} again.")
    except (ValueError, Busy) as refusal:
        messages.error(request, str(refusal))
    return redirect("model-edit", pk)


@require_POST
@needs(Role.OPERATOR)
def pin(request: HttpRequest, pk: int) -> HttpResponse:
    """Marks a model to be kept in memory, or no longer."""
    model = _model(pk)
    try:
        editing.set_pinned([model], not model.pinned)
    except Busy as refusal:
        messages.error(request, str(refusal))
    return redirect(model)


def _model(pk: int) -> LanguageModel:
    return get_object_or_404(LanguageModel.objects.select_related("registry", "server"), pk=pk)


def _form(request: HttpRequest, form: ModelForm, model: LanguageModel | None = None) -> HttpResponse:
    edited = [(name, field_name(name)) for name in model.edited] if model else []
    return render(request, "registry/model_form.html", {"form": form, "model": model, "edited": edited})
