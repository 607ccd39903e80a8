"""The registry: what exists and what it is doing."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "registry"

    def ready(self) -> None:
        from registry import changing, loading, scanning  # noqa: F401  (make their kinds of job known)
