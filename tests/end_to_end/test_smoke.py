"""The whole of LMStrix in a browser, with real inference: sign in, test a model, cancel, find it again, leave."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browsers import Visitor, chromium, visitor
from tests.engines import OVERSTATED, PLAIN
from tests.stacks import Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.engine]
BUDGET_MB = 277  # room for 1,024 tokens of the overstated model: refusals, loads and a fill of about ten seconds
# every different text of the heading and of the probe log since the page was opened
RECORD_STATES = """() => {
  window.states = new Set();
  const now = () => document.querySelector('#test').innerText.replace(/\\d+(\\.\\d+)? (s|min)/g, '');
  const look = () => window.states.add(now());
  look();
  new MutationObserver(look).observe(document.querySelector('main'), {childList: true, subtree: true});
}"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("smoke"), budget_mb=BUDGET_MB) as running:
        yield running


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Iterator[Visitor]:
    """The person of the ready line, signed in."""
    with chromium() as browser, visitor(browser, stack.url, reduced_motion="reduce") as person:
        person.page.goto(stack.login_url)
        yield person


def test_the_link_of_the_ready_line_opens_the_overview_with_the_models_of_the_engine(owner: Visitor) -> None:
    expect(owner.page).to_have_url(owner.home + "/")
    owner.open("/models/")
    for key in (PLAIN, OVERSTATED):
        expect(owner.page.get_by_title(key, exact=True)).to_be_visible(timeout=15_000)
    assert owner.faults.take() == []


def test_a_test_is_watched_live_to_its_report(owner: Visitor) -> None:
    _test(owner, OVERSTATED)
    owner.page.evaluate(RECORD_STATES)
    expect(owner.page.get_by_role("heading", level=1)).to_have_text(
        re.compile(r"^\d[\d,]+ tokens work, 131,072 are declared$"), timeout=90_000
    )
    assert owner.page.evaluate("window.states.size") >= 3  # not reloaded: the set is still there
    expect(owner.page.locator("#probe-chart canvas")).to_be_visible()
    assert owner.faults.take() == []


def test_what_was_found_is_on_the_page_of_the_model(owner: Visitor) -> None:
    owner.open("/models/")
    owner.page.get_by_title(OVERSTATED, exact=True).click()
    expect(owner.page.locator(".four")).to_contain_text(re.compile(r"Tested\s*\d.* of declared"))
    expect(owner.page.get_by_role("button", name="Test again")).to_be_visible()
    assert owner.faults.take() == []


def test_a_test_cancelled_on_its_page_says_so_and_is_found_among_the_jobs(owner: Visitor) -> None:
    _test(owner, PLAIN)
    owner.page.get_by_role("button", name="Cancel test").click()
    expect(owner.page.get_by_role("heading", level=1)).to_contain_text("Cancelled", timeout=20_000)
    owner.open("/jobs/?status=cancelled")
    owner.page.get_by_role("link", name=PLAIN, exact=True).click()
    expect(owner.page.locator("#live")).to_contain_text("cancelled")
    assert owner.faults.take() == []


def test_who_signs_out_cannot_come_back_by_the_used_link(owner: Visitor, stack: Stack) -> None:
    owner.open("/")
    owner.page.locator("summary", has_text="Account of").click()
    owner.page.get_by_role("button", name="Sign out").click()
    expect(owner.page.get_by_role("heading", name="Sign in")).to_be_visible()
    owner.page.goto(stack.login_url)
    expect(owner.page.get_by_role("alert")).to_contain_text("used already")
    owner.open("/models/")
    expect(owner.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert owner.faults.take() == []


def _test(owner: Visitor, key: str) -> None:
    """Presses Test on the page of a model."""
    owner.open("/models/")
    owner.page.get_by_title(key, exact=True).click()
    owner.page.get_by_role("button", name="Test", exact=True).click()
    owner.page.wait_for_url("**/context-tests/*/")
