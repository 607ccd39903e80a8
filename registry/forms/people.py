"""Forms of people and of the tokens of programs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.validators import UnicodeUsernameValidator

from registry.models import Role, User


class PersonForm(forms.Form):
    """A new person: no password, they come in by a link and may set one themselves."""

    username = forms.CharField(label="Name", max_length=150, validators=[UnicodeUsernameValidator()])
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)

    def clean_username(self) -> str:
        username = User.normalize_username(self.cleaned_data["username"])
        if User.objects.filter(username=username).exists():
            raise forms.ValidationError(f"There is a person called {username} already.")
        return str(username)


class RoleForm(forms.Form):
    """Another role for a person."""

    role = forms.ChoiceField(choices=Role.choices)


class TokenForm(forms.Form):
    """A new token: never more than its issuer may."""

    name = forms.CharField(max_length=100, label="What it is for")
    role = forms.ChoiceField(initial=Role.VIEWER)

    def __init__(self, *args: Any, issuer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = [(role.value, role.label) for role in Role if issuer.may(role)]
        self.fields["role"].choices = allowed  # type: ignore[attr-defined]
