"""How tests are spread over processes (`-n 2 --dist loadfile`: a file's tests share what their fixtures started)."""

import pytest

LONG = ("engine", "browser", "timeout")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with real inference, a browser or a time limit of their own take longest, so they begin."""
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in LONG))
