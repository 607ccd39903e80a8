"""Importing a file: refused with every fault, shown first, done as a job."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from registry import exchanging
from registry.models import Job, LanguageModel, Role, Snapshot
from tests.builders import make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


def sent(data: bytes, name: str = "models.json", strategy: str = "update") -> dict[str, Any]:
    return {"file": SimpleUploadedFile(name, data), "strategy": strategy}


def changed_file() -> bytes:
    """The registry's export with other notes for its one model."""
    document = json.loads(exchanging.export(make_model(key="m", notes="old", server=make_server()).registry))
    document["models"]["m"]["notes"] = "new"
    return json.dumps(document).encode()


def test_the_form_explains_every_strategy(page: Client) -> None:
    body = page.get("/import/").content.decode()
    assert all(f'value="{name}"' in body for name in ("update", "skip", "replace", "prefer_newer"))
    assert "only what is missing here comes in" in body


def test_a_file_is_kept_and_what_it_changes_is_shown(page: Client) -> None:
    answer = page.post("/import/", sent(changed_file()), follow=True)
    assert answer.context["plan"].counts == [("changed", 1)]
    assert "Import 1 change" in answer.content.decode()
    assert LanguageModel.objects.get().notes == "old"


def test_the_same_file_is_shown_by_another_rule(page: Client) -> None:
    page.post("/import/", sent(changed_file()))
    answer = page.get(f"/import/{Snapshot.objects.get().pk}/?strategy=skip")
    assert answer.context["plan"].counts == []
    assert "is here already" in answer.content.decode()


def test_the_import_is_a_job_with_the_shown_rule(page: Client) -> None:
    page.post("/import/", sent(changed_file(), strategy="replace"))
    kept = Snapshot.objects.get()
    answer = page.post(f"/import/{kept.pk}/", {"strategy": "replace"})
    job = Job.objects.get()
    assert answer["Location"] == job.get_absolute_url()
    assert (job.kind, job.params["snapshot"], job.params["strategy"]) == ("import", kept.pk, "replace")


@pytest.mark.parametrize("data", [b"", b"{", b"\x1f\x8b\x00", b"\xff\xfe", b"[" * 100_000, b'{"models": 7}'])
def test_a_file_that_is_no_registry_is_refused_and_not_kept(page: Client, data: bytes) -> None:
    answer = page.post("/import/", sent(data))
    assert answer.status_code == 200
    assert "refused" in answer.content.decode() or "empty" in answer.content.decode()
    assert not Snapshot.objects.exists()


def test_every_fault_is_listed_with_its_place(page: Client) -> None:
    data = {"version": "1.0", "models": {key: {"id": key, "size_mb": "big"} for key in ("x", "y")}}
    answer = page.post("/import/", sent(json.dumps(data).encode()))
    places = {fault.place for fault in answer.context["faults"]}
    assert places == {'models["x"].size_mb', 'models["y"].size_mb'}


def test_a_name_from_a_file_is_text_never_markup(page: Client) -> None:
    data = {"version": "1.0", "models": {"<script>alert(1)</script>": {"id": "<script>alert(1)</script>"}}}
    body = page.post("/import/", sent(json.dumps(data).encode(), name="<img src=x>.json"), follow=True)
    assert "<script>alert(1)" not in body.content.decode()
    assert "<img src=x" not in body.content.decode()


def test_an_operator_imports_nothing(client: Client) -> None:
    client.force_login(make_user(role=Role.OPERATOR))
    assert client.post("/import/", sent(b"{}")).status_code == 403
