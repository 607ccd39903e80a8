"""Comparing: what the diff page says, what is ticked, what is taken over, another LMStrix."""

from typing import Any

import pytest
from django.test import Client

from registry import snapshots
from registry.models import Job, LanguageModel, Registry, Role, Snapshot
from registry.views.changes import ROWS_A_PAGE
from tests.builders import make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def taken() -> Snapshot:
    """A snapshot after which one model was changed, one was added and one is gone."""
    server = make_server()
    changed, gone = make_model(key="changed", notes="old", server=server), make_model(key="gone", server=server)
    taken = snapshots.create(changed.registry, "before")
    LanguageModel.objects.filter(pk=changed.pk).update(notes="new", favourite=True)
    gone.delete()
    make_model(key="fresh", server=server)
    return taken


def asked(taken: Snapshot, **more: Any) -> dict[str, Any]:
    return {"before": f"registry:{taken.registry_id}", "after": f"snapshot:{taken.pk}", **more}


def diff(page: Client, taken: Snapshot, /, **more: Any) -> Any:
    return page.get("/compare/", asked(taken, **more)).context


def form(page: Client, taken: Snapshot, /, **more: Any) -> dict[str, Any]:
    """What the form of the diff page sends, as it was drawn."""
    context = diff(page, taken)
    ticks = [row.token for block in context["blocks"] for row in block.rows if row.ticked]
    ticks += [block.change.token for block in context["blocks"] if not block.rows and block.ticked]
    hidden = dict(context["asked"].hidden) | {"was_show": context["asked"].show, "was_page": context["page"]}
    return {**hidden, "choosing": "1", "take": ticks, **more}


def rows(page: Client, taken: Snapshot) -> dict[str, tuple[str, str, bool]]:
    blocks = diff(page, taken)["blocks"]
    return {row.name: (row.old.text, row.new.text, row.ticked) for block in blocks for row in block.rows}


def test_the_heading_says_what_the_other_side_has_lacks_and_has_otherwise(page: Client, taken: Snapshot) -> None:
    assert diff(page, taken)["heading"] == "before has 1 model more, lacks 1, and differs in 1"


def test_a_changed_field_stands_old_and_new_side_by_side(page: Client, taken: Snapshot) -> None:
    shown = rows(page, taken)
    assert shown["notes"] == ("new", "old", True)
    assert shown["favourite"] == ("yes", "no", True)


def test_a_model_that_is_missing_there_is_not_ticked(page: Client, taken: Snapshot) -> None:
    ticks = {block.change.id: block.ticked for block in diff(page, taken)["blocks"]}
    assert ticks == {"changed": True, "gone": True, "fresh": False}


def test_a_chip_narrows_to_what_it_names(page: Client, taken: Snapshot) -> None:
    context = diff(page, taken, show="added")
    assert [block.change.id for block in context["blocks"]] == ["gone"]
    assert ("missing", 1, False) in context["chips"]


def test_a_tick_is_kept_when_the_chip_changes(page: Client, taken: Snapshot) -> None:
    sent = form(page, taken, take=[], show="added")
    context = page.post("/compare/", sent).context
    assert [block.ticked for block in context["blocks"]] == [False]
    assert context["chosen"] == 0


def test_choosing_all_chooses_what_is_on_other_pages_too(page: Client, taken: Snapshot) -> None:
    context = page.post("/compare/", form(page, taken, base="all")).context
    assert context["chosen"] == context["total"] == 4


def test_many_changes_come_page_by_page_and_keep_the_choice(page: Client) -> None:
    server = make_server()
    models = [make_model(key=f"m{number}", server=server) for number in range(205)]
    taken = snapshots.create(models[0].registry, "full")
    LanguageModel.objects.update(notes="n")
    context = page.post("/compare/", form(page, taken, take=[], page="2")).context
    assert (len(context["blocks"]), context["pages"], context["chosen"]) == (5, 2, 0)
    assert ROWS_A_PAGE >= 205


