"""Use of models over REST."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from registry.models import KeptExchange, LanguageModel, Role
from tests.api_clients import ApiClient
from tests.builders import make_model
from tests.inferences import ask

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def viewer() -> ApiClient:
    return ApiClient(Role.VIEWER)


def test_a_models_usage_is_what_was_recorded_or_else_what_a_file_told(viewer: ApiClient) -> None:
    model = make_model(key="qwen", opening_balance={"inference_count": 127})
    path = f"/api/models/{model.pk}/usage"
    assert viewer.read(path)["inference_count"] == 127
    ask(model, "2024-01-02T03:04:05", times=2)
    told = viewer.read(path)
    assert (told["public_id"], told["inference_count"], told["total_tokens_processed"]) == ("qwen", 2, 80)
    assert (told["total_inference_time"], told["last_used"]) == (2.0, "2024-01-02T03:04:05Z")


def test_a_model_in_a_list_has_its_usage(viewer: ApiClient) -> None:
    used, _ = make_model(key="a"), make_model(key="b")
    ask(used)
    first, second = viewer.read("/api/models")["items"]
    assert (first["usage_stats"]["inference_count"], second["usage_stats"]) == (1, None)


def test_performance_and_trends_are_of_the_last_days(viewer: ApiClient) -> None:
    model = make_model()
    ask(model, times=3)
    ask(model, "2020-01-01")
    speed = viewer.read(f"/api/models/{model.pk}/performance", days=7)
    assert (speed["days"], speed["total_inferences"], speed["success_rate"]) == (7, 3, 1.0)
    trends = viewer.read(f"/api/models/{model.pk}/trends", days=7)
    assert (len(trends["days"]), trends["days"][-1]["inferences"], trends["peak_requests"]) == (7, 3, 3)


def test_trends_of_all_models_or_of_one(viewer: ApiClient) -> None:
    ask(make_model(key="one"))
    ask(make_model(key="other"), times=2)
    assert viewer.read("/api/usage/trends")["total_inferences"] == 3
    assert viewer.read("/api/usage/trends", model="one")["total_inferences"] == 1


def test_a_report_is_json_csv_or_html(viewer: ApiClient) -> None:
    ask(make_model(key="=qwen"), "2024-01-02")
    asked = {"start": "2024-01-01", "end": "2024-01-31"}
    told = viewer.read("/api/usage/report", **asked)
    assert (told["total_inferences"], told["models"][0]["model"]) == (1, "=qwen")
    sheet = viewer.get("/api/usage/report", asked | {"format": "csv"})
    assert sheet["Content-Type"].startswith("text/csv")
    assert next(csv.DictReader(io.StringIO(sheet.content.decode())))["model"] == "'=qwen"
    page = viewer.get("/api/usage/report", asked | {"format": "html"})
    assert (page["Content-Type"], page.content[:15]) == ("text/html; charset=utf-8", b"<!doctype html>")


def test_a_report_counts_models_that_are_gone(viewer: ApiClient) -> None:
    ask(make_model(key="old"), "2024-01-02")
    LanguageModel.objects.all().delete()
    (line,) = viewer.read("/api/usage/report", start="2024-01-01", end="2024-01-31", models="old")["models"]
    assert (line["model"], line["gone"], line["inferences"]) == ("old", True, 1)


@pytest.mark.parametrize(
    "path",
    [
        "/api/usage/report?start=2024-02-30",
        "/api/usage/report?start=2024-02-02&end=2024-02-01",
        "/api/usage/report?models=nonesuch",
        "/api/usage/report?format=pdf",
        "/api/usage/trends?days=0",
        "/api/usage/trends?days=9999",
        "/api/usage/trends?model=nonesuch",
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(viewer: ApiClient, path: str) -> None:
    answer = viewer.get(path)
    assert answer.status_code in (400, 404, 422)
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("end=9999-12-31", "9999-12-31 is no day"),
        ("start=0001-01-01", "0001-01-01 is no day"),
        ("start=9998-01-01&end=9998-01-02", "lies in the future"),
    ],
)
def test_days_that_cannot_be_reported_are_422_with_a_sentence(viewer: ApiClient, query: str, said: str) -> None:
    answer = viewer.get(f"/api/usage/report?{query}")
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_an_admin_reads_and_deletes_a_kept_prompt_and_answer() -> None:
    admin, uuid = ApiClient(), uuid4()
    until = timezone.now() + timedelta(days=1)
    KeptExchange.objects.create(record_uuid=uuid, token=admin.token, request="ask", answer="told", expires=until)
    path = f"/api/inferences/{uuid}/content"
    told = admin.read(path)
    assert (told["uuid"], told["request"], told["answer"]) == (str(uuid), "ask", "told")
    assert ApiClient(Role.OPERATOR).get(path).status_code == 403
    assert ApiClient(Role.OPERATOR).delete(path).status_code == 403
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404
    assert not KeptExchange.objects.exists()


@pytest.mark.parametrize("part", ["usage", "performance", "trends"])
def test_a_model_that_is_not_there_is_404(viewer: ApiClient, part: str) -> None:
    assert viewer.get(f"/api/models/999/{part}").status_code == 404
