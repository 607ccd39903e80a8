"""Errors of the engine, in the two shapes that LM Studio answers with."""

from typing import Any


class EngineError(Exception):
    """A request that cannot be served: HTTP status, LM Studio's error type, and a sentence for a person."""

    def __init__(self, status: int, kind: str, message: str, code: str | None = None, param: str | None = None):
        super().__init__(message)
        self.status, self.kind, self.message, self.code, self.param = status, kind, message, code, param

    def as_object(self) -> dict[str, Any]:
        """`{"type", "message", "code"?, "param"?}`, as on /api/v1."""
        error = {"type": self.kind, "message": self.message, "code": self.code, "param": self.param}
        return {name: value for name, value in error.items() if value is not None}


def invalid(message: str, param: str | None = None, code: str | None = None) -> EngineError:
    """A request that is wrong in itself (400)."""
    return EngineError(400, "invalid_request", message, code, param)


def model_not_found(name: str) -> EngineError:
    """No such model, or no such instance (404)."""
    message = f'Model "{name[:200]}" was not found. List the models with GET /api/v1/models.'
    return EngineError(404, "model_not_found", message, "model_not_found", "model")


def load_failed(message: str) -> EngineError:
    """The model could not be loaded (500)."""
    return EngineError(500, "model_load_failed", message)


def crashed(reason: str) -> EngineError:
    """The process of an instance ended, or broke off, in the middle of a request (500)."""
    return EngineError(500, "internal_error", f"The model has crashed without additional information. ({reason})")
