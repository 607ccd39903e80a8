"""How tests are spread over processes (`-n 2 --dist loadgroup`)."""

import pytest

HEAVY = "engine"  # real inference uses every core: such tests run one after the other, and begin first


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests stay together, because they share what their fixtures have started."""
    for item in items:
        group = HEAVY if item.get_closest_marker("engine") else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.get_closest_marker("engine") is None)
