"""/metrics: who may read it, and that its numbers are those of the records."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from registry import measures, recording
from registry.models import ApiToken, GatewayProcess, InferenceRecord, Instance, LanguageModel, Role
from tests.builders import make_job, make_model, make_server, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def fresh() -> None:
    measures.forget()


ORDER = ("model", "server", "outcome", "kind", "status", "le", "version")


def read() -> dict[tuple[str, ...], float]:
    """Every sample: its name and the values of its labels (in ORDER) -> its number."""
    _, secret = ApiToken.issue("prometheus", Role.VIEWER)
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    samples = [sample for family in families for sample in family.samples]
    return {(s.name, *(s.labels[name] for name in ORDER if name in s.labels)): s.value for s in samples}


def record(model: LanguageModel, *, days: int = 0, **fields: Any) -> None:
    defaults = {"model_key": model.key, "model_id": model.pk, "server_id": model.server_id, "uuid": uuid.uuid4()}
    started = timezone.now() - timedelta(days=days)
    recording.record([InferenceRecord(started=started, **(defaults | fields))])


@pytest.mark.parametrize("role", Role)
def test_a_token_of_any_role_reads_them(role: Role) -> None:
    _, secret = ApiToken.issue("prometheus", role)
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")


@pytest.mark.parametrize("header", ["", "Bearer lmx_wrong", "Basic eDp5", "Bearer"])
def test_strangers_read_nothing(header: str) -> None:
    answer = Client().get("/metrics", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer["WWW-Authenticate"][:6]) == (401, "Bearer")
    assert b"lmstrix_" not in answer.content


def test_a_revoked_token_reads_nothing_and_a_person_who_is_signed_in_does(client: Client) -> None:
    token, secret = ApiToken.issue("prometheus", Role.ADMIN)
    token.revoke()
    assert client.get("/metrics", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    client.force_login(make_user(role=Role.VIEWER))
    assert client.get("/metrics").status_code == 200


def test_requests_and_tokens_are_counted_by_model_server_and_outcome_over_all_days() -> None:
    qwen = make_model(key="qwen", server=make_server(name="shelf"))
    for days in (0, 1, 40):
        record(qwen, days=days, tokens_in=100, tokens_out=10)
    record(qwen, outcome="error", tokens_unsplit=7)
    told = read()
    assert told["lmstrix_requests_total", "qwen", "shelf", "ok"] == 3
    assert told["lmstrix_requests_total", "qwen", "shelf", "error"] == 1
    tokens = [told["lmstrix_tokens_total", "qwen", "shelf", kind] for kind in ("in", "out", "unsplit")]
    assert tokens == [300, 30, 7]


def test_durations_are_a_histogram() -> None:
    qwen = make_model(key="qwen")
    for seconds in (0.2, 0.4, 3, 400):
        record(qwen, duration_us=round(seconds * 1e6), ttft_us=40_000)
    told = read()
    name = "lmstrix_request_duration_seconds"
    within = [told[f"{name}_bucket", bound] for bound in ("0.1", "0.25", "0.5", "5.0", "300.0", "+Inf")]
    assert within == [0, 1, 2, 3, 3, 4]
    assert (told[f"{name}_count",], told[f"{name}_sum",]) == (4, 403.6)
    assert told["lmstrix_time_to_first_token_seconds_bucket", "0.05"] == 4


def test_what_runs_now_is_told() -> None:
    shelf, attic = make_server(name="shelf", reachable=True), make_server(name="attic", reachable=False)
    Instance.objects.create(server=shelf, model=make_model(server=shelf), instance_id="qwen")
    make_server(name="off", enabled=False)
    make_job(status="running")
    make_job(status="failed")
    now = timezone.now()
    for lost in (2, 3):
        GatewayProcess.objects.create(name=f"p{lost}", seen=now, in_flight={f"{attic.pk}:x": lost}, lost_records=lost)
    told = read()
    assert [told["lmstrix_server_reachable", name] for name in ("shelf", "attic")] == [1, 0]
    assert [told["lmstrix_models_loaded", name] for name in ("shelf", "attic")] == [1, 0]
    assert ("lmstrix_server_reachable", "off") not in told
    assert [told["lmstrix_jobs", status] for status in ("running", "failed")] == [1, 1]
    assert told["lmstrix_gateway_requests_in_flight",] == told["lmstrix_gateway_lost_records_total",] == 5


def test_a_model_that_is_gone_keeps_its_counts() -> None:
    qwen = make_model(key="qwen", server=make_server(name="shelf"))
    record(qwen)
    qwen.delete()
    assert read()["lmstrix_requests_total", "qwen", "shelf", "ok"] == 1


def test_names_cannot_forge_lines() -> None:
    record(make_model(key='evil"} 1\nlmstrix_forged 1', server=make_server(name="shelf")))
    assert not [name for name, *_ in read() if "forged" in name]


def test_the_long_past_is_summed_up_once(django_assert_max_num_queries: Any) -> None:
    for days in range(30):
        record(make_model(key=f"m{days % 3}"), days=days)
    first = measures.measures()
    with django_assert_max_num_queries(12):
        assert measures.measures() == first
    with mock.patch.object(measures, "_summed", wraps=measures._summed) as summed:
        measures.measures()
    assert summed.call_count == 1, "today only"


def test_without_its_database_it_says_so(client: Client) -> None:
    client.force_login(make_user())
    with mock.patch.object(measures, "measures", side_effect=OperationalError):
        assert client.get("/metrics").status_code == 503
