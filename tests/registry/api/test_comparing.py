"""Comparing and syncing over REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry import comparing, jobs, snapshots, syncing
from registry.models import Job, LanguageModel, Registry, Role
from tests.api_clients import ApiClient
from tests.api_server import ApiServer, api_server
from tests.builders import make_model, make_server
from tests.job_runners import job_runner
from tests.scripted_http import ScriptedServer, answer

pytestmark = [pytest.mark.django_db, pytest.mark.database]

COMPARE, SYNC = "/api/registries/compare", "/api/registries/sync"
FILL = """
from registry.models import LanguageModel, Registry, Server
shelf = Server.objects.create(name="shelf", base_url="http://shelf:1234")
default = Registry.objects.default()
for key, notes in (("both", "theirs"), ("only-there", "")):
    LanguageModel.objects.create(registry=default, server=shelf, key=key, name=key, notes=notes)
default.touch()
"""


@pytest.fixture
def here() -> Registry:
    """The default registry with two models, and a snapshot "kept" that has one of them, otherwise."""
    registry = Registry.objects.default()
    shelf = make_server(name="shelf", base_url="http://shelf:1234")
    model = make_model(server=shelf, key="both", name="both", notes="theirs")
    snapshots.create(registry, "kept")
    make_model(server=shelf, key="only-here", name="only-here")
    LanguageModel.objects.filter(pk=model.pk).update(notes="ours")
    registry.touch()
    return registry


def compare(client: ApiClient, **body: Any) -> Any:
    answered = client.send("POST", COMPARE, {"first": "default", "second": "kept"} | body)
    return answered.status_code, answered.json()


def test_a_viewer_compares_a_registry_with_its_snapshot(here: Registry) -> None:
    status, found = compare(ApiClient(Role.VIEWER))
    assert (status, found["sentence"]) == (200, "kept lacks 1 model and differs in 1")
    assert (found["counts"], found["total"]) == ({"added": 0, "missing": 1, "changed": 1}, 2)
    [field] = found["changes"][0]["fields"]
    assert field | {"field": "notes", "part": "facts", "before": "ours", "after": "theirs"} == field
    assert [found[side]["models"] for side in ("first", "second")] == [2, 1]


def test_no_more_changes_are_told_than_asked_for(here: Registry) -> None:
    _, found = compare(ApiClient(Role.VIEWER), limit=1)
    assert (len(found["changes"]), found["total"]) == (1, 2)


@pytest.mark.parametrize("body", [{"second": "nothing"}, {"second": "/etc/passwd"}, {"second": "file:x.json"}])
def test_a_side_that_is_none_is_422_with_a_sentence(here: Registry, body: dict[str, str]) -> None:
    status, problem = compare(ApiClient(Role.ADMIN), **body)
    assert (status, problem["detail"][-1]) == (422, ".")


def test_an_unknown_registry_to_look_in_is_404(here: Registry) -> None:
    assert compare(ApiClient(Role.VIEWER), registry="nothing")[0] == 404


def test_only_an_admin_lets_lmstrix_ask_another_address(here: Registry) -> None:
    with ScriptedServer() as site:
        assert compare(ApiClient(Role.OPERATOR), second=site.url)[0] == 403
        assert site.requests == []


def test_trouble_with_the_other_lmstrix_is_502(here: Registry) -> None:
    with ScriptedServer() as site:
        site.script("GET /api/registries/default/export", answer({"detail": "no"}, 401))
        status, problem = compare(ApiClient(Role.ADMIN), second=site.url, token="lmx_wrong")
    assert status == 502
    assert "does not know the token" in problem["detail"]


def test_a_dry_run_tells_what_a_sync_would_do(here: Registry) -> None:
    Registry.objects.create(name="other")
    answered = ApiClient().send("POST", SYNC, {"first": "default", "second": "other", "dry_run": True})
    report = answered.json()
    assert (answered.status_code, report["models_added"], report["written"]) == (200, 2, False)
    assert not Job.objects.exists()


def test_a_sync_is_a_job(here: Registry) -> None:
    other = Registry.objects.create(name="other")
    answered = ApiClient().send("POST", SYNC, {"first": "default", "second": "other"})
    assert answered.status_code == 202
    jobs.run(answered.json()["job"]["id"])
    job = Job.objects.get()
    assert (job.status, job.error, other.models.count()) == ("succeeded", "", 2)
    assert job.result["models_updated"] == 2


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_admin_syncs(here: Registry, role: Role) -> None:
    answered = ApiClient(role).send("POST", SYNC, {"first": "default", "second": "kept"})
    assert (answered.status_code, Job.objects.exists()) == (403, False)


def test_a_snapshot_cannot_be_synced_and_no_job_is_made(here: Registry) -> None:
    answered = ApiClient().send("POST", SYNC, {"first": "default", "second": "kept"})
    assert (answered.status_code, Job.objects.exists()) == (422, False)
    assert "is a snapshot and never changes" in answered.json()["detail"]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Another LMStrix with a web process, and something that does its jobs."""
    folder: Path = tmp_path_factory.mktemp("there")
    with api_server(folder, fill=FILL) as running, job_runner(folder):
        yield running


def test_two_lmstrix_come_to_the_same_and_stay_so(here: Registry, there: ApiServer) -> None:
    far = comparing.side(there.url, registry=here, remote_token=there.token)
    found = comparing.compare(comparing.side_of(here), far)
    assert found.sentence("shelf").startswith("shelf has 1 model more, lacks 1, and differs in 1")
    report = syncing.sync(comparing.side_of(here), far, strategy="update")
    assert (report.models("added"), set(here.models.values_list("key", flat=True))) == (
        2,
        {"both", "only-here", "only-there"},
    )
    assert here.models.get(key="both").notes == "theirs"
    far = comparing.again(far)
    assert not comparing.compare(comparing.side_of(here), far)
    here.models.filter(key="only-there").delete()  # a deletion travels now that there is a sync point
    here.touch()
    again = syncing.sync(comparing.side_of(here), far)
    assert (again.models("missing"), len(comparing.again(far).content.models)) == (1, 2)
