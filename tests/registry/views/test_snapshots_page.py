"""Snapshots: the list, taking, uploading, restoring with a preview, merging, deleting."""

import gzip

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from registry import exchanging, keeping, snapshots
from registry.models import Job, LanguageModel, Registry, Role, Snapshot
from registry.models.snapshot import Origin
from tests.builders import make_job, make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


def text(page: Client, address: str) -> str:
    return page.get(address).content.decode()


def upload(data: bytes, name: str = "file.json") -> dict[str, SimpleUploadedFile]:
    return {"file": SimpleUploadedFile(name, data)}


def test_without_any_the_page_says_what_a_snapshot_is_for(page: Client) -> None:
    assert "No snapshot of default yet" in text(page, "/snapshots/")
    assert "Take a snapshot now" in text(page, "/snapshots/")


def test_the_list_says_name_reason_models_and_when(page: Client) -> None:
    snapshots.create(make_model().registry, "before-the-upgrade", note="by hand, for Noor")
    body = text(page, "/snapshots/")
    assert "One snapshot, the newest" in body
    assert "before-the-upgrade" in body
    assert "for Noor" in body


def test_a_chip_narrows_to_one_origin(page: Client) -> None:
    registry = make_model().registry
    snapshots.create(registry, "mine")
    snapshots.create(registry, "nightly", origin=Origin.DAILY)
    items = page.get("/snapshots/?origin=daily").context["page"].items
    assert [snapshot.name for snapshot in items] == ["nightly"]


def test_the_list_takes_the_same_queries_however_many_there_are(
    page: Client, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    registry = make_model().registry
    for number in range(12):
        snapshots.create(registry, f"s{number}")
    with django_assert_max_num_queries(16):  # type: ignore[operator]
        page.get("/snapshots/")


def test_one_is_taken_with_a_name(page: Client) -> None:
    make_model()
    assert page.post("/snapshots/take/", {"name": "mine"})["Location"] == "/snapshots/"
    assert Snapshot.objects.get().name == "mine"


def test_a_name_that_is_taken_is_said_at_the_field(page: Client) -> None:
    snapshots.create(make_model().registry, "mine")
    body = page.post("/snapshots/take/", {"name": "mine"}).content.decode()
    assert "has a snapshot named mine already" in body


@pytest.mark.parametrize("packed", [False, True])
def test_an_uploaded_file_becomes_a_snapshot(page: Client, packed: bool) -> None:
    data = exchanging.export(make_model(key="from-a-file").registry, full=True)
    page.post("/snapshots/upload/", upload(gzip.compress(data) if packed else data))
    kept = Snapshot.objects.get()
    assert (kept.origin, kept.model_count) == (Origin.UPLOAD, 1)


def test_every_fault_of_an_upload_is_listed_with_its_place_and_nothing_kept(page: Client) -> None:
    data = b'{"version": "1.0", "models": {"x": {"id": "x", "size_mb": "big"}, "y": {"id": "y", "favourite": 7}}}'
    body = page.post("/snapshots/upload/", upload(data)).content.decode()
    assert "is refused; nothing was changed" in body
    assert "size_mb" in body
    assert not Snapshot.objects.exists()


def test_the_page_of_one_has_its_facts(page: Client) -> None:
    taken = snapshots.create(make_model().registry, "mine")
    body = text(page, taken.get_absolute_url())
    assert taken.sha256 in body
    assert "whole" in body


def test_the_page_of_a_damaged_one_says_so(page: Client) -> None:
    taken = snapshots.create(make_model().registry, "mine")
    keeping.path(taken).write_bytes(b"nothing")
    assert "Its file is damaged" in text(page, taken.get_absolute_url())
    assert "cannot be used" in page.get(f"{taken.get_absolute_url()}download/", follow=True).content.decode()


def test_the_download_is_the_document_itself(page: Client) -> None:
    taken = snapshots.create(make_model().registry, 'odd "name')
    answer = page.get(f"{taken.get_absolute_url()}download/")
    assert answer.content == keeping.document(taken)
    assert answer["Content-Disposition"] == 'attachment; filename="default odd _name.json"'


def test_a_restore_is_shown_first_with_what_comes_and_goes(page: Client) -> None:
    server = make_server()
    taken = snapshots.create(make_model(key="gone", server=server).registry, "mine")
    LanguageModel.objects.all().delete()
    make_model(key="new", server=server)
    answer = page.get(f"{taken.get_absolute_url()}restore/")
    assert answer.context["plan"].counts == [("added", 1), ("removed", 1)]
    assert "so this can be undone" in answer.content.decode()
    assert not Job.objects.exists()


def test_a_restore_says_which_servers_come_back_without_a_token(page: Client) -> None:
    model = make_model(server=make_server(name="shelf", token="secret"))
    taken = snapshots.create(model.registry, "mine")
    model.delete()
    server = model.server
    assert server is not None
    server.delete()
    assert "Server shelf comes without a token" in text(page, f"{taken.get_absolute_url()}restore/")


def test_a_restore_starts_a_job(page: Client) -> None:
    taken = snapshots.create(make_model().registry, "mine")
    answer = page.post(f"{taken.get_absolute_url()}restore/")
    job = Job.objects.get()
    assert (job.kind, job.params["snapshot"]) == ("restore", taken.pk)
    assert answer["Location"] == job.get_absolute_url()


def test_a_merge_is_shown_first_by_the_chosen_rule(page: Client) -> None:
    model = make_model(notes="old")
    taken = snapshots.create(model.registry, "mine")
    LanguageModel.objects.update(notes="new")
    address = f"{taken.get_absolute_url()}merge/"
    assert page.get(address, {"strategy": "update"}).context["plan"].counts == [("changed", 1)]
    assert page.get(address, {"strategy": "skip"}).context["plan"].counts == []
    page.post(address, {"strategy": "skip"})
    assert Job.objects.get().params["strategy"] == "skip"


def test_deleting_one_says_first_what_is_lost(page: Client) -> None:
    taken = snapshots.create(make_model().registry, "mine")
    assert "can no longer be put back" in text(page, f"{taken.get_absolute_url()}delete/")
    page.post(f"{taken.get_absolute_url()}delete/")
    assert not Snapshot.objects.exists()


def test_a_viewer_sees_snapshots_and_no_button_that_changes(client: Client) -> None:
    client.force_login(make_user(role=Role.VIEWER))
    taken = snapshots.create(make_model().registry, "mine")
    body = text(client, "/snapshots/") + text(client, taken.get_absolute_url())
    assert "Take a snapshot now" not in body
    assert "restore/" not in body


def test_the_page_of_a_finished_change_offers_to_undo_it(page: Client) -> None:
    taken = snapshots.create(make_model().registry, "before-it", origin=Origin.SAFETY)
    result = {"summary": "1 model changed", "undo": taken.pk, "changes": [], "warnings": ["mind the gap"]}
    job = make_job(kind="restore", status="succeeded", result=result)
    body = text(page, job.get_absolute_url())
    assert f"{taken.get_absolute_url()}restore/" in body
    assert "mind the gap" in body
    taken.delete()
    assert "has been deleted" in text(page, job.get_absolute_url())


def test_only_the_snapshots_of_the_chosen_registry_are_listed(page: Client) -> None:
    other = Registry.objects.create(name="other")
    snapshots.create(make_model().registry, "here")
    snapshots.create(other, "there")
    page.post("/registries/use/", {"registry": other.pk, "next": "/snapshots/"})
    assert [each.name for each in page.get("/snapshots/").context["page"].items] == ["there"]
