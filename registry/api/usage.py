"""Use of models over REST: statistics, speed, trends and reports."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from registry import exchanges, finding, report_files, usage_reports
from registry.api.access import Request, operation
from registry.api.exchange import as_file
from registry.api.fields import NO_NUL, Id, Text, WrittenDate
from registry.api.lists import found
from registry.api.model_shapes import UsageStats
from registry.api.registries import registry_named
from registry.models import KeptExchange, LanguageModel, Role
from registry.models.registry import DEFAULT

router = Router(tags=["usage"])
of_models = Router(tags=["usage"])  # below /models
of_inferences = Router(tags=["usage"])  # below /inferences

Days = Annotated[int, Field(ge=1, le=usage_reports.MOST_DAYS, description="the last days, today (UTC) among them")]


class ModelUsage(UsageStats):
    """Use of one model, all in all."""

    model: int
    public_id: str


class Speed(BaseModel):
    """How fast and how reliably requests were answered; seconds, percentiles within 2 %, rates 0..1."""

    days: int
    avg_response_time: float | None
    p50_response_time: float | None
    p95_response_time: float | None
    p99_response_time: float | None
    avg_time_to_first_token: float | None
    p50_time_to_first_token: float | None
    p95_time_to_first_token: float | None
    p99_time_to_first_token: float | None
    tokens_per_second: float | None
    success_rate: float | None
    total_inferences: int
    answered: int
    errors: int
    refused: int
    interrupted: int


class Day(BaseModel):
    """One day (UTC)."""

    date: date
    inferences: int
    answered: int
    tokens: int
    tokens_in: int
    tokens_out: int
    avg_response_time: float | None


class TrendsShape(BaseModel):
    """Requests and tokens by day; `monthly_tokens` is of the calendar month so far."""

    daily_avg: float
    peak_day: date | None
    peak_requests: int
    monthly_tokens: int
    total_inferences: int
    total_tokens: int
    days: list[Day]


class ReportLine(BaseModel):
    """One model in a report; `model` is its id, null when no model is known, `gone` when it was deleted."""

    model: str | None
    name: str
    server: str | None
    gone: bool
    inferences: int
    share: float | None
    answered: int
    success_rate: float | None
    tokens: int
    tokens_in: int
    tokens_out: int
    avg_latency: float | None
    p50_latency: float | None
    p95_latency: float | None
    p99_latency: float | None
    tokens_per_second: float | None


class UsageReport(BaseModel):
    """What the models of a registry answered in a period; both ends are included, days are UTC."""

    registry: str
    period: str
    start: date
    end: date
    total_inferences: int
    total_tokens: int
    tokens_in: int
    tokens_out: int
    avg_latency: float | None
    p50_latency: float | None
    p95_latency: float | None
    p99_latency: float | None
    tokens_per_second: float | None
    success_rate: float | None
    most_used_model: str | None
    models: list[ReportLine]
    days: list[Day]


class PromptAndAnswer(BaseModel):
    """What one request asked and was answered, as both came; kept until `expires` since its token asks for it."""

    uuid: UUID
    token: str
    request: str
    answer: str
    expires: datetime

    @classmethod
    def of(cls, kept: KeptExchange) -> PromptAndAnswer:
        told = {name: getattr(kept, name) for name in ("request", "answer", "expires")}
        return cls(uuid=kept.record_uuid, token=kept.token.name, **told)


class TrendsWanted(BaseModel):
    """Of which models: all of a registry, or one."""

    days: Days = 30
    registry: Text = DEFAULT
    model: Annotated[Text | None, Field(description="the id of a model; default all")] = None


class ReportWanted(BaseModel):
    """Which days and models, and how the report is written."""

    start: Annotated[WrittenDate | None, Field(description="default: 29 days before `end`")] = None
    end: Annotated[WrittenDate | None, Field(description="default: today (UTC)")] = None
    models: Annotated[
        str, Field(max_length=20_000, pattern=NO_NUL, description="ids with commas between them; default all")
    ] = ""
    registry: Text = DEFAULT
    format: Literal["json", "csv", "html"] = "json"


@operation(of_models.get, "/{int:id}/usage", role=Role.VIEWER, answers=ModelUsage)
def model_usage(request: Request, id: Id) -> dict[str, Any]:
    """How much a model was used: requests recorded here, or where there is none what a file told."""
    model = _model(id)
    return {"model": model.pk, "public_id": model.public_id, **usage_reports.usage_stats([model])[model.pk]}


@operation(of_models.get, "/{int:id}/performance", role=Role.VIEWER, answers=Speed)
def model_performance(request: Request, id: Id, days: Days = 30) -> dict[str, Any]:
    """How fast and how reliably a model answered."""
    return {"days": days, **usage_reports.metrics(_model(id), days).as_dict()}


@operation(of_models.get, "/{int:id}/trends", role=Role.VIEWER, answers=TrendsShape)
def model_trends(request: Request, id: Id, days: Days = 30) -> dict[str, Any]:
    """Requests to a model and its tokens, by day."""
    return usage_reports.trends(_model(id), days).as_dict()


@operation(router.get, "/trends", role=Role.VIEWER, answers=TrendsShape, also=(404,))
def trends(request: Request, wanted: Query[TrendsWanted]) -> dict[str, Any]:
    """Requests and tokens by day, of all models or of one."""
    registry = registry_named(wanted.registry)
    model = finding.model_named(registry, wanted.model) if wanted.model else None
    return usage_reports.trends(model, wanted.days, registry=registry).as_dict()


FILES = {kind: {"schema": {"type": "string"}} for kind in ("text/csv", "text/html")}


@operation(
    router.get, "/report", role=Role.VIEWER, answers=UsageReport, also=(404,),
    extra={"responses": {200: {"content": FILES}}},
)  # fmt: skip
def report(request: Request, wanted: Query[ReportWanted]) -> Any:
    """A report for a period and models, as JSON or as a file: CSV (a row for each model), or HTML to print."""
    names = [name.strip() for name in wanted.models.split(",") if name.strip()] or None
    made = usage_reports.report(registry_named(wanted.registry), wanted.start, wanted.end, names)
    if wanted.format == "json":
        return made.as_dict()
    data = report_files.write(made, wanted.format).encode()
    answer: HttpResponse = as_file(data, report_files.name(made, wanted.format), report_files.TYPES[wanted.format])
    return answer


@operation(of_inferences.get, "/{uuid}/content", role=Role.ADMIN, answers=PromptAndAnswer)
def get_prompt_and_answer(request: Request, uuid: UUID) -> PromptAndAnswer:
    """The prompt and the answer of one request by its `uuid`; 404 when they were not kept."""
    return PromptAndAnswer.of(_kept(uuid))


@operation(of_inferences.delete, "/{uuid}/content", role=Role.ADMIN, answers=None, status=204)
def delete_prompt_and_answer(request: Request, uuid: UUID) -> Status[None]:
    """Deletes prompt and answer before their time; the record of the request stays."""
    exchanges.forget(_kept(uuid))
    return Status(204, None)


def _kept(uuid: UUID) -> KeptExchange:
    return found(exchanges.kept(), "prompt and answer", record_uuid=uuid)


def _model(id: int) -> LanguageModel:
    return found(LanguageModel.objects.with_public_id().select_related("server"), "model", pk=id)
