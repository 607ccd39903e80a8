"""Forms of snapshots."""

from __future__ import annotations

from django import forms

from registry.forms.comparing import StrategyField
from registry.forms.fields import DocumentField


class SnapshotForm(forms.Form):
    """A snapshot to take now."""

    name = forms.CharField(
        required=False, max_length=200, help_text="Such as before-the-upgrade. Empty: named by date and time."
    )


class UploadForm(forms.Form):
    """A file to keep as a snapshot."""

    file = DocumentField()


class MergeForm(forms.Form):
    """How a snapshot is merged."""

    strategy = StrategyField()
