"""The form of a sync: with whom, who wins, and whether test results travel."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.documents.content import Content
from registry.forms.comparing import RemoteForm, StrategyField
from registry.models import Registry, Server
from registry.strategies import PREFER_NEWER


class SyncForm(RemoteForm):
    """Another registry of this LMStrix, or the address of one of another LMStrix."""

    field_order = ("registry", "address", "token", "strategy", "results")
    registry = forms.ModelChoiceField(
        queryset=Registry.objects.none(), required=False, label="Another registry here", empty_label="none"
    )
    strategy = StrategyField()
    results = forms.BooleanField(
        required=False,
        label="Also take test results",
        help_text="They were measured on another host and may not hold there. Without this they stay where they are.",
    )

    def __init__(self, *args: Any, registry: Registry, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["registry"].queryset = Registry.objects.exclude(pk=registry.pk)  # type: ignore[attr-defined]
        self.fields["address"].required = False
        self.fields["address"].label = "Or another LMStrix"
        self.fields["strategy"].initial = PREFER_NEWER
        self.fields["token"].help_text = "One of its tokens with the role admin. Used for this request only."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("registry")) == bool(cleaned.get("address")) and not self.errors:
            raise forms.ValidationError("Choose a registry here or give the address of another LMStrix: one of them.")
        return cleaned

    @property
    def other(self) -> Registry | None:
        found: Registry | None = self.cleaned_data["registry"]
        return found

    @property
    def known(self) -> Content:
        """The names of the servers here, for what is shown."""
        return Content(servers={url: {"name": name} for url, name in Server.objects.values_list("base_url", "name")})
