"""Clients of the REST API for tests."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from registry.models import ApiToken, Role


class ApiClient(Client):
    """A program with a token of `role`; bodies are sent as JSON."""

    def __init__(self, role: Role = Role.ADMIN) -> None:
        self.token, secret = ApiToken.issue(f"{role.value}'s script", role)
        self.token.last_used = timezone.now()  # noted once a minute: no write in the midst of a counted request
        self.token.save()
        super().__init__(headers={"Authorization": f"Bearer {secret}"})

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to `method` with `body` as JSON (None: no body)."""
        options = {} if body is None else {"data": body}
        answer: HttpResponse = getattr(self, method.lower())(path, content_type="application/json", **options)
        return answer

    def read(self, path: str, **query: Any) -> Any:
        """The JSON of a 200 answer."""
        answer = self.get(path, query)
        assert answer.status_code == 200, answer.content
        return answer.json()
