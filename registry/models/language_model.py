"""A model as a server offers it, with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Concat
from django.urls import reverse
from django.utils import timezone

from registry.models.registry import Registry
from registry.models.server import Server


class ModelType(models.TextChoices):
    """What a model is for; LM Studio tells only llm or embedding, the rest is derived."""

    CHAT = "chat", "chat"
    CODE = "code", "code"
    COMPLETION = "completion", "completion"
    EMBEDDING = "embedding", "embedding"
    VISION = "vision", "vision"


class CheckStatus(models.TextChoices):
    """How far the context window of a model is known."""

    UNTESTED = "untested", "untested"
    TESTING = "testing", "testing"
    TESTED = "tested", "tested"
    FAILED = "failed", "failed"


class State(models.TextChoices):
    """Where a model is in its life in memory."""

    UNLOADED = "unloaded", "unloaded"
    LOADING = "loading", "loading"
    LOADED = "loaded", "loaded"
    ACTIVE = "active", "active"
    UNLOADING = "unloading", "unloading"
    ERROR = "error", "error"


# models whose context window can be tried: on an enabled server, there, and able to answer
TESTABLE = Q(missing=False, server__enabled=True) & ~Q(type=ModelType.EMBEDDING)


class Known(Func):
    """A text, or NULL where it is empty: unknown; spelled without a parameter, so that an index can answer it."""

    template = "NULLIF(%(expressions)s, '')"
    arity = 1


class LanguageModelQuerySet(models.QuerySet["LanguageModel"]):
    def present(self) -> LanguageModelQuerySet:
        return self.filter(missing=False)

    def testable(self) -> LanguageModelQuerySet:
        return self.filter(TESTABLE)

    def untested(self) -> LanguageModelQuerySet:
        return self.filter(test_status=CheckStatus.UNTESTED)

    def named(self, name: str) -> LanguageModelQuerySet:
        """All models that `name` can mean: an exact key first, else `server/key`, else `server/key@variant`."""
        exact = self.filter(key=name)
        if exact.exists():
            return exact
        long = Concat(F("server__name"), Value("/"), F("key"))
        qualified = self.annotate(_long=long, _full=Concat(long, Value("@"), F("variant")))
        return qualified.filter(Q(_long=name) | Q(_full=name))

    def with_public_id(self) -> LanguageModelQuerySet:
        """Adds what `public_id` needs: how many models share the key, and the key on the server."""
        same_key = (
            LanguageModel.objects.filter(registry=models.OuterRef("registry"), key=models.OuterRef("key"))
            .order_by()
            .values("key")
            .annotate(n=models.Count("pk"))
            .values("n")
        )
        same_here = same_key.filter(server=models.OuterRef("server"))
        return self.annotate(same_key=models.Subquery(same_key), same_here=models.Subquery(same_here))

    def for_list(self) -> LanguageModelQuerySet:
        """What a list row shows, in a fixed number of queries."""
        return self.select_related("server").prefetch_related("tags", "instances").with_public_id()


class LanguageModel(models.Model):
    """A model of one registry on one server (no server: added by hand); unknown facts are null, never zero."""

    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="models")
    server = models.ForeignKey(Server, null=True, blank=True, on_delete=models.CASCADE, related_name="models")
    key = models.CharField(max_length=500)
    variant = models.CharField(max_length=500, blank=True, default="")

    # what the server says
    name = models.CharField(max_length=500)
    publisher = models.CharField(max_length=500, blank=True, default="")
    description = models.TextField(blank=True, default="")
    type = models.CharField(max_length=12, choices=ModelType, blank=True, default="")
    type_derived = models.BooleanField(default=False)
    architecture = models.CharField(max_length=200, blank=True, default="")
    parameters = models.CharField(max_length=50, blank=True, default="", help_text='as told or derived, "3.2B"')
    parameters_derived = models.BooleanField(default=False)
    parameter_count = models.BigIntegerField(null=True, blank=True)
    quantization = models.CharField(max_length=100, blank=True, default="")
    bits_per_weight = models.FloatField(null=True, blank=True)
    size_bytes = models.BigIntegerField(null=True, blank=True)
    declared_context = models.BigIntegerField(null=True, blank=True)
    format = models.CharField(max_length=50, blank=True, default="")
    vision = models.BooleanField(null=True, blank=True)
    tool_use = models.BooleanField(null=True, blank=True)
    reasoning_options = models.JSONField(default=list, blank=True)

    # what its test found
    tested_context = models.BigIntegerField(null=True, blank=True)
    usable_context = models.BigIntegerField(null=True, blank=True)
    test_status = models.CharField(max_length=10, choices=CheckStatus, default=CheckStatus.UNTESTED)
    test_verdict = models.CharField(max_length=40, blank=True, default="")
    last_tested = models.DateTimeField(null=True, blank=True)
    test_iterations = models.IntegerField(null=True, blank=True)
    test_duration = models.FloatField(null=True, blank=True, help_text="seconds")
    stale = models.BooleanField(default=False, help_text="the file changed since the test")
    stale_reason = models.CharField(max_length=300, blank=True, default="")
    tokens_per_second = models.FloatField(null=True, blank=True)
    ttft_seconds = models.FloatField(null=True, blank=True)
    load_seconds = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)

    # where it is
    state = models.CharField(max_length=10, choices=State, default=State.UNLOADED)
    missing = models.BooleanField(default=False, help_text="no longer offered by its server")
    source = models.CharField(max_length=50, default="lm_studio_scan")
    added = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(
        default=timezone.now, help_text="when facts, notes or tags changed last; not when it was tested or used"
    )
    last_seen = models.DateTimeField(null=True, blank=True)

    state_since = models.DateTimeField(null=True, blank=True)
    state_error = models.CharField(max_length=500, blank=True, default="", help_text="why it is in the error state")
    characters_per_token = models.FloatField(null=True, blank=True, help_text="measured; for estimates of input")

    # what people say of it
    notes = models.TextField(blank=True, default="")
    favourite = models.BooleanField(default=False)
    pinned = models.BooleanField(default=False, help_text="to be kept in memory")
    edited = models.JSONField(default=list, blank=True, help_text="facts set by a person; scans leave them alone")

    # what came with a file
    opening_balance = models.JSONField(
        default=dict, blank=True, help_text="usage counted elsewhere before the first record here"
    )
    extra = models.JSONField(default=dict, blank=True, help_text="fields of a foreign file that are written back")

    objects = LanguageModelQuerySet.as_manager()

    class Meta:
        ordering = ["key", "pk"]
        verbose_name = "model"
        constraints = [
            models.UniqueConstraint(fields=["registry", "server", "key", "variant"], name="model_unique"),
            # NULLs are distinct in a unique index, so models without a server need their own
            models.UniqueConstraint(
                fields=["registry", "key", "variant"], condition=Q(server=None), name="custom_model_unique"
            ),
        ]
        indexes = [
            models.Index(fields=["registry", "name", "id"]),
            models.Index(fields=["registry", "size_bytes", "id"]),
            models.Index(fields=["registry", "tested_context", "id"]),
            models.Index(fields=["registry", "last_tested", "id"]),
            models.Index(fields=["registry", "test_status", "id"]),
            models.Index(fields=["registry", "key"]),
            # orders of the list of models, and counts of it that are read from an index alone
            models.Index(fields=["registry", "parameter_count", "id"]),
            models.Index(fields=["registry", "declared_context", "id"]),
            models.Index(fields=["registry", "tokens_per_second", "id"]),
            models.Index(fields=["registry", "added", "id"]),
            models.Index(fields=["registry", "favourite", "id"]),
            models.Index(fields=["registry", "missing"]),
            models.Index(fields=["name", "key"]),
            models.Index("registry", Known("type"), "id", name="model_by_type"),
            models.Index("registry", Known("architecture"), "id", name="model_by_architecture"),
            models.Index("registry", Known("quantization"), "id", name="model_by_quantization"),
        ]

    def __str__(self) -> str:
        return self.key

    def get_absolute_url(self) -> str:
        return reverse("model", args=[self.pk])

    @property
    def public_id(self) -> str:
        """The shortest of key, server/key, server/key@variant that means only this model."""
        counts: Mapping[str, int] = self.__dict__
        if "same_key" not in counts:  # a row that was not read by with_public_id()
            counts = vars(LanguageModel.objects.with_public_id().get(pk=self.pk))
        if counts["same_key"] == 1 or self.server is None:
            return self.key
        return f"{self.server.name}/{self.key}" + (f"@{self.variant}" if counts["same_here"] > 1 else "")
