"""The form of a model: one added by hand, or what people may set of one that a server offers."""

from __future__ import annotations

from typing import Any

from django import forms

from registry import sizes
from registry.editing import CUSTOM_ONLY
from registry.forms.fields import BytesField
from registry.models import LanguageModel
from registry.models.language_model import ModelType

LARGEST_CONTEXT = 2**31 - 1
LONG = {"rows": 3}


class TokensField(forms.Field):
    """A context size as people write it: 32768, 32k; gives tokens, None when empty."""

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip().replace(",", "")
        if not text:
            return None
        try:
            tokens = sizes.tokens_of(text)
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from error
        if not 0 < tokens <= LARGEST_CONTEXT:
            raise forms.ValidationError("Write a number of tokens above zero, such as 32768 or 32k.")
        return tokens


class ModelForm(forms.Form):
    """The facts of a model that a person may set; what is left empty is unknown."""

    name = forms.CharField(max_length=500, help_text="As it is shown in lists.")
    type = forms.ChoiceField(required=False, choices=[("", "unknown"), *ModelType.choices])
    parameters = forms.CharField(required=False, max_length=50, help_text="As its maker says: 3.2B, 135M.")
    architecture = forms.CharField(required=False, max_length=200, help_text="llama, qwen3, gemma3")
    quantization = forms.CharField(required=False, max_length=100, help_text="Q4_K_M, MLX 4 bit")
    declared_context = TokensField(
        label="Declared context", required=False, help_text="Tokens that it says it holds: 131072 or 128k."
    )
    size_bytes = BytesField(label="Size", required=False, help_text="Of its file: 4.7 GB.")
    description = forms.CharField(required=False, max_length=5000, widget=forms.Textarea(attrs=LONG))
    notes = forms.CharField(
        required=False, max_length=20_000, widget=forms.Textarea(attrs=LONG), help_text="Yours; no scan touches them."
    )


class AddModelForm(ModelForm):
    """A model that no server offers."""

    key = forms.CharField(
        max_length=500, label="Id", help_text="How commands, files and programs call it: custom-llama-7b."
    )
    tags = forms.CharField(required=False, max_length=1000, help_text="Your own, with commas between them.")
    field_order = ("key", "name")

    def fields_to_save(self) -> dict[str, Any]:
        """What was filled in."""
        told = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        if "tags" in told:
            told["tags"] = [tag.strip() for tag in told["tags"].split(",") if tag.strip()]
        return told


class EditModelForm(ModelForm):
    """The same for a model that exists: only what was changed is set by a person from then on."""

    def __init__(self, data: Any = None, *, model: LanguageModel) -> None:
        super().__init__(data, initial={name: getattr(model, name) for name in ModelForm.base_fields})
        if model.server_id is not None:
            for name in CUSTOM_ONLY:
                del self.fields[name]

    def fields_to_save(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.changed_data}
