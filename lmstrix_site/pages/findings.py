"""The sentence over a model's numbers, made from the data."""

from __future__ import annotations

from typing import Any

from registry.models import Instance, LanguageModel
from registry.models.language_model import CheckStatus, ModelType
from registry.templatetags.figures import sentence, words
from testing.models import ContextTest


def finding(model: LanguageModel, last: ContextTest | None, *, more_untried: bool = False) -> str:
    """What is known of the context window, in one sentence; `more_untried`: the test was told where to stop."""
    declared, tested = model.declared_context, model.tested_context
    if model.type == ModelType.EMBEDDING and not tested:
        return "An embedding model has no context window to fill, so it cannot be tested"
    if tested:
        return _tested(declared, tested, model.stale, more_untried)
    if model.test_status == CheckStatus.FAILED:
        return f"No size works here: {model.test_verdict or (last.verdict if last else '') or 'no verdict'}"
    if model.test_status == CheckStatus.TESTING:
        return f"{_declares(declared)}; what works is being found out"
    return f"{_declares(declared)}; nothing is verified yet"


def _tested(declared: int | None, tested: int, stale: bool, more_untried: bool) -> str:
    if stale:
        return f"{tested:,} tokens worked before its file changed"
    if not declared:
        return f"{tested:,} tokens work here; it does not say how much it holds"
    if tested >= declared:
        return f"All {declared:,} tokens that it declares work here"
    if more_untried:
        return f"It declares {declared:,} tokens; {tested:,} work here, and more was not tried"
    return f"It declares {declared:,} tokens; {tested:,} work here"


def _declares(declared: int | None) -> str:
    return f"It declares {declared:,} tokens" if declared else "It does not say how much it holds"


def share_of_declared(model: LanguageModel, *, more_untried: bool = False) -> str:
    """The note under the tested context."""
    declared, tested = model.declared_context, model.tested_context
    if tested and more_untried:
        return "filled and read; more was not tried"
    if not tested:
        return "never tested" if model.last_tested is None else "no size works"
    if not declared:
        return "filled and read"
    return (
        "all of it, filled and read"
        if tested >= declared
        else f"{tested / declared * 100:.0f} % of declared, filled and read"
    )


def usable_told(model: LanguageModel) -> str:
    """The note under the usable context."""
    usable, tested = model.usable_context, model.tested_context
    if not usable:
        return "not measured yet"
    return f"{usable / tested * 100:.0f} % of tested still remembered" if tested else "recall 80 % or better"


def instances_told(model: LanguageModel, instances: list[Instance]) -> str:
    """The heading over the loaded copies."""
    count = len(instances)
    if not count:
        return "Not loaded"
    beyond = sum((one.context_length or 0) > (model.tested_context or 0) for one in instances)
    copies = f"{sentence(words(count))} instance{'s' if count > 1 else ''}"
    if not model.tested_context:
        return f"{copies} loaded, none at a size that was verified"
    if not beyond:
        return f"{copies} loaded, within what was verified"
    beyond_told = f"{words(beyond)} of them beyond" if count > 1 else "beyond"
    return f"{copies} loaded, {beyond_told} what was verified"


def options_told(options: dict[str, Any]) -> str:
    """Load options as people say them: `flash attention, KV cache not on the GPU, eval batch size 512`."""
    told = []
    for name, value in sorted(options.items()):
        if name == "offload_kv_cache_to_gpu" and isinstance(value, bool):
            told.append(f"KV cache {'' if value else 'not '}on the GPU")
            continue
        label = name.replace("_", " ")
        told.append(label if value is True else f"no {label}" if value is False else f"{label} {value}")
    return ", ".join(told)
