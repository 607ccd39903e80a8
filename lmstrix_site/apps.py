"""The composition of both apps."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "lmstrix_site"

    def ready(self) -> None:
        from lmstrix_site import checks  # noqa: F401  (registers its system check)
