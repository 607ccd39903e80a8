"""Memory policies in the admin, by the same form and verbs as on the pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from registry import memory_policies
from registry.admin.bases import Admin, Form
from registry.admin.refusing import SaysRefusals
from registry.forms.memory import MemoryPolicyFields
from registry.models import MemoryPolicy


class MemoryPolicyAdminForm(MemoryPolicyFields, Form[MemoryPolicy]):
    """The fields of the page's form on a row of the table."""

    class Meta:
        model = MemoryPolicy
        fields = ("server", *memory_policies.FIELDS)

    def clean_server(self) -> Any:
        server = self.cleaned_data["server"]
        if not self.instance.pk and MemoryPolicy.objects.filter(server=server).exists():
            whose = f"{server} has a policy" if server else "There is a default policy"
            self.add_error("server", f"{whose} already; change that one.")
        return server


@admin.register(MemoryPolicy)
class MemoryPolicyAdmin(SaysRefusals, Admin[MemoryPolicy]):
    """The default policy has no server; one that is deleted gives way to the default."""

    form = MemoryPolicyAdminForm
    list_display = ("__str__", *memory_policies.FIELDS)
    list_select_related = ("server",)
    fields = ("server", *memory_policies.FIELDS)

    def get_readonly_fields(self, request: HttpRequest, obj: MemoryPolicy | None = None) -> Any:
        return ("server",) if obj else ()

    def save_model(self, request: HttpRequest, obj: MemoryPolicy, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in memory_policies.FIELDS}
        obj.pk = memory_policies.save_policy(obj.server, **fields).pk

    def delete_model(self, request: HttpRequest, obj: MemoryPolicy) -> None:
        memory_policies.drop_policy(obj.server)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MemoryPolicy]) -> None:
        for policy in queryset.select_related("server"):
            memory_policies.drop_policy(policy.server)
