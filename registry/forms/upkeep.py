"""The form of a clean-up."""

from __future__ import annotations

from typing import Any

from django import forms

LONGEST_DAYS = 36_500


class CleanupForm(forms.Form):
    """What is to go: models that no server has any more, test results that are too old, or both."""

    orphans = forms.BooleanField(required=False, label="Models that no server has any more")
    days = forms.IntegerField(
        required=False, min_value=0, max_value=LONGEST_DAYS, label="Test results older than this many days",
        help_text="Empty: results stay. What goes is untested again.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("orphans") and cleaned.get("days") is None and not self.errors:
            raise forms.ValidationError("Say what is to go: models, test results, or both.")
        return cleaned

    @property
    def what(self) -> dict[str, Any]:
        """As `upkeep.cleanup` takes it."""
        return {"orphans": self.cleaned_data["orphans"], "older_than_days": self.cleaned_data["days"]}
