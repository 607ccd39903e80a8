"""Forms of comparing: which two sides, and another LMStrix by its address."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.models import Registry
from registry.remote import Remote
from registry.strategies import PREFER_NEWER, REPLACE, SKIP, UPDATE
from registry.views import sides

STRATEGIES = {
    UPDATE: "what comes in wins; what it does not tell stays, tags and members are added up",
    SKIP: "only what is missing here comes in; what is here stays as it is",
    REPLACE: "an object that is on both sides is replaced as a whole",
    PREFER_NEWER: "the newer side wins, part by part; what has no winner stays and is listed",
}


class StrategyField(forms.ChoiceField):
    """Who wins; each strategy is explained in one line (`explained`: value, label, line)."""

    explained = [(name, name.replace("_", " "), line) for name, line in STRATEGIES.items()]

    def __init__(self, **options: Any) -> None:
        choices = [(name, name.replace("_", " ")) for name in STRATEGIES]
        super().__init__(choices=choices, label="Who wins", initial=UPDATE, **options)


class SidesForm(forms.Form):
    """The two sides of a comparison, out of those that there are."""

    before = forms.ChoiceField(label="Yours")
    after = forms.ChoiceField(label="Compared with")

    def __init__(self, *args: Any, registry: Registry, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("before", "after"):
            self.fields[name].choices = sides.choices(registry)  # type: ignore[attr-defined]


class RemoteForm(forms.Form):
    """Another LMStrix; the token is used for this one request and not kept."""

    address = forms.CharField(
        max_length=500,
        help_text="http://host:8000 for its default registry, or http://host:8000/registries/NAME",
    )
    token = forms.CharField(
        label="Its API token",
        required=False,
        max_length=4000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="One of its tokens with the role viewer. Used for this request only, never stored.",
    )

    def clean_address(self) -> str:
        """Refused before a job keeps it for all to see: it may hold a password."""
        address: str = self.cleaned_data["address"]
        try:
            return Remote.at(address).spec if address else ""
        except ValueError as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
