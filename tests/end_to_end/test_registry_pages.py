"""The whole registry in a browser: import, diff, take over, restore, undo, tag, group, profile, another registry."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import Visitor, chromium, visitor
from tests.job_runners import job_runner
from tests.seeded_site import SeededSite, seeded_site

pytestmark = pytest.mark.browser

DONE_SECONDS = 20.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededSite]:
    folder = tmp_path_factory.mktemp("registry")
    with seeded_site(folder, rows=True) as running, job_runner(folder):
        yield running


@pytest.fixture(scope="module")
def admin(site: SeededSite) -> Iterator[Visitor]:
    with chromium() as browser, visitor(browser, site.url, reduced_motion="reduce") as person:
        person.open(site.login_path("admin"))
        yield person


def heading(page: Page) -> Any:
    return expect(page.get_by_role("heading", level=1))


def press(person: Visitor, name: str, *, exact: bool = True) -> None:
    person.page.locator("main").get_by_role("button", name=name, exact=exact).click()


def follow(person: Visitor, name: str) -> None:
    person.page.locator("main").get_by_role("link", name=name, exact=True).first.click()


def finished(person: Visitor) -> None:
    """Waits on the page of a job until it has succeeded; the page would say so by itself a moment later."""
    expect(person.page.get_by_text("Asked by")).to_be_visible()
    until = time.monotonic() + DONE_SECONDS
    while not person.page.get_by_text("succeeded").count():
        assert not person.page.locator(".notice-bad").count(), person.page.locator(".notice-bad").inner_text()
        assert time.monotonic() < until, person.page.locator("main").inner_text()
        time.sleep(0.2)
        person.page.reload(wait_until="domcontentloaded")


def told(person: Visitor, key: str) -> dict[str, Any]:
    """What the default registry says of a model, by its file."""
    document = person.context.request.get(f"{person.home}/registries/1/download/").json()
    return next(model for model in document["models"].values() if model["key"] == key)


def test_chosen_models_are_tagged_together(admin: Visitor) -> None:
    admin.open("/models/?filter=many/model-0")
    for number in (1, 2):
        admin.page.get_by_label(f"Select many/model-0{number}").check()
    admin.page.locator(".bulk summary", has_text="Tag").click()
    admin.page.get_by_label("Tags, with commas between them").fill("writers")
    press(admin, "Add")
    for number in (1, 2):
        row = admin.page.get_by_role("row").filter(has_text=f"many/model-0{number}")
        expect(row.get_by_text("writers", exact=True)).to_be_visible()
    assert admin.faults.take() == []


def test_a_file_is_imported_after_a_look_at_what_it_changes(admin: Visitor) -> None:
    document = {"version": "1.0", "models": {"lab/stale": {"id": "lab/stale", "notes": "from a file"}}}
    file = {"name": "notes.json", "mimeType": "application/json", "buffer": json.dumps(document).encode()}
    admin.open("/import/")
    admin.page.get_by_label("File").set_input_files(file)  # type: ignore[arg-type]
    press(admin, "Show what changes")
    heading(admin.page).to_contain_text("brings 1 change")
    expect(admin.page.locator(".diff-row .new")).to_contain_text("from a file")
    press(admin, "Import 1 change")
    finished(admin)
    expect(admin.page.locator("main")).to_contain_text("1 model changed")
    assert told(admin, "lab/stale")["notes"] == "from a file"
    assert admin.faults.take() == []


def test_an_import_is_undone(admin: Visitor) -> None:
    follow(admin, "Undo")
    press(admin, "Restore")
    finished(admin)
    assert told(admin, "lab/stale")["notes"] is None
    assert admin.faults.take() == []


def test_a_bad_file_is_refused_with_the_place_of_its_fault(admin: Visitor) -> None:
    bad = b'{"version": "1.0", "models": {"x": {"id": "x", "size_mb": "big"}}}'
    admin.open("/import/")
    file = {"name": "bad.json", "mimeType": "application/json", "buffer": bad}
    admin.page.get_by_label("File").set_input_files(file)  # type: ignore[arg-type]
    press(admin, "Show what changes")
    expect(admin.page.get_by_role("alert")).to_contain_text('models["x"].size_mb')
    assert admin.faults.take() == []


def test_chosen_changes_of_a_diff_are_taken_over_and_the_others_are_not(admin: Visitor, site: SeededSite) -> None:
    admin.open(site.paths["diff"])
    count = admin.page.locator(".bulk [data-count]").first
    before = int(count.inner_text())
    admin.page.get_by_label("Take over favourite of lab/tested").uncheck()
    expect(count).to_have_text(str(before - 1))
    admin.page.get_by_role("button", name="Take over", exact=False).last.click()
    finished(admin)
    model = told(admin, "lab/tested")
    assert (model["context_window"], model["favourite"]) == (131_072, True)
    assert told(admin, "lab/gone")["context_window"] == 131_072
    assert admin.faults.take() == []


def test_a_box_of_an_object_ticks_all_its_fields(admin: Visitor, site: SeededSite) -> None:
    admin.open(site.paths["diff"])
    whole = admin.page.get_by_label("Take over all of lab/untested")
    whole.check()
    expect(admin.page.get_by_label("Take over notes of lab/untested")).to_be_checked()
    admin.page.get_by_label("Take over notes of lab/untested").uncheck()
    assert whole.evaluate("box => box.indeterminate")
    press(admin, "choose none")
    expect(admin.page.locator(".bulk [data-count]").first).to_have_text("0")
    assert admin.faults.take() == []


def test_a_snapshot_is_restored_and_that_is_undone(admin: Visitor, site: SeededSite) -> None:
    admin.open(site.paths["snapshot"])
    follow(admin, "Restore")
    expect(admin.page.locator("main")).to_contain_text("A snapshot is taken first")
    press(admin, "Restore")
    finished(admin)
    assert told(admin, "lab/tested")["favourite"] is False
    follow(admin, "Undo")
    press(admin, "Restore")
    finished(admin)
    assert told(admin, "lab/tested")["favourite"] is True
    assert admin.faults.take() == []


def test_another_lmstrix_is_compared_by_address_and_token(admin: Visitor, site: SeededSite) -> None:
    admin.open("/compare/")
    admin.page.get_by_label("Address").fill(f"{site.url}/registries/laptop")
    admin.page.get_by_label("Its API token").fill(site.server.token)
    press(admin, "Read and compare")
    heading(admin.page).to_contain_text("has 1 model more")
    expect(admin.page.get_by_role("heading", name="lab/elsewhere")).to_be_visible()
    assert admin.faults.take() == []


def test_two_registries_are_synced_after_a_look_at_both_sides(admin: Visitor) -> None:
    admin.open("/sync/")
    admin.page.get_by_label("Another registry here").select_option(label="laptop")
    press(admin, "Show what changes")
    expect(admin.page.locator("main")).to_contain_text("The two were never synced")
    expect(admin.page.get_by_role("heading", name="lab/elsewhere")).to_be_visible()
    press(admin, "Sync")
    finished(admin)
    assert told(admin, "lab/elsewhere")["key"] == "lab/elsewhere"
    assert admin.faults.take() == []


def test_all_models_of_a_group_are_tested(admin: Visitor) -> None:
    admin.open("/groups/")
    follow(admin, "daily")
    press(admin, "Test all 2")
    heading(admin.page).to_contain_text("2 models")
    expect(admin.page.get_by_role("link", name="lab/untested", exact=True)).to_be_visible()
    assert admin.faults.take() == []


def test_a_profile_names_its_model_and_why_the_others_are_passed_over(admin: Visitor) -> None:
    admin.open("/profiles/")
    follow(admin, "long letters")
    heading(admin.page).to_contain_text("long letters")
    expect(admin.page.locator("main")).to_contain_text("nowhere is preferred, but no model of this registry")
    expect(admin.page.locator("main")).to_contain_text("Passed over")
    assert admin.faults.take() == []


def test_another_registry_is_opened_in_the_page_head(admin: Visitor) -> None:
    admin.open("/models/")
    admin.page.locator(".lx-registry summary").click()
    admin.page.locator(".lx-registry").get_by_role("button", name="laptop").click()
    expect(admin.page.get_by_title("lab/elsewhere", exact=True)).to_be_visible()
    expect(admin.page.locator(".lx-registry summary")).to_contain_text("laptop")
    assert admin.faults.take() == []
