"""Testing: what models can do."""

from django.apps import AppConfig


class TestingConfig(AppConfig):
    name = "testing"

    def ready(self) -> None:
        from testing import documenting, searching  # noqa: F401  (make their lists and their kind of job known)
