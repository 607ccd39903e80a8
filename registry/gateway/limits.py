"""How much a token may use: requests per minute and tokens per day (days are UTC)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from registry.gateway.refusals import LIMITED, Refusal
from registry.gateway.routes import TokenRoute

MINUTE = 60.0
DAY = 86_400


class Limits:
    """Counts for the tokens that have limits, in this process; of the day also what the database knows."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._clock, self._now = clock, now
        self._minutes: dict[int, deque[float]] = {}
        self._days: dict[int, tuple[int, int, int]] = {}  # day, tokens in the database at its first request, since

    def admit(self, token: TokenRoute) -> None:
        """Lets a request in and counts it, or raises Refusal (429) with the time to wait."""
        if token.tokens_per_day is not None:
            self._check_day(token, token.tokens_per_day)
        if token.requests_per_minute is not None:
            self._count(token, token.requests_per_minute)

    def spend(self, token: TokenRoute, tokens: int) -> None:
        """Notes what a request took."""
        if token.tokens_per_day is not None:
            day, before, since = self._day(token)
            self._days[token.pk] = day, before, since + tokens

    def _count(self, token: TokenRoute, most: int) -> None:
        now, times = self._clock(), self._minutes.setdefault(token.pk, deque())
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) >= most:
            left = int(times[0] + MINUTE - now) + 1 if times else int(MINUTE)
            raise Refusal(
                429, f"The token {token.name} may send {most:,} requests per minute; try again in {left} s.",
                kind=LIMITED, code="rate_limit_exceeded", retry_after=left,
            )  # fmt: skip
        times.append(now)

    def _check_day(self, token: TokenRoute, most: int) -> None:
        _, before, since = self._day(token)
        # the database lags behind this process, and knows what other processes carried
        used = max(token.spent, before + since)
        if used >= most:
            left = DAY - int(self._now()) % DAY
            raise Refusal(
                429,
                f"The token {token.name} has used {used:,} of its {most:,} tokens of today (UTC); "
                f"try again in {left:,} s.",
                kind=LIMITED, code="tokens_per_day_exceeded", retry_after=left,
            )  # fmt: skip

    def _day(self, token: TokenRoute) -> tuple[int, int, int]:
        today = datetime.fromtimestamp(self._now(), UTC).toordinal()
        known = self._days.get(token.pk)
        if known is None or known[0] != today:
            # what the table says just after midnight may still be of yesterday
            known = self._days[token.pk] = today, token.spent if known is None else 0, 0
        return known
