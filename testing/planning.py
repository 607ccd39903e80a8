"""What a context test would do, said before it loads anything."""

from typing import Any

from registry.models import LanguageModel
from testing import context_testing
from testing.context_testing import Options
from testing.models import ContextTest


def plan(model: LanguageModel, options: Options) -> dict[str, Any]:
    """The first sizes that would be tried and the ceiling, or why the model cannot be tested."""
    reason = context_testing.objection(model)
    if reason or model.server is None:
        return {"model": model.public_id, "server": None, "first": [], "says": reason}
    if options.fixed_context:
        first = [options.fixed_context]
        says = f"would load and fill {options.fixed_context:,} tokens on {model.server.name}"
    else:
        test = ContextTest(model=model, server=model.server, threshold=options.threshold, force=options.force,
                           estimate=context_testing.known_limit(model))  # fmt: skip
        first, top = context_testing.first_sizes(test)
        sizes = ", then ".join(f"{size:,}" for size in first)
        says = f"would try {sizes} tokens on {model.server.name} if each works, {top:,} at most, then fill the largest"
    loaded = [copy.instance_id for copy in model.server.instances.all()]
    if loaded:
        says += f"; {', '.join(loaded)} would be set aside and loaded again"
    return {"model": model.public_id, "server": model.server.name, "first": first, "says": says}
