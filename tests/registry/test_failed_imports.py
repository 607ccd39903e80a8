"""An import that fails leaves every table but jobs and audit as it was, whatever the file is."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError
from pytest_django.fixtures import Settings

from registry import changing, exchanging, jobs, keeping, snapshots
from registry.documents.content import Unreadable
from registry.holding import Busy
from registry.models import Group, GroupMember, LanguageModel, Profile, Registry, Snapshot
from tests.builders import make_model, make_test
from tests.registry.dumps import dump

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def registry() -> Registry:
    """A registry with a bit of everything."""
    registry = Registry.objects.default()
    model = make_model(key="qwen", tags=("mine",))
    make_test(model=model)
    group = Group.objects.create(registry=registry, name="shelf")
    GroupMember.objects.create(group=group, model=model, position=0)
    Profile.objects.create(registry=registry, name="chat", preferred_models=["qwen"])
    registry.touch()
    return registry


def with_model(**fields: Any) -> bytes:
    return json.dumps({"version": "1.0", "models": {"fine": {"name": "Fine"}, "x": fields}}).encode()


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "../"), data)
    return packed.getvalue()


BAD: dict[str, bytes] = {
    "nothing": b"",
    "no file of ours": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "half a file": with_model(name="X")[:-20],
    "half a gzip": gzip.compress(with_model(name="X"))[:-12],
    "two documents": with_model(name="X") * 2,
    "a newer version": b'{"version": "9.0", "models": {}}',
    "a list": b"[1, 2]",
    "models as a list": b'{"version": "1.0", "models": [1]}',
    "a text for a number": with_model(size_bytes="big"),
    "a number below 0": with_model(tested_context=-1),
    "a number beyond 64 bits": with_model(size_bytes=2**70),
    "NaN": b'{"models": {"x": {"size_bytes": NaN}}}',
    "5,000 digits": b'{"models": {"x": {"size_bytes": ' + b"9" * 5000 + b"}}}",
    "half a character": b'{"models": {"x": {"name": "\\ud800"}}}',
    "NUL": b'{"models": {"x": {"name": "a\\u0000b"}}}',
    "not UTF-8": b'{"models": {"x": {"name": "\xff\xfe"}}}',
    "100,000 deep": b'{"models": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "the same key twice": b'{"models": {"x": {}, "x": {}}}',
    "an unknown status": with_model(test_status="perhaps"),
    "a bad date": with_model(last_tested="yesterday"),
    "a name of 10,000": with_model(name="x" * 10_000),
    "a group of unknown models": b'{"models": {"x": {}}, "groups": {"g": {"models": [7]}}}',
    "a profile that is none": b'{"models": {}, "profiles": {"p": {"temperature": "warm"}}}',
    "YAML aliases": b"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nmodels: [*b,*b,*b,*b,*b,*b]\n",
    "YAML tags": b"models: !!python/object/apply:os.system ['true']\n",
    "a sheet without keys": b"name,size_bytes\nX,1\n",
    "a sheet with a bad number": b"key,size_bytes\nx,big\n",
    "a zip of two": zipped(a=b"{}", b=b"{}"),
    "a file of LMStrix with a bad number": b'{"llms": {"x": {"id": "x", "size_bytes": "big"}}}',
}


def refused(change: Callable[[], Any], kind: type[Exception] | tuple[type[Exception], ...] = Unreadable) -> None:
    """`change` fails, and nothing is different from before."""
    before, files = dump(), sorted(keeping.folder().glob("*"))
    with pytest.raises(kind) as stopped:
        change()
    assert str(stopped.value)
    assert dump() == before
    assert sorted(keeping.folder().glob("*")) == files


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_changes_nothing(registry: Registry, name: str) -> None:
    refused(lambda: exchanging.bring_in(registry, BAD[name]))
    refused(lambda: exchanging.restore_from(registry, BAD[name]))
    refused(lambda: snapshots.store_upload(registry, "x", BAD[name]))


@pytest.mark.parametrize("strategy", ["guess", "", "exact "])
def test_a_strategy_that_is_none_changes_nothing(registry: Registry, strategy: str) -> None:
    refused(lambda: exchanging.bring_in(registry, with_model(name="X"), strategy=strategy), ValueError)


def good(registry: Registry) -> bytes:
    """A file that changes and adds much."""
    document = json.loads(exchanging.export(registry, full=True))
    document["models"]["qwen"] |= {"name": "Other", "display_name": "Other"}
    document["models"]["new"] = {"name": "New"}
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("registry.applying_models.write", RuntimeError("broken")),
        ("registry.applying_arrangements.write_groups", OperationalError("disk I/O error")),
        ("registry.applying_arrangements.write_profiles", OperationalError("database is locked")),
        ("registry.keeping.save", ValueError("taken")),
        ("registry.auditing.note", RuntimeError("broken")),
        ("os.fsync", OSError(28, "No space left on device")),
    ],
)
@pytest.mark.parametrize("strategy", ["update", "exact"])
def test_a_failure_in_the_midst_undoes_all(registry: Registry, place: str, error: Exception, strategy: str) -> None:
    data = good(registry)
    expected = (type(error), Busy, ValueError)
    with mock.patch(place, side_effect=error):
        refused(lambda: exchanging.bring_in(registry, data, strategy=strategy), expected)


def test_a_model_that_cannot_be_deleted_now_keeps_everything(registry: Registry) -> None:
    data = exchanging.export(registry)
    model = make_model(key="testing", test_status="testing")
    test = make_test(model=model)
    test.job = changing.enqueue_cleanup(registry, orphans=True)  # any open job
    test.save()
    registry.touch()
    refused(lambda: exchanging.bring_in(registry, data, strategy="exact"), ValueError)
    assert LanguageModel.objects.filter(key="testing").exists()


def test_a_failed_job_leaves_only_its_upload(registry: Registry) -> None:
    upload = snapshots.store_upload(registry, "x.json", good(registry))
    before = dump()
    job = changing.enqueue_import(registry, upload, "update", version=registry.version + 7)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.status, dump()) == ("failed", before)
    assert "changed since this was planned" in job.error
    assert Snapshot.objects.get() == upload
