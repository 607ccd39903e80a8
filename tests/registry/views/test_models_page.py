"""The list of models: finding, filter, chips, columns, order, pages, export."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry import editing, seeding
from registry.models import LanguageModel, Registry
from registry.views.chips import switched
from registry.views.model_list import COLUMNS
from tests.builders import make_model, make_server, make_user

ALWAYS_KNOWN = {"name", "key", "status", "state", "added", "updated", "favourite"}
pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user())
    return client


def names(page: Client, query: str = "") -> list[str]:
    return [model.name for model in page.get(f"/models/{query}").context["page"].items]


def heading(page: Client, query: str = "") -> str:
    return page.get(f"/models/{query}").content.decode().split("<h1>")[1].split("</h1>")[0]


def test_the_heading_says_how_many_are_verified(page: Client) -> None:
    make_model(test_status="tested", tested_context=8192)
    make_model()
    assert heading(page) == "2 models, one with a verified context window"


def test_the_search_finds_parts_of_keys_and_names_in_any_case(page: Client) -> None:
    make_model(key="org/Alpha-7B", name="Alpha")
    make_model(key="beta")
    assert names(page, "?filter=ORG/alp") == names(page, "?q=alpha 7b") == ["Alpha"]
    assert heading(page, "?q=alpha") == "1 of 2 models match"


@pytest.mark.parametrize("status", ["tested", "untested", "testing", "failed"])
def test_an_address_may_name_a_status(page: Client, status: str) -> None:
    for each in ("tested", "untested", "testing", "failed"):
        make_model(name=each, test_status=each)
    assert names(page, f"?status={status}") == names(page, f"?filter=status:{status}") == [status]


def test_stale_models_do_not_count_as_verified(page: Client) -> None:
    make_model(name="old", test_status="tested", stale=True)
    assert heading(page) == "1 model, none with a verified context window"
    assert names(page, "?status=stale") == ["old"]


def test_every_chip_shows_as_many_models_as_it_says(page: Client) -> None:
    seeding.seed(Registry.objects.default(), 200)
    chips = page.get("/models/").context["chips"]
    assert len(chips) >= 9
    for chip in chips:
        assert page.get(f"/models/{chip.address}").context["page"].total == chip.count, chip.label


def test_a_chip_is_switched_on_beside_others_and_off_again() -> None:
    assert switched("size:>5GB", "is:stale") == (False, "size:>5GB,is:stale")
    assert switched("size:>5GB,is:stale", "is:stale") == (True, "size:>5GB")
    assert switched("tag:a,b,status:failed", "status:tested") == (False, "tag:a,b,status:tested")


def test_a_filter_that_cannot_be_read_is_kept_with_what_is_wrong(page: Client) -> None:
    make_model()
    answer = page.get("/models/?filter=size:big")
    assert answer.status_code == 200
    assert answer.context["page"].items == []
    assert 'value="size:big"' in answer.content.decode()
    assert "is not a size" in answer.context["problem"]


def test_while_a_key_is_typed_the_list_stays_as_the_rest_of_the_filter_says(page: Client) -> None:
    make_model(name="big", size_bytes=10**10)
    make_model(name="small")
    answer = page.get("/models/?filter=size:>5GB,ctx:", headers={"HX-Request": "true"})
    assert [model.name for model in answer.context["page"].items] == ["big"]


def test_counts_follow_a_change_at_once(page: Client) -> None:
    model = make_model(missing=True)
    assert heading(page) == "0 models, none with a verified context window"
    editing.forget([model])
    assert heading(page) == "No models yet"


def test_the_list_shows_the_chosen_registry_only(page: Client) -> None:
    make_model(name="here")
    other = Registry.objects.create(name="other")
    make_model(name="there", registry=other)
    page.post("/registries/use/", {"registry": other.pk})
    assert names(page) == ["there"]


def test_chosen_columns_stay_chosen(page: Client) -> None:
    make_model()
    page.post("/models/columns/", {"column": ["size", "added"]})
    shown = page.get("/models/").content.decode()
    assert page.get("/models/").context["shown"] == ["size", "added"]
    assert "Tokens/s</a>" not in shown


def test_hints_say_what_can_come_next_with_how_many_models(page: Client) -> None:
    make_model(test_status="tested", tested_context=65536)
    shown = page.get("/models/suggest/?filter=status:tested,ctx:").content.decode()
    assert "tested context, in tokens" in shown
    assert 'data-text="status:tested,ctx:&gt;32768"' in shown
    assert "1 model<" in shown


@pytest.mark.parametrize(("fmt", "start"), [("native", "{"), ("csv", ""), ("yaml", ""), ("lmstrix", "{")])
def test_an_export_holds_exactly_what_is_shown(page: Client, fmt: str, start: str) -> None:
    make_model(key="inside", test_status="tested")
    make_model(key="outside")
    answer = page.get(f"/models/export/?format={fmt}&filter=status:tested")
    text = answer.content.decode()
    assert text.startswith(start)
    assert "attachment" in answer["Content-Disposition"]
    assert ("inside" in text, "outside" in text) == (True, False)


def test_the_command_shows_the_same_models(page: Client) -> None:
    make_model()
    command = page.get("/models/?filter=size:>5GB&sort=size&reverse=1").context["command"]
    assert command == "lmstrix list --filter 'size:>5GB' --sort size --reverse"


def test_a_server_chip_narrows_to_its_models(page: Client) -> None:
    make_model(name="here", server=make_server(name="a b&c"))
    make_model(name="there")
    chip = next(chip for chip in page.get("/models/").context["chips"] if chip.label == "a b&c")
    assert names(page, chip.address) == ["here"]


@pytest.mark.parametrize("sort", sorted(COLUMNS.keys() - ALWAYS_KNOWN))
@pytest.mark.parametrize("reverse", ["", "&reverse=1"])
def test_unknown_values_come_last_in_both_directions(page: Client, sort: str, reverse: str) -> None:
    known = make_model(
        key="b", parameter_count=1, tested_context=1, usable_context=1, tokens_per_second=1.0, peak_memory_bytes=1,
        last_tested=timezone.now(), architecture="llama", quantization="F16", test_verdict="verified",
    )  # fmt: skip
    blank = {"size_bytes": None} if sort == "size" else {}
    unknown = LanguageModel.objects.create(registry=known.registry, key="a", name="a", **blank)
    last = names(page, f"?sort={sort}{reverse}")[-1]
    assert last == unknown.name


def test_the_sorted_column_says_its_direction(page: Client) -> None:
    make_model()
    assert 'aria-sort="descending"' in page.get("/models/?sort=size&reverse=1").content.decode()


def test_sort_links_keep_the_filter_and_start_at_the_first_page(page: Client) -> None:
    make_model(name="x")
    link = page.get("/models/?filter=status:untested&cursor=").context["headings"]["size"].address
    assert link == "?filter=status%3Auntested&sort=size"


def test_a_bad_cursor_is_a_bad_request_not_an_error(page: Client) -> None:
    assert page.get("/models/?cursor=nonsense").status_code == 400


def test_without_a_server_the_page_leads_to_adding_one(page: Client) -> None:
    assert "/servers/add/" in page.get("/models/").content.decode()


def test_without_a_match_the_page_leads_back_to_all(page: Client) -> None:
    make_model()
    assert "No model matches" in page.get("/models/?q=nothing").content.decode()


def test_a_viewer_gets_no_check_boxes(client: Client) -> None:
    make_model()
    client.force_login(make_user(role="viewer"))
    assert 'name="model"' not in client.get("/models/").content.decode()


def queries_of(page: Client, query: str = "") -> int:
    with CaptureQueriesContext(connection) as queries:
        page.get(f"/models/{query}")
        return len(queries)


def test_queries_do_not_grow_with_rows(page: Client) -> None:
    registry = Registry.objects.default()
    seeding.seed(registry, 10)
    few = queries_of(page)
    seeding.seed(registry, 40, add=True)
    assert queries_of(page) == few > 0
