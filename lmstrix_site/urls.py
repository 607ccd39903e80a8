"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from lmstrix_site import health, metrics
from lmstrix_site.api import api
from lmstrix_site.events import events
from lmstrix_site.pages import model, overview

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("live/", overview.overview_live, name="overview-live"),
    path("shell/live/", overview.shell_live, name="shell-live"),
    path("models/<int:pk>/", model.model, name="model"),
    path("models/<int:pk>/live/", model.model_live, name="model-live"),
    path("", include("registry.urls")),
    path("", include("testing.urls")),
    path("api/", api.urls),
    path("events", events, name="events"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
