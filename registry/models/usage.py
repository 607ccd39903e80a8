"""What models answered: one record for each request, and sums of them by hour and day."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Outcome(models.TextChoices):
    """How a request ended."""

    OK = "ok", "answered"
    ERROR = "error", "failed"
    REFUSED = "refused", "refused by LMStrix"
    INTERRUPTED = "interrupted", "interrupted"


class Source(models.TextChoices):
    """Where a record came from."""

    GATEWAY = "gateway", "gateway"
    REPORTED = "reported", "reported by a program"
    INFER = "infer", "infer or playground"


class InferenceRecord(models.Model):
    """One request to one model; rows are only ever added, each `uuid` once.

    Model, server and token are kept by id only: a record outlives them. Times are integer microseconds, so that sums
    are exact. Tokens that were reported as one total are `tokens_unsplit`.
    """

    uuid = models.UUIDField(unique=True)
    model = models.ForeignKey(
        "registry.LanguageModel", null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False,
        related_name="+",
    )  # fmt: skip
    server = models.ForeignKey(
        "registry.Server", null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    token = models.ForeignKey(
        "registry.ApiToken", null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False,
        related_name="+",
    )  # fmt: skip
    model_key = models.CharField(max_length=500, help_text="as it was called, also when no such model is known")
    endpoint = models.CharField(max_length=20, blank=True, default="", help_text="chat, completions, embeddings")
    source = models.CharField(max_length=10, choices=Source, default=Source.GATEWAY)
    outcome = models.CharField(max_length=12, choices=Outcome, default=Outcome.OK)
    status = models.SmallIntegerField(null=True, blank=True, help_text="HTTP status that the client got")
    error = models.CharField(max_length=300, blank=True, default="")
    stream = models.BooleanField(default=False)
    estimated = models.BooleanField(default=False, help_text="tokens were counted here, not told by the server")
    started = models.DateTimeField(default=timezone.now)
    duration_us = models.BigIntegerField(null=True, blank=True)
    ttft_us = models.BigIntegerField(null=True, blank=True, help_text="until the first token")
    overhead_us = models.BigIntegerField(null=True, blank=True, help_text="of it, spent in the gateway")
    tokens_in = models.BigIntegerField(null=True, blank=True)
    tokens_out = models.BigIntegerField(null=True, blank=True)
    tokens_unsplit = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["model", "started"]), models.Index(fields=["started"])]

    def __str__(self) -> str:
        return f"{self.model_key} {self.outcome}"


class KeptExchange(models.Model):
    """Prompt and answer of one request, kept only for tokens that ask for it, until `expires`."""

    record_uuid = models.UUIDField(unique=True)
    token = models.ForeignKey("registry.ApiToken", on_delete=models.CASCADE, related_name="exchanges")
    request = models.TextField()
    answer = models.TextField(blank=True, default="")
    expires = models.DateTimeField(db_index=True)


class Period(models.TextChoices):
    """How long a rollup is; both begin at whole hours UTC, days at midnight UTC."""

    HOUR = "hour", "hour"
    DAY = "day", "day"


class Scope(models.TextChoices):
    """Which records a rollup sums: all, those of a model, of a token, or of one model on one server by one token."""

    ALL = "all", "all"
    MODEL = "model", "model"
    TOKEN = "token", "token"
    CELL = "cell", "cell"


class Rollup(models.Model):
    """Sums of the records that started in one hour or day; ids that the scope does not tell apart are 0 (as is none).

    Whole numbers only, so that re-deriving them from the records gives exactly the same. The sketches are
    `sketches.Sketch` in JSON: bucket number -> count.
    """

    period = models.CharField(max_length=4, choices=Period)
    start = models.DateTimeField()
    scope = models.CharField(max_length=5, choices=Scope)
    model_id = models.BigIntegerField(default=0)
    server_id = models.BigIntegerField(default=0)
    token_id = models.BigIntegerField(default=0)

    requests = models.BigIntegerField(default=0)
    ok = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    interrupted = models.BigIntegerField(default=0)
    tokens_in = models.BigIntegerField(default=0)
    tokens_out = models.BigIntegerField(default=0)
    tokens_unsplit = models.BigIntegerField(default=0)
    duration_us = models.BigIntegerField(default=0)
    duration_count = models.BigIntegerField(default=0)
    ttft_us = models.BigIntegerField(default=0)
    ttft_count = models.BigIntegerField(default=0)
    generation_us = models.BigIntegerField(
        default=0, help_text="time in which `generated_tokens` came: throughput is their quotient"
    )
    generated_tokens = models.BigIntegerField(default=0)
    durations = models.JSONField(default=dict)
    ttfts = models.JSONField(default=dict)
    token_times = models.JSONField(default=dict, help_text="time per output token")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "period", "model_id", "token_id", "server_id", "start"], name="rollup_unique"
            ),
        ]
        indexes = [models.Index(fields=["scope", "period", "start"])]
