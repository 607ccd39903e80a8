"""The form of a group."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.models import Group
from registry.naming import LONGEST


class GroupForm(forms.Form):
    """A group's name and what it is for."""

    name = forms.CharField(max_length=LONGEST, help_text="As you speak of it: chat models, code_models")
    description = forms.CharField(
        label="What it is for",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="May stay empty.",
    )

    def __init__(self, data: Any = None, *, group: Group | None = None) -> None:
        kept = {"name": group.name, "description": group.description} if group else {}
        super().__init__(data, initial=kept)
