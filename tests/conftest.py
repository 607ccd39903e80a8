"""How tests are spread over processes (`-n 2 --dist loadfile`: a file's tests share what their fixtures started)."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with real inference or a browser take longest, so they begin."""
    items.sort(key=lambda item: not (item.get_closest_marker("engine") or item.get_closest_marker("browser")))
