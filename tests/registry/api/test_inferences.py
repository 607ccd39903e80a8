"""Recording requests over REST."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from registry.models import ApiToken, InferenceRecord, Registry, Role, Rollup
from tests.api_clients import ApiClient
from tests.builders import make_model

pytestmark = [pytest.mark.django_db, pytest.mark.database]

GUIDE = {"tokens_processed": 245, "inference_time": 5.7, "timestamp": "2024-01-15T10:30:00Z", "success": True}


@pytest.fixture
def api() -> ApiClient:
    return ApiClient(Role.OPERATOR)


def test_one_request_is_recorded(api: ApiClient) -> None:
    model = make_model()
    answer = api.send("POST", "/api/inferences", {"model": model.key, **GUIDE})
    assert (answer.status_code, answer.json()) == (200, {"recorded": 1, "known": 0})
    row = InferenceRecord.objects.get()
    assert (row.model, row.tokens_unsplit, row.duration_us, row.source) == (model, 245, 5_700_000, "reported")


def test_a_model_is_named_by_its_number_too(api: ApiClient) -> None:
    model = make_model(key="42")
    other = make_model()
    api.send("POST", "/api/inferences", [{"model": other.pk}, {"model": "42"}])
    assert set(InferenceRecord.objects.values_list("model", flat=True)) == {model.pk, other.pk}


def test_a_list_sent_again_records_nothing_twice(api: ApiClient) -> None:
    model = make_model()
    body = [{"model": model.pk, "uuid": str(uuid4()), **GUIDE} for _ in range(30)]
    assert api.send("POST", "/api/inferences", body[:20]).json() == {"recorded": 20, "known": 0}
    assert api.send("POST", "/api/inferences", body).json() == {"recorded": 10, "known": 20}
    assert Rollup.objects.get(scope="all", period="day").requests == 30


def test_ten_thousand_are_taken_at_once_and_more_refused(api: ApiClient) -> None:
    body = [{"model": make_model().pk, "tokens_in": 1}] * 10_000
    assert api.send("POST", "/api/inferences", body).json() == {"recorded": 10_000, "known": 0}
    answer = api.send("POST", "/api/inferences", [*body, body[0]])
    assert answer.status_code == 422
    assert "10000" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tokens": 1}, "tokens"),
        ({"inference_time": -1}, "inference_time"),
        ({"tokens_in": "5"}, "tokens_in"),
        ({"timestamp": "soon"}, "timestamp must be a time"),
        ({"uuid": "x"}, "uuid must be a UUID"),
        ({"model": "nowhere"}, "no model named nowhere"),
        ({"model": 999_999}, "no model 999999"),
        ({"inference_time": 1, "ttft": 2}, "ttft is more"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_recorded(api: ApiClient, fields: dict[str, Any], words: str) -> None:
    good = {"model": make_model().pk}
    for body in (good | fields, [good, good | fields]):
        answer = api.send("POST", "/api/inferences", body)
        assert answer.status_code == 422
        assert words in answer.content.decode()
    assert not InferenceRecord.objects.exists()


def test_a_viewer_records_nothing() -> None:
    answer = ApiClient(Role.VIEWER).send("POST", "/api/inferences", {"model": make_model().pk})
    assert answer.status_code == 403


def test_names_are_looked_up_in_the_registry_that_is_told(api: ApiClient) -> None:
    other = Registry.objects.create(name="other")
    model = make_model(registry=other)
    assert api.send("POST", "/api/inferences", {"model": model.key}).status_code == 422
    assert api.send("POST", "/api/inferences?registry=other", {"model": model.key}).json()["recorded"] == 1


def test_the_token_that_told_of_it_stands_in_the_record() -> None:
    model, (token, secret) = make_model(), ApiToken.issue("meter", Role.OPERATOR)
    body = {"model": model.pk, "tokens_in": 5}
    headers = {"Authorization": f"Bearer {secret}"}
    assert Client().post("/api/inferences", body, content_type="application/json", headers=headers).status_code == 200
    assert InferenceRecord.objects.get().token == token
