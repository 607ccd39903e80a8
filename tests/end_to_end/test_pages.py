"""Every page in every state: no fault, no sideways scroll, nothing serious for axe, and readable without a script."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.browsers import Visitor, chromium, serious_findings, sideways, visitor
from tests.seeded_site import LONG, SeededSite, seeded_site

pytestmark = pytest.mark.browser

Theme = Literal["light", "dark"]
WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
# page -> a text that has to be on it, also without a script
EMPTY = {
    "/": "Add a server to begin.",
    "/models/": "There is no server yet",
    "/servers/": "Add the first one",
    "/context-tests/": "No context test yet",
    "/jobs/": "No job so far",
    "/snapshots/": "No snapshot of default yet",
    "/upkeep/": "breaks no rule",
    "/history/": "Nothing was changed yet",
    "/playground/": "There is no model to ask yet",
    "/settings/webhooks/": "No webhooks yet",
    "/settings/memory/": "No model is unloaded by itself",
}
FILLED = {
    "/": "Latest results",
    "/models/": "68 models",
    "/models/?filter=nothing-like-this": "No model matches",
    "/models/?sort=size&reverse=1": "shown of",
    "/servers/": "One of two servers answers",
    "/servers/add/": "Address",
    "/servers/1/edit/": "Address",
    "/servers/1/delete/": "Delete shelf?",
    "/context-tests/": "under way",
    "/jobs/": "under way",
    "/settings/": "API token",
    "/settings/webhooks/": "One webhook",
    "/settings/webhooks/1/": "3 messages, latest first",
    "/settings/webhooks/1/delete/": "One message that still waits",
    "/settings/memory/": "It would unload",
    "/settings/memory/1/": "shelf follows the default policy",
    "/settings/retention/": "How long rows are kept",
    "/playground/": "Who answers",
    "/snapshots/": "snapshots, the newest",
    "/import/": "Show what changes",
    "/compare/": "Compare what with what?",
    "/sync/": "Also take test results",
    "/registries/": "the pages show default",
    "/upkeep/": "prefers nowhere",
    "/upkeep/cleanup/?orphans=on": "lab/missing",
    "/history/": "newest first",
    "/admin/": "Registry",
    "/admin/registry/languagemodel/": "lab/tested",
    "/admin/registry/server/1/change/": "shelf",
    "/admin/testing/contexttest/": "lab/tested",
    "/api/docs": "LMStrix",
}
STATES = {
    "model untested": "Not tested yet",
    "model tested": "led to 32,768 tokens",
    "model failed": "none that works",
    "model stale": "The file changed",
    "model missing": "no longer offers it",
    "model embedding": "Nothing to test",
    "model long": "waiting for its test",
    "model testing": "32,768 to 40,960",
    "model custom": "added by hand",
    "model states": "Changed by",
    "context test done": "32,768 tokens work, 131,072 are declared",
    "context test bad": "No size works: out of memory",
    "context test failed": "The test could not be finished",
    "context test cancelled": "Cancelled after three probes",
    "context test tidying": "putting back what was loaded",
    "context test waiting": "Waiting until shelf is free",
    "context test running": "Probe 6: loading at 36,864 tokens",
    "job parent": "1 part",
    "job part": "no answer",
    "job scan": "What it found",
    "job failed": "shelf went away",
    "server": "Scans, latest first",
    "server silent": "refused the connection",
    "snapshot": "Merge it instead",
    "snapshot restore": "so this can be undone",
    "snapshot merge": "Undecided",
    "snapshot delete": "can no longer be put back",
    "diff": "differs in 1 group",
    "diff same": "67 models are the same",
    "diff equal": "No difference",
    "registry": "What is in it",
    "registry delete": "Download it first",
    "job change": "restoring it undoes all of this",
}
# not Django's own pages: they look as Django made them, and the API's explorer is drawn by a script
OURS = [page for page in (*FILLED, *STATES) if not page.startswith(("/admin/", "/api/"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededSite]:
    with seeded_site(tmp_path_factory.mktemp("site"), rows=True) as running:
        yield running


@pytest.fixture(scope="module")
def admin(browser: Browser, site: SeededSite) -> Iterator[Visitor]:
    with visitor(browser, site.url, color_scheme="light", viewport=WIDE, reduced_motion="reduce") as person:
        person.open(site.login_path("admin"))
        yield person


@pytest.fixture(scope="module")
def plain(browser: Browser, admin: Visitor) -> Iterator[Visitor]:
    """The same person in a browser without JavaScript, on a telephone."""
    state = admin.context.storage_state()
    with visitor(browser, admin.home, storage_state=state, java_script_enabled=False, viewport=NARROW) as person:
        yield person


@pytest.fixture(scope="module")
def newcomer(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """An admin of a LMStrix without any server."""
    with (
        seeded_site(tmp_path_factory.mktemp("first"), rows=False) as site,
        visitor(browser, site.url, color_scheme="light", viewport=WIDE, reduced_motion="reduce") as person,
    ):
        person.open(site.login_path("admin"))
        yield person


def flawless(person: Visitor, path: str) -> None:
    """Opens a page light and wide, then makes it dark and narrow; it has to be without fault in both."""
    page, findings = person.page, {}
    looks: tuple[tuple[ViewportSize, Theme], ...] = ((WIDE, "light"), (NARROW, "dark"))
    person.faults.take()
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
    person.open(path)
    for size, theme in looks:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(size)
        assert sideways(page) <= 0, f"wider than a window of {size}"
        assert person.faults.take() == []
        findings[theme] = serious_findings(page)
        person.faults.take()
    assert findings == {"light": [], "dark": []}


@pytest.mark.parametrize("page", [*FILLED, *STATES])
def test_a_page_is_without_fault_light_and_dark_wide_and_narrow(admin: Visitor, site: SeededSite, page: str) -> None:
    flawless(admin, site.paths.get(page, page))
    expect(admin.page.locator("body")).to_contain_text({**FILLED, **STATES}[page])


@pytest.mark.parametrize("path", EMPTY)
def test_a_page_without_any_server_is_without_fault_and_says_what_to_do(newcomer: Visitor, path: str) -> None:
    flawless(newcomer, path)
    expect(newcomer.page.locator("main")).to_contain_text(EMPTY[path])


@pytest.mark.parametrize("page", OURS)
def test_a_page_says_the_same_without_a_script(plain: Visitor, site: SeededSite, page: str) -> None:
    plain.open(site.paths.get(page, page))
    expect(plain.page.get_by_role("heading", level=1)).to_be_visible()
    expect(plain.page.locator("main")).to_contain_text({**FILLED, **STATES}[page])
    assert sideways(plain.page) <= 0
    assert plain.faults.take() == []


@pytest.mark.parametrize(
    ("path", "text"), [("/models/987654/", "There is nothing here"), ("/models/?cursor=bad", "could not be read")]
)
def test_an_error_page_is_without_fault_but_its_status(admin: Visitor, path: str, text: str) -> None:
    admin.open(path)
    expect(admin.page.locator("main")).to_contain_text(text)
    assert serious_findings(admin.page) == []
    assert all("status of 40" in told or told.startswith("40") for told in admin.faults.take())


def test_the_page_to_sign_in_is_without_fault(browser: Browser, site: SeededSite) -> None:
    with visitor(browser, site.url, reduced_motion="reduce") as stranger:
        flawless(stranger, "/models/")
        flawless(stranger, "/login/?link=expired")
        expect(stranger.page.get_by_role("alert")).to_contain_text("older than ten minutes")


def test_a_long_name_is_shown_and_breaks(admin: Visitor, site: SeededSite) -> None:
    admin.open(site.paths["model long"])
    expect(admin.page.locator(".facts:not(.facts-in-line)").first).to_contain_text(LONG)


def test_the_chosen_theme_stays_on_the_next_page(admin: Visitor) -> None:
    admin.page.emulate_media(color_scheme="light")
    admin.open("/jobs/")
    admin.page.get_by_role("button", name="Light or dark").click()
    admin.open("/servers/")
    expect(admin.page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    admin.page.evaluate("localStorage.clear()")
    assert admin.faults.take() == []


def test_a_model_is_tested_and_its_test_cancelled_without_a_script(plain: Visitor, site: SeededSite) -> None:
    plain.open(site.paths["model untested"])
    plain.page.get_by_role("button", name="Test", exact=True).click()
    expect(plain.page.get_by_role("heading", level=1)).to_contain_text("Waiting")
    plain.page.get_by_role("button", name="Cancel test").click()
    expect(plain.page.get_by_role("heading", level=1)).to_contain_text("Cancelled before the first probe")
    assert plain.faults.take() == []


def test_several_models_are_chosen_and_tested_without_a_script(plain: Visitor) -> None:
    plain.open("/models/?filter=many/model-0")
    for number in (3, 4):
        plain.page.get_by_label(f"Select many/model-0{number}").check()
    plain.page.get_by_role("button", name="Test", exact=True).click()
    expect(plain.page.get_by_role("heading", level=1)).to_contain_text("2 models")
    plain.page.get_by_role("button", name="Cancel", exact=True).click()
    expect(plain.page.locator("main")).to_contain_text("ancel")
    assert plain.faults.take() == []
