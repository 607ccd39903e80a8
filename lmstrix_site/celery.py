"""The Celery application; beat has a few ticks, everything else is a Job."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lmstrix_site.settings")

app = Celery("lmstrix")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
