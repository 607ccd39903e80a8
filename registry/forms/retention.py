"""The form of how long rows are kept."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.models import Retention
from registry.pruning import DAYS

MOST = 36_500


def days(label: str, help_text: str) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"placeholder": "ever"})
    return forms.IntegerField(
        label=label, help_text=help_text, required=False, min_value=1, max_value=MOST, widget=widget
    )


class RetentionForm(forms.Form):
    """Days for each kind of row; empty: for ever."""

    state_change_days = days("State changes", "What models did in memory; timelines are drawn from it.")
    job_days = days("Jobs and scans", "Open ones, the latest scan of each server and jobs of tests stay.")
    record_days = days("Requests to models", "Their sums by hour and day stay, so trends and reports still reach back.")
    delivery_days = days("Messages to webhooks", "Those still waiting stay.")

    def __init__(self, data: Any = None, *, kept: Retention) -> None:
        super().__init__(data, initial={name: getattr(kept, name) for name in DAYS})
