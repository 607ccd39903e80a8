"""The form of a profile."""

from __future__ import annotations

from typing import Any

from django import forms

from registry import sizes
from registry.forms.fields import BytesField
from registry.models import Profile, Server
from registry.naming import LONGEST
from registry.profiling import NEEDS

NEED_LABELS = {"tools": "uses tools", "vision": "takes pictures", "reasoning": "reasons before it answers"}


class TokensField(forms.Field):
    """A number of tokens as text, `32k` or `30000`; None when empty."""

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip()
        try:
            return sizes.tokens_of(text.replace(",", "")) if text else None
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from error

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, int):
            return value
        return f"{value // 1024}k" if value and value % 1024 == 0 else str(value)


class NamesField(forms.Field):
    """Names one a line, or with commas between them; a list."""

    def __init__(self, *, lines: int = 0, **options: Any) -> None:
        self.lines = lines
        super().__init__(widget=forms.Textarea(attrs={"rows": lines}) if lines else forms.TextInput, **options)

    def to_python(self, value: Any) -> list[str]:
        parts = str(value or "").splitlines() if self.lines else str(value or "").split(",")
        return [part.strip() for part in parts if part.strip()]

    def prepare_value(self, value: Any) -> Any:
        return ("\n" if self.lines else ", ").join(value) if isinstance(value, list) else value


class ProfileFields(forms.Form):
    """What a profile prefers, and what any other model has to fulfil; empty fields ask for nothing."""

    name = forms.CharField(max_length=LONGEST, help_text="As programs ask for it: quick_answers")
    description = forms.CharField(label="What it is for", required=False, max_length=2000)
    preferred_models = NamesField(
        label="Preferred models", required=False, lines=4,
        help_text="Ids, one a line, best first: key, server/key or server/key@variant.",
    )  # fmt: skip
    max_context = TokensField(
        label="Tokens of a request",
        required=False,
        help_text="The most that one request may take: 16k. Empty: no limit.",
    )
    temperature = forms.FloatField(
        required=False, min_value=0, max_value=2, help_text="0 to 2. Empty: the server's own."
    )
    needs = forms.MultipleChoiceField(
        required=False, choices=[(need, NEED_LABELS[need]) for need in NEEDS], widget=forms.CheckboxSelectMultiple
    )
    min_tested_context = TokensField(label="Verified context, at least", required=False, help_text="Tokens: 32k")
    min_tokens_per_second = forms.FloatField(
        label="Speed, at least", required=False, min_value=0, max_value=1_000_000, help_text="Tokens per second"
    )
    max_memory_bytes = BytesField(
        label="Memory, at most", required=False, help_text="Peak of its test, else the size of its file: 12 GB"
    )
    tags = NamesField(label="Tags, all of", required=False, help_text="With commas between them: production, fast")
    servers = forms.MultipleChoiceField(
        label="Servers, one of", required=False, widget=forms.CheckboxSelectMultiple, help_text="None ticked: any."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # a server that is gone stays a requirement until somebody unticks it
        names = [*Server.objects.values_list("name", flat=True), *(self.initial.get("servers") or [])]
        self.fields["servers"].choices = [(name, name) for name in dict.fromkeys(names)]  # type: ignore[attr-defined]


class ProfileForm(ProfileFields):
    """The form of the pages."""

    def __init__(self, data: Any = None, *, profile: Profile | None = None) -> None:
        kept = {name: getattr(profile, name) for name in self.base_fields} if profile else {}
        super().__init__(data, initial=kept)
