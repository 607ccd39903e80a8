"""Forms of people and of the tokens of programs."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib.auth.validators import UnicodeUsernameValidator

from registry import admitting
from registry.models import Registry, Role, User

GATEWAY = ("registry", "requests_per_minute", "tokens_per_day", "keep_content", "keep_days")


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


class TokenLimitsForm(forms.Form):
    """What a token may use of the gateway."""

    registry = forms.ModelChoiceField(
        Registry.objects.filter(path=""), required=False, empty_label="default", help_text="Where models are looked up."
    )
    requests_per_minute = forms.IntegerField(required=False, min_value=1, max_value=10**6, help_text="Empty: no limit.")
    tokens_per_day = forms.IntegerField(
        required=False, min_value=1, max_value=10**15, help_text="In and out, UTC days. Empty: no limit."
    )
    keep_content = forms.BooleanField(
        required=False, label="Keep prompts and answers", help_text="Off: only counts and times are stored."
    )
    keep_days = forms.IntegerField(required=False, min_value=1, max_value=3650, initial=7, label="Days to keep them")

    def clean_keep_days(self) -> int:
        return int(self.cleaned_data["keep_days"] or 7)

    @property
    def gateway_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in GATEWAY]

    @property
    def gateway(self) -> admitting.Gateway:
        """What the token may use of the gateway."""
        return cast(admitting.Gateway, {name: self.cleaned_data[name] for name in GATEWAY})


class TokenForm(TokenLimitsForm):
    """A new token: never more than its issuer may."""

    name = forms.CharField(max_length=100, label="What it is for")
    role = forms.ChoiceField(initial=Role.VIEWER)

    def __init__(self, *args: Any, issuer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = [(role.value, role.label) for role in Role if issuer.may(role)]
        self.fields["role"].choices = allowed  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not name.isprintable():
            raise forms.ValidationError("Only printable characters: no line breaks or control characters.")
        return name

    @property
    def main_fields(self) -> list[forms.BoundField]:
        return [self["name"], self["role"]]
