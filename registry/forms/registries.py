"""The form of a registry."""

from __future__ import annotations

from django import forms


class RegistryForm(forms.Form):
    """A registry's name; what a name may be is checked by the verb."""

    name = forms.CharField(max_length=100, help_text="Such as production or laptop.")
