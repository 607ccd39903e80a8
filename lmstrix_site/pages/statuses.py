"""How many models stand where, and the sentence at the top of the overview."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from lmstrix_site.pages.servers import Offered
from registry.models import LanguageModel, Registry
from registry.models.language_model import TESTABLE, CheckStatus, ModelType, State
from registry.templatetags.figures import sentence, words


@dataclass(frozen=True)
class Counted:
    """Models of a registry by how far their context window is known; missing ones apart.

    `to_test`: the untested ones that can be tested now.
    """

    tested: int
    testing: int
    stale: int
    untested: int
    untestable: int
    failed: int
    gone: int
    less: int
    in_error: int
    to_test: int

    @property
    def all(self) -> int:
        return self.tested + self.testing + self.stale + self.untested + self.untestable + self.failed

    @property
    def bar(self) -> list[tuple[int, str]]:
        return [
            (self.tested, "i-ok"), (self.testing, "i-busy"), (self.stale, "i-warn"),
            (self.untested + self.untestable, "i-track"), (self.failed, "i-bad"),
        ]  # fmt: skip

    @property
    def legend(self) -> list[tuple[str, int]]:
        """State and count, for the links below the bar."""
        known = (
            ("tested", self.tested), ("testing", self.testing), ("stale", self.stale), ("untested", self.untested),
            ("failed", self.failed), ("missing", self.gone),
        )  # fmt: skip
        return [(state, count) for state, count in known if count]

    @property
    def finding(self) -> str:
        """The heading over the bar."""
        if not self.all:
            return "No models yet"
        if not self.tested:
            return f"{self.all:,} model{'s' if self.all != 1 else ''}, none with a verified context window yet"
        if self.tested == self.all:
            return "Every model has a verified context window"
        return f"{self.tested:,} of {self.all:,} models have a verified context window"


def counted(registry: Registry) -> Counted:
    """One query over the models of the registry."""
    here, stale = Q(missing=False), Q(stale=True)
    embedding = Q(type=ModelType.EMBEDDING)
    conditions = {
        "tested": here & ~stale & Q(test_status=CheckStatus.TESTED),
        "testing": here & Q(test_status=CheckStatus.TESTING),
        "stale": here & stale & Q(test_status=CheckStatus.TESTED),
        "untested": here & ~embedding & Q(test_status=CheckStatus.UNTESTED),
        "untestable": here & embedding & Q(test_status=CheckStatus.UNTESTED),
        "failed": here & Q(test_status=CheckStatus.FAILED),
        "gone": ~here,
        "less": here & Q(test_verdict="server applied less"),
        "in_error": here & Q(state=State.ERROR),
        "to_test": TESTABLE & Q(test_status=CheckStatus.UNTESTED),
    }
    counts = {name: Count("pk", filter=condition) for name, condition in conditions.items()}
    return Counted(**LanguageModel.objects.filter(registry=registry).aggregate(**counts))


def headline(servers: Offered, things: int) -> str:
    """How things are in one or two sentences."""
    count = len(servers.all)
    if not count:
        return "No server is switched on." if servers.disabled else "Add a server to begin."
    if servers.unknown == count:
        return "Not scanned yet."
    if not servers.answering:
        return "No server answers." if count > 1 else f"{servers.all[0].server.name} does not answer."
    if servers.silent:
        verb = "answers" if servers.answering == 1 else "answer"
        answering = f"{sentence(words(servers.answering))} of {words(count)} servers {verb}."
    elif count == 1:
        answering = f"{servers.all[0].server.name} answers."
    else:
        answering = f"{'Both' if count == 2 else f'All {words(count)}'} servers answer."
    need = "Nothing needs a look." if not things else f"{sentence(words(things))} things need a look."
    return f"{answering} {'One thing needs a look.' if things == 1 else need}"
