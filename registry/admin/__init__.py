"""Django's admin for the tables of the registry; login links stay out of it, they are issued by verbs only."""

from django.contrib import admin
from django.contrib.auth.models import Group

from registry.admin import (
    audit_events,
    groups,
    jobs,
    language_models,
    memory_policies,
    people,
    profiles,
    servers,
    snapshots,
    tags,
    usage,
    webhooks,
)

__all__ = [
    "audit_events",
    "groups",
    "jobs",
    "language_models",
    "memory_policies",
    "people",
    "profiles",
    "servers",
    "snapshots",
    "tags",
    "usage",
    "webhooks",
]

admin.site.site_header = admin.site.site_title = "LMStrix"
admin.site.index_title = "All tables"
admin.site.unregister(Group)  # what a person may do is one role, never a group's permissions
