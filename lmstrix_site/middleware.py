"""Refuses what no door can read, and notes who comes in."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from registry import acting
from registry.acting import Actor
from registry.models import User

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RefuseUnreadable:
    """Answers 400 to NUL characters and broken UTF-8 in an address: PostgreSQL would fail on them later."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        query = request.META.get("QUERY_STRING", "")
        if "\x00" in request.path or "%00" in query or "\x00" in query or "\ufffd" in request.path:
            return _refusal(request)
        return self.get_response(request)


class NoteActor:
    """Says who acts: the person that signed in, at the pages or the admin (a token is noted where it is read)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        door = "admin" if request.path.startswith("/admin/") else "rest" if request.path.startswith("/api/") else "page"
        user = request.user if request.META.get("REQUEST_METHOD") not in ("GET", "HEAD") else None
        with acting.acting(Actor(door, user if isinstance(user, User) else None)):
            return self.get_response(request)


def _refusal(request: HttpRequest) -> HttpResponseBase:
    detail = "The address has a character that cannot be used (NUL or broken UTF-8)."
    if request.path.startswith("/api/"):
        body = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": detail, "errors": []}
        return JsonResponse(body, status=400, content_type="application/problem+json")
    return HttpResponse(detail, status=400, content_type="text/plain; charset=utf-8")
