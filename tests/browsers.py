"""Chromium for tests, and everything that goes wrong on a page while it is driven."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, sync_playwright

SETTLED_SECONDS = 3.0
AXE = Path(__file__).resolve().parent.parent / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
# a violation stands in the console too, but without the element that broke the policy
REPORT_VIOLATIONS = """
document.addEventListener('securitypolicyviolation', event =>
  console.error('CSP', event.violatedDirective, event.blockedURI, event.sourceFile, event.lineNumber, event.sample));
"""
# a colour on its way to another theme is no colour of the page
SETTLE = """() => Promise.all(document.getAnimations()
  .filter(animation => animation.effect.getTiming().iterations !== Infinity).map(animation => animation.finished))"""
RUN_AXE = """async () => {
  const found = await axe.run({resultTypes: ['violations'], preload: false});
  return found.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v =>
    v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' (' + n.failureSummary + ')').join(' | '));
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser that ends with the context."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert executable, "the browser tests drive Chromium; on Debian: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Faults:
    """What no page may do: console errors and warnings, broken policies, failed answers; each as one line."""

    told: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.add_init_script(REPORT_VIOLATIONS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.told.append(f"error: {error}"))
        page.on("response", self._response)

    def take(self) -> list[str]:
        """What was told since the last time."""
        told, self.told = self.told, []
        return told

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.told.append(f"console {message.type}: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.told.append(f"{response.status} of {urlsplit(response.url).path}")


@dataclass
class Visitor:
    """A person at a browser: one page, and the faults that it showed."""

    context: BrowserContext
    page: Page
    faults: Faults
    home: str

    def open(self, path: str) -> Page:
        """Goes to a page of the site and waits until its document is there."""
        self.page.goto(self.home + path, wait_until="domcontentloaded")
        return self.page

    def sees(self, text: str, seconds: float = 5) -> None:
        """Waits for a text in the page."""
        self.page.get_by_text(text).first.wait_for(timeout=seconds * 1000)


@contextmanager
def visitor(browser: Browser, home: str, **options: Any) -> Iterator[Visitor]:
    """A fresh visitor of the site at `home`; `options` are Playwright's for a context."""
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    page, faults = context.new_page(), Faults()
    faults.watch(page)
    yield Visitor(context, page, faults, home)
    context.close()


def sideways(page: Page) -> int:
    """By how many pixels the settled page is wider than the window; a chart is drawn anew a moment after a resize."""
    page.wait_for_load_state("load")  # the styles may still be under way
    until = time.monotonic() + SETTLED_SECONDS
    while (wider := int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))) > 0:
        if time.monotonic() > until:
            return wider
        time.sleep(0.05)
    return wider


def serious_findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical on this page; it tries an inline style, so look for faults before it."""
    page.evaluate(SETTLE)
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_axe())  # by the debugger: the page's own policy stays in force
    return list(page.evaluate(RUN_AXE))


@cache
def _axe() -> str:
    assert AXE.is_file(), f"{AXE} is not there: run `make assets`"
    return AXE.read_text(encoding="utf-8")
