"""Context tests for scripts and `manage.py shell`, by the guide's names."""

from __future__ import annotations

from rich.console import Console

from registry.management.base import Worker, this_process
from registry.models import LanguageModel
from registry.models.job import Runner
from registry.scripting import ModelRegistry, load_model_registry
from registry.scripting.figures import Figures
from registry.scripting.reading import model_named
from testing import context_testing
from testing.context_testing import Options
from testing.models import ContextTest


class ContextTester:
    """Tests models of one registry (the default one unless told), each as a job of this process."""

    def __init__(self, registry: ModelRegistry | None = None) -> None:
        self.registry = registry or load_model_registry()

    def test_model_context(
        self,
        model_id: str,
        threshold: int | None = None,
        *,
        ctx: int | None = None,
        force: bool = False,
        timeout: float = 1800.0,
        verbose: bool = True,
    ) -> Figures:
        """Loads, fills and reads until the largest window that works is known; it may take minutes.

        `test_successful`, `optimal_context` (tokens, 0 when none works), `verdict`, `probes` (a list, in order) and
        `error`. `threshold`: never load above it; `ctx`: this one size; `timeout`: seconds for a load or an answer.
        """
        model = model_named(self.registry.registry, model_id)
        options = Options(threshold, ctx, force, timeout)
        job = context_testing.enqueue([model], options, door="python", runner=Runner.COMMAND, owner=this_process())
        Worker(Console(stderr=True), quiet=not verbose).do([job])
        return _result(ContextTest.objects.select_related("job", "model").get(job=job), model)


def _result(test: ContextTest, model: LanguageModel) -> Figures:
    probes = test.probes.values("order", "kind", "requested", "applied", "verdict", "message", "input_tokens")
    job = test.job
    return Figures(
        model_id=model.public_id,
        test_successful=test.tested_context is not None,
        optimal_context=test.tested_context or 0,
        verdict=test.verdict or None,
        iterations=test.iterations,
        duration=test.duration,
        probes=list(probes),
        error=(job.error or None) if job else None,
    )
