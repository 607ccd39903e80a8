"""The usage page, reports, and the log of requests."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from registry import report_files, usage_reports
from registry.usage_figures import Report
from registry.views import request_log, usage_page
from registry.views.current import registry_of

LINES = 200  # models on the page; the files have all


@require_safe
def usage(request: HttpRequest) -> HttpResponse:
    """What models were asked for and how they answered."""
    return render(request, "registry/usage.html", usage_page.shown(request))


@require_safe
def report(request: HttpRequest) -> HttpResponse:
    """A report to read and print, or as a file (`format=json|csv|html`)."""
    asked, fmt = request.GET, request.GET.get("format", "")
    names = [name.strip() for name in asked.get("models", "").split(",") if name.strip()] or None
    try:
        made = usage_reports.report(registry_of(request), asked.get("start"), asked.get("end"), names)
        text = report_files.write(made, fmt) if fmt else ""
    except ValueError as refusal:
        return render(request, "registry/usage_report.html", {"refusal": str(refusal), "asked": asked}, status=400)
    if not fmt:
        return render(request, "registry/usage_report.html", _told(made) | {"asked": asked})
    headers = {"Content-Disposition": content_disposition_header(True, report_files.name(made, fmt))}
    return HttpResponse(text, content_type=report_files.TYPES[fmt], headers=headers)


def _told(report: Report) -> dict[str, Any]:
    lines, days = report.lines[:LINES], [day for day in report.days if day[1].requests]
    hidden = len(report.lines) - len(lines)
    return {"report": report, "lines": lines, "hidden": hidden, "days": days, "formats": list(report_files.TYPES)}


@require_safe
def requests(request: HttpRequest) -> HttpResponse:
    """Every request that is kept, newest first, narrowed by model, token, outcome and source."""
    return render(request, "registry/usage_requests.html", request_log.shown(request))
