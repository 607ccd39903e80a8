"""The form of a server."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.connecting import POLL_RANGE, POLL_SECONDS
from registry.forms.fields import BytesField
from registry.models import Server


class ServerForm(forms.Form):
    """A server's name, address, token and memory; the token goes in and never comes out."""

    name = forms.CharField(max_length=100, help_text="As you call the machine: workstation, mac-studio")
    base_url = forms.CharField(
        label="Address", max_length=300, help_text="Where LM Studio answers: localhost, or http://192.168.1.20:1234"
    )
    token = forms.CharField(
        label="LM Studio token",
        required=False,
        max_length=4000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Only if that LM Studio asks for one. Stored encrypted and never shown again.",
    )
    memory_limit_bytes = BytesField(
        label="Memory for models",
        required=False,
        help_text="What models may take there: 24 GB. Empty if not known; tests then feel their way up.",
    )

    poll_seconds = forms.IntegerField(
        label="Look at it every … seconds",
        required=False,
        min_value=POLL_RANGE[0],
        max_value=POLL_RANGE[1],
        initial=POLL_SECONDS,
        help_text="How soon states change here after they did there. While something loads, it is every 2 seconds.",
    )

    def fields_to_save(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != "poll_seconds" or value}


class EditServerForm(ServerForm):
    """The same for a server that exists: an empty token keeps the stored one."""

    forget_token = forms.BooleanField(label="Forget the stored token", required=False)

    def __init__(self, data: Any = None, *, server: Server) -> None:
        self.server = server
        kept = {name: getattr(server, name) for name in ("name", "base_url", "memory_limit_bytes", "poll_seconds")}
        super().__init__(data, initial=kept)
        if server.has_token:
            self.fields["token"].help_text = "A token is stored. Leave this empty to keep it."
        else:
            del self.fields["forget_token"]

    def clean(self) -> dict[str, Any]:
        """A stored token goes to no other address than the one it was entered for."""
        cleaned = super().clean() or self.cleaned_data
        moved = cleaned.get("base_url", "").rstrip("/") != self.server.base_url
        if moved and self.server.has_token and not cleaned.get("token") and not cleaned.get("forget_token"):
            self.add_error("token", "The address changed: enter the token for it again, or forget the stored one.")
        return cleaned

    def fields_to_save(self) -> dict[str, Any]:
        """What is to change; the token only when a new one was entered or the old one is to be forgotten."""
        changed = super().fields_to_save()
        forget = changed.pop("forget_token", False)
        if not changed["token"] and not forget:
            del changed["token"]
        return changed
