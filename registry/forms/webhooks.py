"""The form of a webhook."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.models import Webhook
from registry.notifying import CHOICES


class WebhookForm(forms.Form):
    """Where messages go, and about what."""

    name = forms.CharField(max_length=100, help_text="Who listens there: alerting, chat room")
    url = forms.CharField(
        label="Address", max_length=500, help_text="It gets each message as a POST: https://example.org/hooks/lmstrix"
    )
    events = forms.MultipleChoiceField(
        required=False,
        choices=CHOICES,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all of them.",
    )

    def __init__(self, data: Any = None, *, webhook: Webhook | None = None) -> None:
        kept = {name: getattr(webhook, name) for name in self.base_fields} if webhook else {}
        super().__init__(data, initial=kept)
