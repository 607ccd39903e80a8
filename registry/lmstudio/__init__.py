"""The only place that speaks HTTP to LM Studio: `LMStudio` asks, `wire` holds answers, `errors` failures."""

from registry.lmstudio.address import normalize_base_url
from registry.lmstudio.client import LMStudio

__all__ = ["LMStudio", "normalize_base_url"]
