"""The form of a memory policy."""

from __future__ import annotations

from typing import Any

from django import forms

from registry import memory_policies
from registry.models import MemoryPolicy


class MemoryPolicyFields(forms.Form):
    """What a policy unloads; an empty number is no limit."""

    enabled = forms.BooleanField(required=False, label="Unload models by this policy, every 30 seconds")
    auto_unload_inactive = forms.BooleanField(required=False, label="Unload what is idle for too long")
    inactive_timeout_minutes = forms.IntegerField(
        label="Idle for, minutes", min_value=1, max_value=525_600, help_text="Since its last request through LMStrix."
    )
    memory_threshold_percent = forms.IntegerField(
        label="Keep memory below, percent", required=False, min_value=1, max_value=100,
        help_text="Above it, what was used longest ago goes first. Empty: no threshold.",
    )  # fmt: skip
    max_loaded_models = forms.IntegerField(
        label="Loaded models, at most", required=False, min_value=1, max_value=10_000,
        help_text="Beyond it, what was used longest ago goes first. Empty: any number.",
    )  # fmt: skip
    include_others = forms.BooleanField(
        required=False, label="Also instances loaded by others",
        help_text="Use by clients that go straight to LM Studio cannot be seen: their requests would be cut off.",
    )  # fmt: skip


class MemoryPolicyForm(MemoryPolicyFields):
    """The form of the pages, filled with a policy."""

    def __init__(self, data: Any = None, *, policy: MemoryPolicy) -> None:
        super().__init__(data, initial={name: getattr(policy, name) for name in memory_policies.FIELDS})

    @property
    def policy(self) -> MemoryPolicy:
        """The policy that the form holds, unsaved; call it when the form is valid."""
        return MemoryPolicy(**self.cleaned_data)
