"""The composition of both apps."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "lmstrix_site"
