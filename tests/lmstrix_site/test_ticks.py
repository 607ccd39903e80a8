"""What ticks every few seconds fills no log."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.conf import settings

from lmstrix_site.ticks import NoTicks


def passes(args: Any, level: int = logging.INFO) -> bool:
    record = logging.LogRecord("celery", level, __file__, 1, "told", args, None)
    return NoTicks(settings.TICKS).filter(record)


@pytest.mark.parametrize("args", [({"name": "registry.poll", "id": "1"},), ("poll", "registry.poll")])
def test_a_tick_that_comes_and_ends_well_is_not_told(args: Any) -> None:
    assert not passes(args)
    assert passes(args, logging.WARNING)


@pytest.mark.parametrize("args", [({"name": "registry.run_job", "id": "1"},), ("scan", "registry.scan_all"), (), None])
def test_everything_else_is_told(args: Any) -> None:
    assert passes(args)


def test_the_short_ticks_are_quiet_and_the_long_ones_are_not() -> None:
    assert "registry.poll" in settings.TICKS
    assert "registry.scan_all" not in settings.TICKS
