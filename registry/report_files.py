"""A usage report as a file: JSON for programs, CSV for spreadsheets, a page of its own to print or to send."""

from __future__ import annotations

from django.template.loader import render_to_string

from registry.rendering import as_json, render
from registry.usage_figures import Report

TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}
COLUMNS = (
    "model", "name", "server", "gone", "inferences", "share", "answered", "success_rate", "tokens", "tokens_in",
    "tokens_out", "avg_latency", "p50_latency", "p95_latency", "p99_latency", "tokens_per_second",
)  # fmt: skip


def write(report: Report, fmt: str) -> str:
    """The report as text; CSV has one row for each model. ValueError for a format that is none."""
    if fmt == "json":
        return as_json(report.as_dict())
    if fmt == "csv":
        return render(report.as_dict()["models"], COLUMNS, "csv")
    if fmt == "html":
        return render_to_string("registry/usage_report_document.html", {"report": report})
    raise ValueError(f"{fmt} is no format of a report; use one of {', '.join(TYPES)}.")


def name(report: Report, fmt: str) -> str:
    """What the file is called."""
    return f"usage-{report.start.isoformat()}-{report.end.isoformat()}.{fmt}"
