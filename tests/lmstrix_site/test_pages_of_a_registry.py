"""Pages speak of the models and tests of the chosen registry; servers belong to all of them."""

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from registry.models import Instance, LanguageModel, Registry, Scan, Server
from tests.builders import make_job, make_model, make_server, make_test, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def server() -> Server:
    return make_server(name="laptop", reachable=True, last_scan=timezone.now(), memory_limit_bytes=10**10)


@pytest.fixture
def other(server: Server) -> Registry:
    """A second registry with the models of the first, on the same server."""
    other = Registry.objects.create(name="other")
    for registry in (Registry.objects.default(), other):
        for key in ("one", "two"):
            make_model(server=server, registry=registry, key=key, name=f"{key} of {registry}", size_bytes=10**9)
    LanguageModel.objects.filter(key="two").update(test_status="tested", tested_context=4096)
    return other


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


def use(page: Client, registry: Registry) -> None:
    page.post("/registries/use/", {"registry": registry.pk, "next": "/"})


def text(page: Client, address: str) -> str:
    answer = page.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_servers_count_the_models_of_the_chosen_registry(page: Client, other: Registry) -> None:
    shown = page.get("/servers/live/").context["servers"][0]
    assert (shown.models_count, shown.tested_count) == (2, 1)


def test_a_server_lists_each_of_its_models_once(page: Client, server: Server, other: Registry) -> None:
    use(page, other)
    shown = text(page, f"/servers/{server.pk}/")
    assert "laptop offers two models" in shown
    assert "one of other" in shown
    assert "one of default" not in shown


def test_a_server_shows_the_scans_of_the_chosen_registry(page: Client, server: Server, other: Registry) -> None:
    Scan.objects.create(server=server, registry=Registry.objects.default(), added=["a"], found=1)
    assert "1 added" in text(page, f"/servers/{server.pk}/")
    use(page, other)
    assert "Not scanned for this registry yet" in text(page, f"/servers/{server.pk}/")


def test_deleting_a_server_counts_all_registries_and_says_so(page: Client, server: Server, other: Registry) -> None:
    assert "4 models of this server will be forgotten in all registries" in text(page, f"/servers/{server.pk}/delete/")


def test_context_tests_are_those_of_the_chosen_registry(page: Client, other: Registry) -> None:
    for model in LanguageModel.objects.filter(key="two"):
        make_test(model=model)
        make_test(model=model, job=make_job(kind="context_test"), verdict="")
    use(page, other)
    answer = page.get("/context-tests/")
    assert [test.model.name for test in answer.context["page"].items] == ["two of other"]
    assert (len(answer.context["open_tests"]), answer.context["untested"]) == (1, 1)
    assert {section.label: section.count for section in answer.context["sections"]}["Context tests"] == 1


def test_the_overview_counts_and_names_the_chosen_registry(page: Client, server: Server, other: Registry) -> None:
    for model in LanguageModel.objects.filter(key="two"):
        make_test(model=model, job=make_job(kind="context_test", status="succeeded", ended=timezone.now()))
        Instance.objects.create(server=server, model=model, instance_id="two", context_length=4096)
    LanguageModel.objects.filter(key="one", registry=other).update(missing=True)
    use(page, other)
    shown = text(page, "/")
    assert "Every model has a verified context window" in shown
    assert "one of other is gone" in shown
    assert 'aria-label="10% of the memory is taken"' in shown
    assert "of default" not in shown


def test_what_runs_for_another_registry_is_not_on_the_overview(page: Client, other: Registry) -> None:
    model = LanguageModel.objects.get(key="one", registry=other)
    make_test(model=model, job=make_job(kind="context_test", started=timezone.now()), verdict="", tested_context=None)
    make_job(kind="restore", title="theirs", started=timezone.now(), params={"registry": other.pk})
    assert (page.get("/").context["work"].tests, page.get("/").context["work"].jobs) == ([], [])
    use(page, other)
    work = page.get("/").context["work"]
    assert (len(work.tests), [running.job.title for running in work.jobs]) == (1, ["theirs"])


def test_an_empty_registry_offers_a_scan_and_no_test(page: Client, other: Registry) -> None:
    use(page, Registry.objects.create(name="empty"))
    shown = text(page, "/")
    assert "<h2>No models yet</h2>" in shown
    assert "scan them to bring theirs in" in shown
    assert "Scan now" in shown
    assert "Test untested" not in shown
    assert "Test untested" not in text(page, "/models/")


def test_nothing_left_to_test_is_said_with_the_registry(page: Client, other: Registry) -> None:
    use(page, Registry.objects.create(name="empty"))
    told = page.post("/context-tests/start/untested/", follow=True).content.decode()
    assert "no model left in empty that can be tested" in told


@pytest.mark.parametrize("address", ["/", "/models/"])
def test_only_models_that_can_be_tested_count_as_left_to_test(page: Client, server: Server, address: str) -> None:
    make_model(server=server, missing=True)
    make_model(server=server, type="embedding")
    make_model(server=make_server(enabled=False))
    LanguageModel.objects.create(registry=Registry.objects.default(), key="by-hand", name="by-hand", size_bytes=1)
    assert "Test untested" not in text(page, address)
    make_model(server=server)
    Registry.objects.default().touch()
    assert "Test untested" in text(page, address)


def test_the_overview_says_how_many_can_be_tested(page: Client, server: Server) -> None:
    for fields in ({}, {}, {"missing": True}, {"type": "embedding"}):
        make_model(server=server, **fields)
    assert "Test untested 2</button>" in text(page, "/")


@pytest.mark.parametrize("address", ["/servers/scan/", "/servers/{}/scan/"])
def test_a_scan_of_the_pages_goes_into_the_chosen_registry(page: Client, server: Server, address: str) -> None:
    empty = Registry.objects.create(name="empty")
    use(page, empty)
    page.post(address.format(server.pk))
    assert Scan.objects.get().registry == empty


def test_the_models_page_tells_the_size_of_models_on_no_server_apart(page: Client, server: Server) -> None:
    make_model(server=server, size_bytes=2 * 10**9)
    make_model(server=server, size_bytes=10**9, missing=True)
    LanguageModel.objects.create(registry=Registry.objects.default(), key="own", name="own", size_bytes=3 * 10**9)
    assert "2 GB on one server. One model is on no server, 3 GB." in strip_tags(text(page, "/models/"))
