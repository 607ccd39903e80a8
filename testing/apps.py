"""Testing: what models can do."""

from django.apps import AppConfig


class TestingConfig(AppConfig):
    name = "testing"

    def ready(self) -> None:
        from testing import searching  # noqa: F401  (makes its kind of job known)