def test_what_is_the_same_is_shown_on_demand(page: Client, taken: Snapshot) -> None:
    make_model(key="quiet")
    again = snapshots.create(taken.registry, "again")
    assert diff(page, again)["same"] == []
    assert "quiet" in page.get("/compare/", asked(again, same="1")).context["same"]


def test_taking_over_starts_a_job_with_the_ticked_changes(page: Client, taken: Snapshot) -> None:
    sent = form(page, taken)
    answer = page.post("/compare/take/", sent)
    job = Job.objects.get()
    assert answer["Location"] == job.get_absolute_url()
    assert (job.kind, set(job.params["tokens"])) == ("merge", set(sent["take"]))


def test_a_preview_shows_what_the_chosen_changes_do_and_writes_nothing(page: Client, taken: Snapshot) -> None:
    answer = page.post("/compare/preview/", form(page, taken))
    plan = answer.context["plan"]
    assert plan.counts == [("added", 1), ("changed", 1)]
    assert not Job.objects.exists()


def test_nothing_ticked_is_a_message(page: Client, taken: Snapshot) -> None:
    answer = page.post("/compare/take/", form(page, taken, take=[]), follow=True)
    assert "Nothing is chosen" in answer.content.decode()


def test_a_viewer_sees_the_diff_without_boxes(client: Client, taken: Snapshot) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    body = client.get("/compare/", asked(taken)).content.decode()
    assert 'name="take"' not in body
    assert "notes" in body


def test_a_snapshot_on_the_left_cannot_take_anything_over(page: Client, taken: Snapshot) -> None:
    sides = {"before": f"snapshot:{taken.pk}", "after": f"registry:{taken.registry_id}"}
    assert not page.get("/compare/", sides).context["choosing"]
    assert "as it is now can be changed" in page.post("/compare/take/", sides, follow=True).content.decode()


@pytest.mark.parametrize(
    "side", ["snapshot:987654", "file:/etc/passwd", "http://127.0.0.1:1/", "registry:x", "x" * 999]
)
def test_a_side_that_is_none_is_a_message(page: Client, taken: Snapshot, side: str) -> None:
    body = page.get("/compare/", asked(taken, after=side)).content.decode()
    assert "is not there any more" in body


def test_a_damaged_snapshot_is_a_message(page: Client, taken: Snapshot) -> None:
    Snapshot.objects.update(sha256="0" * 64)
    assert "damaged" in page.get("/compare/", asked(taken)).content.decode()


def test_the_download_holds_every_change_as_json(page: Client, taken: Snapshot) -> None:
    told = page.get("/compare/download/", asked(taken)).json()
    assert {change["action"] for change in told["changes"]} == {"added", "missing", "changed"}
    changed = next(change for change in told["changes"] if change["action"] == "changed")
    assert changed["fields"]["notes"] == {"before": "new", "after": "old"}


def test_two_equal_sides_say_so(page: Client) -> None:
    taken = snapshots.create(make_model().registry, "same")
    body = page.get("/compare/", asked(taken)).content.decode()
    assert "No difference" in body


def test_another_registry_is_compared_and_taken_from_by_name(page: Client, taken: Snapshot) -> None:
    other = Registry.objects.create(name="other")
    make_model(key="theirs", registry=other)
    sides = {"before": f"registry:{taken.registry_id}", "after": f"registry:{other.pk}"}
    context = page.get("/compare/", sides).context
    sent = {**sides, "take": [b.change.token for b in context["blocks"] if b.change.action == "added"]}
    page.post("/compare/take/", {**sent, "choosing": "1", "was_page": "1"})
    assert Job.objects.get().params["source"] == "registry:other"


def test_another_lmstrix_that_does_not_answer_is_said_and_its_token_not_shown(page: Client) -> None:
    sent = {"address": "http://127.0.0.1:1", "token": "s3cret"}
    body = page.post("/compare/remote/", sent).content.decode()
    assert "cannot be reached" in body
    assert "s3cret" not in body
