"""The form of an import."""

from __future__ import annotations

from django import forms

from registry.forms.comparing import StrategyField
from registry.forms.fields import DocumentField


class ImportForm(forms.Form):
    """A file and who wins; what it does is shown before it is done."""

    file = DocumentField()
    strategy = StrategyField()
