"""Finding the side that somebody means."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import override_settings

from registry import comparing, exchanging, grouping, keeping, snapshots
from registry.comparing import Side, side
from registry.diffing import diff
from registry.documents.content import Unreadable
from registry.models import LanguageModel, Registry
from tests.builders import make_model, make_server
from tests.scripted_http import ScriptedServer, answer

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def found(text: str, *, files: bool = False) -> Side:
    return side(text, registry=Registry.objects.default(), files=files)


@pytest.mark.parametrize("text", ["default", "registry:default", " default "])
def test_a_registry_is_found_by_its_name(text: str) -> None:
    make_model(key="a")
    one = found(text)
    assert (one.label, one.spec, [model.key for model in one.content.models]) == ("default", "registry:default", ["a"])


@pytest.mark.parametrize("text", ["nightly", "snapshot:nightly"])
def test_a_snapshot_of_the_registry_is_found_by_its_name(text: str) -> None:
    make_model(key="a")
    snapshots.create(Registry.objects.default(), "nightly")
    make_model(key="b")
    assert [model.key for model in found(text).content.models] == ["a"]


def test_a_name_that_is_both_is_refused_with_the_ways_to_say_it() -> None:
    Registry.objects.create(name="lab")
    snapshots.create(Registry.objects.default(), "lab")
    with pytest.raises(ValueError, match="write registry:lab or snapshot:lab"):
        found("lab")
    assert found("registry:lab").registry is not None


def test_a_name_that_is_nothing_is_refused_with_those_that_there_are() -> None:
    snapshots.create(Registry.objects.default(), "nightly")
    with pytest.raises(ValueError, match="no registry or snapshot named lab; registries are default, snapshots of def"):
        found("lab")


def test_a_file_is_read_where_files_are_let_in(tmp_path: Path) -> None:
    make_model(key="a")
    file = tmp_path / "models.json"
    file.write_bytes(exchanging.export(Registry.objects.default()))
    one = found(str(file), files=True)
    assert (one.label, one.spec, len(one.content.models)) == ("models.json", f"file:{file}", 1)
    assert found(one.spec, files=True).content == one.content


@pytest.mark.parametrize("text", ["/etc/passwd", "file:/etc/passwd", "~/models.json", "../x.json"])
def test_a_file_is_not_read_for_somebody_at_a_page(text: str) -> None:
    with pytest.raises(ValueError, match="is a file; upload it"):
        found(text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        found(str(tmp_path / "gone.json"), files=True)


def test_a_bad_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(Unreadable):
        found(str(tmp_path / "bad.json"), files=True)


@override_settings(REMOTE_TOKEN="lmx_of_the_setting")
def test_another_lmstrix_is_asked_with_the_token_of_the_setting() -> None:
    make_model(key="a")
    document = exchanging.export(Registry.objects.default(), full=True)
    with ScriptedServer() as site:
        site.script("GET /api/registries/default/export", answer(document, X_LMStrix_Version="3"))
        one = found(site.url)
        assert (one.label, one.version, len(one.content.models)) == (f"default of {site.url}", 3, 1)
        assert site.requests[0].headers["authorization"] == "Bearer lmx_of_the_setting"


def test_a_side_is_read_again_as_it_is_now() -> None:
    make_model(key="a")
    before = found("default")
    make_model(key="b")
    assert len(comparing.again(before).content.models) == 2
    assert [
        change.name for change in comparing.compare(before, comparing.again(before)).changes if change.kind == "model"
    ] == ["b"]


def test_two_snapshots_are_compared_as_their_whole_contents_are() -> None:
    registry = Registry.objects.default()
    server = make_server(name="shelf", base_url="http://shelf:1234")
    kept, changed, gone = (make_model(server=server, key=key, tags=("x",)) for key in ("kept", "changed", "gone"))
    group = grouping.create_group(registry, "g", [kept, changed])
    first = comparing.side_kept(snapshots.create(registry, "first"))
    LanguageModel.objects.filter(pk=changed.pk).update(notes="new")
    gone.delete()
    grouping.add_to_group(group, [make_model(key="added")])
    second = comparing.side_kept(snapshots.create(registry, "second"))
    quick = comparing.compare(first, second)
    assert quick == diff(first.content, second.content)
    assert (quick.count(), quick.same["model"]) == (5, 1)


def test_a_damaged_snapshot_is_not_compared() -> None:
    snapshot = snapshots.create(Registry.objects.default(), "nightly")
    keeping.path(snapshot).write_bytes(b"x")
    with pytest.raises(ValueError, match="its file is damaged"):
        comparing.compare(found("default"), found("nightly"))
