"""What can be asked of a load on a page."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.load_options import COUNTS, LARGEST
from registry.models import LanguageModel

LEFT_OPEN = [("", "as the server does"), ("on", "on"), ("off", "off")]
ON_OFF = {"on": True, "off": False}


class LoadForm(forms.Form):
    """Context in tokens and the options of a load; what stays empty is up to the server."""

    context = forms.IntegerField(
        required=False, min_value=1, max_value=LARGEST, label="Context", help_text="Tokens. Empty: the server's own.",
    )  # fmt: skip
    flash_attention = forms.ChoiceField(required=False, choices=LEFT_OPEN, label="Flash attention")
    kv_offload = forms.ChoiceField(required=False, choices=LEFT_OPEN, label="KV cache on the GPU")
    batch = forms.IntegerField(
        required=False, min_value=1, max_value=COUNTS["eval_batch_size"], label="Batch",
        help_text="Tokens that are read at once.",
    )  # fmt: skip

    @classmethod
    def of(cls, model: LanguageModel) -> LoadForm:
        """Empty, but for the context that was verified."""
        form = cls(initial={"context": model.tested_context}, auto_id="load-%s")
        verified, declared = model.tested_context, model.declared_context
        told = [f"{verified:,} verified"] if verified else []
        told += [f"{declared:,} declared"] if declared else []
        form.fields["context"].help_text = f"Tokens, {', '.join(told)}. Empty: the server's own." if told else ""
        return form

    def wish(self) -> dict[str, Any]:
        """As `loading.enqueue_load` takes it."""
        cleaned = self.cleaned_data
        options = {name: ON_OFF.get(cleaned.get(name, "")) for name in ("flash_attention", "kv_offload")}
        options["batch"] = cleaned.get("batch")
        return {
            "context": cleaned.get("context"),
            "options": {name: value for name, value in options.items() if value is not None},
        }
