"""Who acts now, and through which door: set once where a request, command or job comes in, read by the audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from registry.models import Job, User


@dataclass(frozen=True)
class Actor:
    """Somebody at a door: page, rest, admin, command, python, schedule."""

    door: str
    user: User | None = None
    name: str = ""
    job: Job | None = None

    @property
    def who(self) -> str:
        return self.name or (self.user.username if self.user else "")


NOBODY = Actor("python")
_now: ContextVar[Actor] = ContextVar("actor", default=NOBODY)


def current() -> Actor:
    return _now.get()


def begin(actor: Actor) -> None:
    """From here on in this context `actor` acts; for doors whose end is the end of their context."""
    _now.set(actor)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """What happens inside is done by `actor`."""
    token = _now.set(actor)
    try:
        yield
    finally:
        _now.reset(token)
