"""What admin classes are built on: typed bases, and tables that are only looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

if TYPE_CHECKING:
    Admin = admin.ModelAdmin
    Inline = admin.TabularInline
    Form = forms.ModelForm
else:
    # Django's classes cannot be subscripted at run time

    class Admin(admin.ModelAdmin):
        def __class_getitem__(cls, model: Any) -> type:
            return cls

    class Inline(admin.TabularInline):
        def __class_getitem__(cls, models: Any) -> type:
            return cls

    class Form(forms.ModelForm):
        def __class_getitem__(cls, model: Any) -> type:
            return cls


class NotAdded:
    """Rows come from elsewhere: a scan, a verb, a job."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnly(NotAdded):
    """Rows are evidence: they are looked at, neither changed nor deleted by hand."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
