"""Reading LM Studio's error reports: which of our errors a message means, and the figures it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.lmstudio.errors import (
    BadReply,
    ContextTooLong,
    LMStudioError,
    LoadFailed,
    ModelNotFound,
    OutOfMemory,
    Unauthorized,
    Unreachable,
    Unsupported,
)

_MAX_MESSAGE = 500
_UNITS = {"k": 1, "m": 2, "g": 3, "t": 4}
_NEED = re.compile(
    r"(?:requires?|required|requiring|needs?|needed|estimated)\b[^.;]{0,80}?"
    r"(?<![\w.,-])(\d[\d,]*(?:\.\d+)?)\s*([kmgt])(i?)b\b",
    re.IGNORECASE,
)
_MEMORY = re.compile(
    r"insufficient (?:system resources|memory|vram)"
    r"|(?:out of|not enough|requires approximately .{0,40} of) (?:\w+ )?memory"
    r"|(?:failed|unable|cannot) to allocate|cannot allocate memory|bad_alloc|\boom\b|exceeds? .{0,40}\bmemory\b",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"exceeds? the available context|exceed_context_size|tokens to keep|keep .{0,40} tokens"
    r"|context (?:length|size|window|overflow).{0,80}(?:exceed|too (?:short|small)|overflow|not enough)"
    r"|(?:prompt|input|request) .{0,60}(?:exceeds?|longer than|larger than|greater than|too long).{0,40}context"
    r"|context overflow|(?:maximum|max) context length|reached context length",
    re.IGNORECASE | re.DOTALL,
)
_NO_MODEL = re.compile(
    r"(?:model|instance)\b.{0,200}(?:not (?:be )?found|does(?:n't| not) exist|not loaded|not downloaded)"
    r"|(?:no|cannot find|could not find|unknown|invalid) (?:loaded |such )?(?:model|instance)"
    r"|no models? (?:found|loaded)",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(r"api[ _]?(?:key|token)|authenticat|unauthori[sz]ed|permission", re.IGNORECASE)
_UNEXPECTED = re.compile(r"unexpected endpoint or method", re.IGNORECASE)
_UNKNOWN_OPTION = re.compile(
    r"unrecogni[sz]ed (?:key|parameter|option)|unknown (?:key|parameter|option)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Report:
    """An error as the server reported it, in either of its two shapes; `status` 0 for one inside a stream."""

    message: str
    type: str = ""
    code: str = ""
    status: int = 0


def read_report(body: Any, status: int = 0) -> Report | None:
    """The error in a decoded body, or None when it reports none."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not error:
        return None
    if isinstance(error, Mapping):
        kind, code = _word(error.get("type")), _word(error.get("code"))
        message = error.get("message") if isinstance(error.get("message"), str) else ""
        return Report(_printable(message or kind or code or "an unnamed error"), kind, code, status)
    return Report(_printable(error if isinstance(error, str) else "an unnamed error"), status=status)


def needed_bytes(message: str) -> int | None:
    """The memory a refusal says is needed, in bytes (GB = 10^9, GiB = 2^30); None when it names none."""
    match = _NEED.search(message)
    if match is None:
        return None
    digits, unit, binary = match.groups()
    if re.fullmatch(r"\d+,\d{1,2}", digits):
        digits = digits.replace(",", ".")  # "12,5 GB": a decimal comma, since thousands stand in threes
    size = float(digits.replace(",", "")) * (1024 if binary else 1000) ** _UNITS[unit.lower()]
    return round(size) if 0 < size < 2**53 else None


def error_for(
    server: str, report: Report, doing: str, *, loading: bool = False, token_sent: bool = True
) -> LMStudioError:
    """The error that a report means. `doing` completes "refused to ...": `load "qwen"`."""
    detail = f"refused to {doing}: {report.message}"
    message, kind = report.message, report.type.lower()
    if _is_about_token(report):
        return _unauthorized(server, token_sent, report.message)
    if _UNEXPECTED.search(message) or kind == "not_implemented" or report.status in (405, 501):
        return Unsupported(server, f"does not offer what is needed to {doing}: {message}")
    # Memory before context: "exceeds memory at this context length" is about memory.
    if _MEMORY.search(message):
        return OutOfMemory(server, detail, needed_bytes=needed_bytes(message))
    if kind == "exceed_context_size_error" or _CONTEXT.search(message):
        return ContextTooLong(server, detail)
    if kind == "model_load_failed":
        return LoadFailed(server, detail)
    if kind == "model_not_found" or report.code == "model_not_found" or _NO_MODEL.search(message):
        return ModelNotFound(server, detail)
    if report.status == 404 or _UNKNOWN_OPTION.search(message):
        return Unsupported(server, detail)
    return (LoadFailed if loading else LMStudioError)(server, detail)


def error_for_status(
    server: str, status: int, doing: str, *, loading: bool = False, token_sent: bool = True
) -> LMStudioError:
    """The error for a failed answer that holds no report of LM Studio's; its text is not repeated."""
    if status in (401, 403):
        return _unauthorized(server, token_sent, f"HTTP {status}")
    if status in (404, 405, 501):
        return Unsupported(server, f"does not offer what is needed to {doing} (HTTP {status})")
    if status in (502, 503, 504):
        return Unreachable(server, f"is not answering behind its proxy (HTTP {status})")
    if loading and status == 500:
        return LoadFailed(server, f"failed to {doing} without saying why (HTTP 500)")
    return BadReply(server, f"answered HTTP {status} without saying why when asked to {doing}")


def _unauthorized(server: str, token_sent: bool, reason: str) -> Unauthorized:
    what = "refuses the token it was given" if token_sent else "wants a token and none is set"
    return Unauthorized(server, f"{what} ({reason})")


def _is_about_token(report: Report) -> bool:
    if report.status in (401, 403) or report.code in ("invalid_api_key", "missing_api_key"):
        return True
    return (
        "auth" in report.type.lower()
        or report.type == "permission_denied"
        or (report.type == "invalid_request" and bool(_TOKEN.search(report.message)))
    )


def _word(value: Any) -> str:
    return _printable(value)[:100] if isinstance(value, str) else ""


def _printable(text: str) -> str:
    """One line of at most 500 characters: it ends up in logs, tables and on terminals."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _MAX_MESSAGE]).split())
    return line if len(line) <= _MAX_MESSAGE else line[: _MAX_MESSAGE - 1] + "…"
