"""Requests and answers of the engine: bodies read with care, JSON and event streams written."""

import json
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, NoReturn

from testing.engine.errors import invalid

LARGEST_BODY = 64 * 2**20


@dataclass(frozen=True)
class Request:
    """One HTTP request, its body read."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> "Body":
        """The body as a JSON object. Raises invalid_request for everything else."""
        try:
            value = json.loads(self.body, parse_constant=_refuse_constant)
            if b"\\u" in self.body:  # half a surrogate pair cannot be passed on
                json.dumps(value, ensure_ascii=False).encode()
        except RecursionError:
            raise invalid("The body is nested too deeply") from None
        except ValueError as error:  # bad JSON, bad UTF-8, half a character, a number of 5,000 digits
            raise invalid(f"The body is not valid JSON: {str(error)[:200]}") from None
        if not isinstance(value, dict):
            raise invalid("The body must be a JSON object")
        return Body(value)


@dataclass(frozen=True)
class Body:
    """A JSON object, read field by field; a wrong type raises invalid_request that names the field."""

    fields: dict[str, Any]

    def only(self, *allowed: str) -> None:
        """Refuse every key that is not in `allowed`."""
        if unknown := sorted(set(self.fields) - set(allowed)):
            names = ", ".join(repr(name[:100]) for name in unknown[:10])
            raise invalid(f"Unrecognized key(s) in object: {names}", code="unrecognized_keys")

    def text(self, name: str) -> str | None:
        """A string, or None where absent."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(f"'{name}' must be a string", name)
        return value

    def required_text(self, name: str) -> str:
        """A string that is there and not empty."""
        value = self.text(name)
        if not value:
            raise invalid(f"'{name}' is required", name, "missing_required_parameter")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.fields.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise invalid(f"'{name}' must be true or false", name)
        return value

    def integer(self, name: str, least: int = 1, most: int = 2**31 - 1) -> int | None:
        """A whole number within the bounds, or None where absent."""
        value = self.number(name, least, most)
        if value is None:
            return None
        if value != int(value):
            raise invalid(f"'{name}' must be a whole number", name)
        return int(value)

    def number(self, name: str, least: float = -math.inf, most: float = math.inf) -> float | None:
        """A finite number within the bounds, or None where absent."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(f"'{name}' must be a number", name)
        if not least <= value <= most or (isinstance(value, float) and math.isinf(value)):
            raise invalid(f"'{name}' must be between {least} and {most}", name)
        return value


@dataclass(frozen=True)
class Answer:
    """A whole JSON answer."""

    value: Any
    status: int = 200

    def encoded(self) -> bytes:
        """The bytes on the wire; ASCII, so that no odd character can break the encoding."""
        return json.dumps(self.value).encode()


@dataclass(frozen=True)
class Stream:
    """An answer of server-sent events. An error before the first frame is still an ordinary error answer."""

    frames: AsyncGenerator[bytes, None]


def frame(data: Any, event: str | None = None) -> bytes:
    """One server-sent event."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")
