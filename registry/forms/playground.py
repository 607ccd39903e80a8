"""The form of the playground."""

from __future__ import annotations

from typing import Any

from django import forms

from registry import calling, inferring
from registry.models import LanguageModel, Registry

SHOWN = 500  # models to choose from; any other is named on the command line


class PlaygroundForm(forms.Form):
    """A prompt, and who shall answer it."""

    name = forms.ChoiceField(label="Who answers")
    prompt = forms.CharField(
        strip=False,
        max_length=inferring.LONGEST_PROMPT,
        widget=forms.Textarea(attrs={"rows": 6, "autofocus": True, "placeholder": "Ask something"}),
    )
    temperature = forms.FloatField(required=False, min_value=0, max_value=2, help_text="0 to 2")
    max_tokens = forms.IntegerField(
        label="Tokens, at most",
        required=False,
        min_value=1,
        max_value=1_000_000,
        help_text=f"{inferring.MOST_TOKENS:,}",
    )

    def __init__(self, data: Any = None, *, registry: Registry, chosen: str = "") -> None:
        super().__init__(data, initial={"name": chosen})
        self.registry = registry
        self.fields["name"].choices = _choices(registry, chosen)  # type: ignore[attr-defined]

    def wish(self) -> inferring.Wish:
        """What was asked for."""
        return inferring.Wish(self.registry, **self.cleaned_data)


def _choices(registry: Registry, chosen: str) -> list[tuple[str, list[tuple[str, str]]]]:
    models = calling.by_name(registry, SHOWN)
    wanted = LanguageModel.objects.filter(registry=registry).named(chosen).for_list().first() if chosen else None
    if wanted is not None and wanted not in models:
        models.insert(0, wanted)
    inside = [_option(model) for model in models if model.state in calling.IN_MEMORY]
    others = [_option(model) for model in models if model.state not in calling.IN_MEMORY]
    profiles = [(f"{calling.PROFILE}{name}", name) for name in registry.profiles.values_list("name", flat=True)]
    groups = [(f"{calling.GROUP}{name}", name) for name in registry.groups.values_list("name", flat=True)]
    parts = [("In memory", inside), ("Profiles", profiles), ("Groups", groups), ("Loaded on demand", others)]
    return [(label, options) for label, options in parts if options]


def _option(model: LanguageModel) -> tuple[str, str]:
    return (model.public_id, f"{model.name} on {model.server}")
