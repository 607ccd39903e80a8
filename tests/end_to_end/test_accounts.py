"""What each role sees in a browser: no button that the person may not use."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.browsers import chromium, visitor
from tests.seeded_site import SeededSite, seeded_site

pytestmark = pytest.mark.browser

PAGES = ("/", "/models/", "/servers/", "/context-tests/", "/jobs/", "/settings/")
STATES = (
    "model untested", "model tested", "context test running", "context test done", "job parent", "job failed",
    "server", "server silent",
)  # fmt: skip
WORK = {"Scan", "Scan now", "Scan all", "Test", "Test again", "Test untested", "Cancel", "Cancel test", "Try again"}
# "Edit" stands on models for operators and on servers for admins, which the tests of those pages look at
ADMINISTRATION = {"Delete", "Disable", "Enable", "Add a server", "Make a token", "Add a person", "Login link"}
# buttons, and links that look like buttons
NAMES = "nodes => nodes.map(node => node.innerText.trim().replace(/ \\d+$/, ''))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededSite]:
    with seeded_site(tmp_path_factory.mktemp("site"), rows=True) as running:
        yield running


@pytest.fixture(scope="module")
def signed_in(browser: Browser, site: SeededSite) -> dict[str, StorageState]:
    """What a browser keeps of each role's visit: a link signs in only once."""
    states = {}
    for role in site.keys:
        with visitor(browser, site.url) as person:
            person.open(site.login_path(role))
            states[role] = person.context.storage_state()
    return states


def controls(browser: Browser, site: SeededSite, state: StorageState) -> set[str]:
    """What a person can press on all pages together."""
    found: set[str] = set()
    with visitor(browser, site.url, storage_state=state) as person:
        for path in (*PAGES, *(site.paths[state] for state in STATES)):
            found |= set(person.open(path).locator("main .btn").evaluate_all(NAMES))
        assert person.faults.take() == []
    return found


def test_a_viewer_sees_no_button_that_changes_anything(
    browser: Browser, site: SeededSite, signed_in: dict[str, StorageState]
) -> None:
    assert controls(browser, site, signed_in["viewer"]) & (WORK | ADMINISTRATION) == set()


def test_an_operator_sees_the_buttons_of_work_and_none_of_administration(
    browser: Browser, site: SeededSite, signed_in: dict[str, StorageState]
) -> None:
    seen = controls(browser, site, signed_in["operator"])
    assert seen & ADMINISTRATION == set()
    assert seen >= WORK


def test_an_admin_sees_all_of_them(browser: Browser, site: SeededSite, signed_in: dict[str, StorageState]) -> None:
    assert controls(browser, site, signed_in["admin"]) >= WORK | (ADMINISTRATION - {"Enable"})


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_knows_an_address_is_told_which_role_it_takes(
    browser: Browser, site: SeededSite, signed_in: dict[str, StorageState], role: str
) -> None:
    with visitor(browser, site.url, storage_state=signed_in[role]) as person:
        person.open("/servers/add/")
        expect(person.page.locator("main")).to_contain_text("This takes the role admin")
