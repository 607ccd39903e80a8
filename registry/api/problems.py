"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

from django.http import HttpResponse
from ninja.errors import HttpError
from pydantic import BaseModel

CONTENT_TYPE = "application/problem+json"

# what any operation can answer, whatever its method and path
ALWAYS = (400, 401, 403, 405, 422, 500, 503)
WITH_BODY = (413, 415)


class Fault(BaseModel):
    """One value that is wrong, and where it stands."""

    where: str
    message: str


class Problem(BaseModel):
    """What went wrong, to which object, and what to try."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


def problem(
    status: int,
    detail: str,
    *,
    kind: str = "about:blank",
    errors: Sequence[Fault] = (),
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    """The answer for an error; `detail` is a sentence for people."""
    body = Problem(type=kind, title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors))
    return HttpResponse(body.model_dump_json(), status=status, content_type=CONTENT_TYPE, headers=headers)


def documented(*statuses: int) -> dict[int, type[Problem]]:
    """The OpenAPI responses of these error statuses."""
    return dict.fromkeys(statuses, Problem)


@contextmanager
def conflicts() -> Iterator[None]:
    """A verb's refusal (ValueError) in here is about the state of an object, not about what was sent: 409."""
    try:
        yield
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise HttpError(409, str(error)) from error
