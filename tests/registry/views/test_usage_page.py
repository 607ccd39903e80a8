"""The usage page, the report page and the log of requests."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import ApiToken, AuditEvent, KeptExchange, LanguageModel, Registry, Role
from registry.models.usage import Outcome
from registry.views.usage_page import RANGES
from tests.builders import make_model, make_user
from tests.inferences import ask

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(make_user(role=Role.VIEWER))
    return client


def seen(page: Client, path: str = "/usage/") -> str:
    answer = page.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def told(page: Client, path: str = "/usage/") -> Any:
    return page.get(path).context


def days_ago(days: int) -> Any:
    return timezone.now() - timedelta(days=days)


def test_without_any_request_it_says_how_to_point_a_client_at_the_gateway(page: Client) -> None:
    make_model(key="qwen/tiny")
    body = seen(page)
    assert "No request was counted yet" in body
    assert "http://testserver/v1" in body
    assert 'data-copy="from openai import OpenAI' in body
    assert "model=&quot;qwen/tiny&quot;" in body
    assert "lmstrix token create" in body


def test_a_models_key_in_the_example_stays_text(page: Client) -> None:
    make_model(key="<script>alert('1')</script>")
    assert "<script>alert" not in seen(page)


def test_the_headline_counts_and_compares_with_the_time_before(page: Client) -> None:
    model = make_model()
    ask(model, days_ago(40), times=4)
    ask(model, days_ago(3), times=5)
    assert told(page)["headline"] == "5 requests in 30 days, 25 % more than the 30 before"


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [(4, 4, "as many as"), (4, 3, "25 % fewer than"), (1, 20, "20 times as many as"), (0, 2, "2 requests in 7 days")],
)
def test_more_and_fewer_are_told_in_words(page: Client, before: int, now: int, said: str) -> None:
    model = make_model()
    ask(model, days_ago(10), times=before)
    ask(model, days_ago(2), times=now)
    assert said in told(page, "/usage/?range=7d")["headline"]


@pytest.mark.parametrize("asked", RANGES)
@pytest.mark.parametrize("by", ["model", "token", "server"])
def test_every_range_by_everything_has_drawings_with_their_tables(page: Client, asked: str, by: str) -> None:
    ask(make_model(), times=3)
    body = seen(page, f"/usage/?range={asked}&by={by}")
    assert body.count("data-chart=") == 4
    assert "The numbers as a table (UTC)" in body


@pytest.mark.parametrize("query", ["range=decade", "by=colour", "model=x", "token=-1", "model=99999999999999999999"])
def test_what_the_address_asks_for_in_vain_is_ignored(page: Client, query: str) -> None:
    ask(make_model())
    assert told(page, f"/usage/?{query}")["lanes"].whole.requests == 1


def test_it_is_narrowed_to_a_model_and_to_a_token(page: Client) -> None:
    one, other = make_model(key="one"), make_model(key="other")
    token = ApiToken.issue("plugin", Role.OPERATOR)[0]
    ask(one, times=2)
    ask(other, times=3, token=token)
    assert told(page, f"/usage/?model={one.pk}")["lanes"].whole.requests == 2
    assert told(page, f"/usage/?token={token.pk}")["lanes"].whole.requests == 3
    assert told(page, f"/usage/?token={token.pk}&model={other.pk}&by=server")["lanes"].whole.requests == 3


def test_models_tokens_and_servers_that_are_gone_are_named(page: Client) -> None:
    model, token = make_model(key="old"), ApiToken.issue("plugin", Role.OPERATOR)[0]
    ask(model, token=token)
    assert model.server is not None
    model.server.delete()
    token.delete()
    assert "a model that is gone (old)" in seen(page)
    assert "a token that is gone" in seen(page, "/usage/?by=token")
    assert "a server that is gone" in seen(page, "/usage/?by=server")


def test_another_registrys_requests_are_not_shown(page: Client) -> None:
    ask(make_model(), times=2)
    ask(make_model(registry=Registry.objects.create(name="other")), times=5)
    assert told(page)["lanes"].whole.requests == 2


def test_the_sentences_say_what_the_drawings_show(page: Client) -> None:
    model = make_model()
    ask(model, days_ago(2), times=9, tokens_in=300, tokens_out=100)
    ask(model, days_ago(1), outcome=Outcome.ERROR, tokens_in=None, tokens_out=None)
    lanes = told(page)["lanes"]
    assert lanes.tokens_told == "About three tokens read for each one written"
    assert lanes.answered_told == "One bad day in two"
    assert lanes.why_not == "1 failed"
    assert "Half of all answers come within 1.0 s" in seen(page)


def test_the_hours_of_the_week_are_counted_in_utc(page: Client) -> None:
    at = (timezone.now() - timedelta(days=3)).replace(hour=7, minute=59)
    ask(make_model(), at, times=4)
    context = told(page)
    assert context["week"][at.weekday()][7] == 4
    assert sum(map(sum, context["week"])) == 4
    assert context["week_told"].endswith("at 07:00")


def test_the_rate_is_of_the_last_five_minutes(page: Client) -> None:
    ask(make_model(), times=10)
    ask(make_model(), timezone.now() - timedelta(minutes=6))
    assert told(page)["rate"] == 2.0


def test_queries_do_not_grow_with_models_and_days(page: Client) -> None:
    counts = []
    for many in (1, 8):
        for number in range(many):
            ask(make_model(), days_ago(number))
        with CaptureQueriesContext(connection) as queries:
            seen(page)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20


def test_a_report_is_a_page_to_read_and_print(page: Client) -> None:
    ask(make_model(name="Qwen"), "2024-02-29")
    body = seen(page, "/usage/report/?start=2024-02-01&end=2024-02-29")
    assert "1 request from 1 February 2024 to 29 February 2024" in body
    assert "Most used: Qwen." in body
    assert body.count("download href=") == 3


def test_a_report_that_cannot_be_says_why_and_keeps_what_was_typed(page: Client) -> None:
    answer = page.get("/usage/report/?start=2024-02-01&end=2024-01-01&models=x")
    assert answer.status_code == 400
    body = answer.content.decode()
    assert "turn the two round" in body
    assert 'value="2024-02-01"' in body


def test_a_report_as_csv_is_defused_and_named_by_its_period(page: Client) -> None:
    ask(make_model(name="=cmd()"), "2024-01-02")
    answer = page.get("/usage/report/?start=2024-01-01&end=2024-01-31&format=csv")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (row["name"], row["inferences"], row["tokens"]) == ("'=cmd()", "1", "40")
    assert 'filename="usage-2024-01-01-2024-01-31.csv"' in answer["Content-Disposition"]


def test_a_report_as_html_stands_alone_and_escapes_names(page: Client) -> None:
    ask(make_model(name="<b>&"), "2024-01-02")
    body = page.get("/usage/report/?start=2024-01-01&end=2024-01-31&format=html").content.decode()
    assert body.startswith("<!doctype html>")
    assert "&lt;b&gt;&amp;" in body
    assert "src=" not in body


def test_the_log_is_narrowed_by_outcome_source_token_and_model(page: Client) -> None:
    token = ApiToken.issue("plugin", Role.OPERATOR)[0]
    ask(make_model(key="plain"))
    ask(make_model(key="this"), outcome=Outcome.ERROR, source="infer", token=token, error="out of memory")
    for query in ("outcome=error", "source=infer", f"token={token.pk}", "model=this"):
        (line,) = told(page, f"/usage/requests/?{query}")["lines"]
        assert line.record.model_key == "this"
    assert "out of memory" in seen(page, "/usage/requests/?outcome=error")


def test_the_log_finds_a_model_that_is_gone_by_its_key(page: Client) -> None:
    ask(make_model(key="gone"))
    ask(make_model(key="there"))
    LanguageModel.objects.filter(key="gone").delete()
    (line,) = told(page, "/usage/requests/?model=gone")["lines"]
    assert line.model.gone


def test_the_log_is_turned_page_by_page_and_loses_no_line(page: Client) -> None:
    ask(make_model(), times=60)  # of one moment
    ask(make_model(), times=47)
    found, path = set(), "/usage/requests/"
    while True:
        context = told(page, path)
        found |= {line.record.pk for line in context["lines"]}
        if not context["pages"]["next"]:
            break
        path = f"/usage/requests/{context['pages']['next']}"
    assert len(found) == context["page"].total == 107


def test_the_log_is_of_a_week_until_more_is_asked_for(page: Client) -> None:
    ask(make_model(), days_ago(20))
    assert "Nothing like this in this time" in seen(page, "/usage/requests/")
    assert len(told(page, "/usage/requests/?days=30")["lines"]) == 1


@pytest.mark.parametrize(
    ("outcome", "status", "drawn"),
    [
        (Outcome.OK, 200, '<span class="st st-ok">answered</span>'),
        (Outcome.ERROR, 200, '<span class="st st-bad">failed</span>'),
        (Outcome.ERROR, 502, '<span class="st st-bad">failed (502)</span>'),
        (Outcome.REFUSED, 429, '<span class="st st-off">refused by LMStrix (429)</span>'),
        (Outcome.INTERRUPTED, 200, '<span class="st st-warn">interrupted</span>'),
    ],
)
def test_every_outcome_in_the_log_has_a_word_and_a_shape(
    page: Client, outcome: Outcome, status: int, drawn: str
) -> None:
    ask(make_model(), outcome=outcome, status=status)
    assert drawn in seen(page, "/usage/requests/")


def keep(days: int = 1, **texts: str) -> KeptExchange:
    """A request whose prompt and answer are kept."""
    token = ApiToken.issue("my-app", Role.OPERATOR)[0]
    uuid = uuid4()
    ask(make_model(key="qwen"), uuid=uuid, token=token)
    expires = timezone.now() + timedelta(days=days)
    return KeptExchange.objects.create(record_uuid=uuid, token=token, expires=expires, **texts)


def test_an_admin_reads_prompt_and_answer_from_the_log_as_text(client: Client) -> None:
    client.force_login(make_user())
    exchange = keep(request='{"content": "<script>hi"}', answer="a <b>bold</b> answer")
    path = f"/usage/requests/{exchange.record_uuid}/"
    assert f'href="{path}">Prompt and answer</a>' in seen(client, "/usage/requests/")
    body = seen(client, path)
    assert "&lt;script&gt;hi" in body
    assert "a &lt;b&gt;bold&lt;/b&gt; answer" in body
    assert "because the token my-app asks for it" in body
    assert f"{exchange.expires:%Y-%m-%d}" in body
    assert "no-store" in client.get(path)["Cache-Control"]


def test_an_admin_deletes_prompt_and_answer_and_the_line_stays(client: Client) -> None:
    client.force_login(make_user())
    exchange = keep(request="secret plans")
    path = f"/usage/requests/{exchange.record_uuid}/"
    assert client.get(f"{path}delete/").status_code == 405
    assert "are deleted" in client.post(f"{path}delete/", follow=True).content.decode()
    assert client.get(path).status_code == 404
    (line,) = told(client, "/usage/requests/")["lines"]
    assert not line.kept
    event = AuditEvent.objects.get(kind="prompt and answer")
    assert (event.action, event.name) == ("delete", str(exchange.record_uuid))
    assert "secret plans" not in str(event.changes) + event.summary


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_may_read_or_delete_prompts(client: Client, role: Role) -> None:
    client.force_login(make_user(role=role))
    path = f"/usage/requests/{keep(request='secret').record_uuid}/"
    assert "Prompt and answer" not in seen(client, "/usage/requests/")
    assert client.get(path).status_code == client.post(f"{path}delete/").status_code == 403
    assert KeptExchange.objects.count() == 1


def test_what_has_expired_cannot_be_read_any_more(client: Client) -> None:
    client.force_login(make_user())
    path = f"/usage/requests/{keep(days=-1, request='old').record_uuid}/"
    assert "Prompt and answer" not in seen(client, "/usage/requests/")
    assert client.get(path).status_code == 404


def test_a_model_page_shows_its_thirty_days(page: Client) -> None:
    model = make_model(opening_balance={"inference_count": 127})
    assert "127 requests counted so far" in seen(page, f"/models/{model.pk}/")
    ask(model, times=3)
    body = seen(page, f"/models/{model.pk}/")
    assert "3 requests in 30 days" in body
    assert f"/usage/?model={model.pk}" in body


def test_strangers_see_nothing(client: Client) -> None:
    for path in ("/usage/", "/usage/report/", "/usage/requests/"):
        assert client.get(path).status_code == 302


def test_one_day_with_requests_is_no_row_of_days(page: Client) -> None:
    ask(make_model(), days_ago(1), outcome=Outcome.ERROR)
    assert told(page)["lanes"].answered_told == "Not every request was answered"
