"""Composition of the two apps: settings, addresses, the one API, the pages that show both."""

from lmstrix_site.celery import app as celery_app

__all__ = ["celery_app"]
