"""The figures of `make bench` in a short form: with 10,000 models their queries, not their times."""

import pytest
from django.core.cache import cache
from django.test import Client

from registry import seeding
from registry.models import Registry
from tests.bench import figures, usage_figures
from tests.builders import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def visitor(client: Client) -> Client:
    client.force_login(make_user())
    return client


def test_the_list_of_ten_thousand_takes_eight_queries_at_most_at_its_start_and_end(visitor: Client) -> None:
    seeding.seed(Registry.objects.default(), 10_000)
    # each filter once and each order once, first and last page
    some = list(figures.list_addresses(last=False))[:: len(figures.ORDERS) + 1]
    for address in (*some, *figures.list_addresses(last=True)):
        cache.clear()
        cold, warm = (figures.queries_of(visitor, address) for _ in range(2))
        assert (cold <= figures.MOST_QUERIES, warm <= 6) == (True, True), f"{address}: {cold}, then {warm}"


def test_an_api_page_takes_as_many_queries_for_a_thousand_as_for_ten(visitor: Client) -> None:
    seeding.seed(Registry.objects.default(), 1_000)
    few, many = (figures.queries_of(visitor, f"/api/models?limit={limit}") for limit in (10, 1000))
    assert few == many


def test_every_other_figure_can_be_measured() -> None:
    seeding.seed(Registry.objects.default(), 60)
    measured = [*figures.difference(20), *figures.there_and_back()]
    assert [figure.unit for figure in measured] == ["s"] * 3


def test_the_usage_page_takes_few_queries_and_tells_percentiles_within_two_percent(visitor: Client) -> None:
    seeding.seed(Registry.objects.default(), 20)
    usage_figures.seeded(5_000)
    most = max(figures.queries_of(visitor, address) for address in usage_figures.addresses()[::3])
    assert most <= usage_figures.MOST_QUERIES
    assert usage_figures.accuracy().met
