"""Says at start what the pages would miss."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning, register

from lmstrix_site import assets


@register()
def assets_are_there(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warns when static/vendor lacks a file: pages stay readable, but have neither look nor live updates."""
    gone = assets.missing()
    if not gone:
        return []
    return [Warning(f"static/vendor lacks {', '.join(gone)}.", hint="Run `make assets`.", id="lmstrix.W001")]
