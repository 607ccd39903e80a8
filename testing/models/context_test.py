"""A search for the real context window of one model, and each of its probes."""

from __future__ import annotations

from django.db import models
from django.urls import reverse
from django.utils import timezone

from registry.models import Job, LanguageModel, Server


class Verdict(models.TextChoices):
    """What happened, in words a person understands; never one boolean."""

    VERIFIED = "verified", "verified"
    ANSWERS = "loads, answers", "loads, answers"
    FAILS_WHEN_FILLED = "loads but fails when filled", "loads but fails when filled"
    NO_RECALL = "reads but does not recall", "reads but does not recall"
    TRUNCATED = "silently truncated", "silently truncated"
    APPLIED_LESS = "server applied less", "server applied less"
    OUT_OF_MEMORY = "out of memory", "out of memory"
    TIMED_OUT = "timed out", "timed out"
    CRASHED = "crashed", "crashed"
    LOAD_FAILED = "does not load", "does not load"
    INTERRUPTED = "interrupted", "interrupted"


GOOD = (Verdict.VERIFIED, Verdict.ANSWERS, Verdict.NO_RECALL)


class Phase(models.TextChoices):
    """The five steps of a test, in order."""

    SMALL = "small", "Try small"
    ESTIMATE = "estimate", "Estimate"
    BRACKET = "bracket", "Close the bracket"
    FILL = "fill", "Fill the winner"
    PUT_BACK = "put_back", "Put back"


class ContextTest(models.Model):
    """What one search found; how it went is its Job, its evidence are its probes."""

    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="context_test")
    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="context_tests")
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="context_tests")
    created = models.DateTimeField(default=timezone.now)

    # what was asked
    threshold = models.BigIntegerField(null=True, blank=True, help_text="never load above this size")
    fixed_context = models.BigIntegerField(null=True, blank=True, help_text="try this one size only")
    force = models.BooleanField(default=False, help_text="also load above what the estimate says is safe")
    timeout_seconds = models.FloatField(default=1800.0, help_text="for one load or one answer")

    # what the server was like before
    found = models.JSONField(null=True, blank=True, help_text="instances that were loaded, with their settings")
    put_back = models.BooleanField(default=False)

    # how it goes
    phase = models.CharField(max_length=10, choices=Phase, default=Phase.SMALL)
    estimate = models.BigIntegerField(null=True, blank=True, help_text="tokens")
    estimate_source = models.CharField(max_length=200, blank=True, default="")
    calibration = models.JSONField(null=True, blank=True, help_text="tokens per record and of the frame")

    # what it found
    verdict = models.CharField(max_length=40, choices=Verdict, blank=True, default="")
    tested_context = models.BigIntegerField(null=True, blank=True)
    iterations = models.IntegerField(default=0, help_text="load requests, refused ones counted")
    duration = models.FloatField(null=True, blank=True, help_text="seconds")
    recall_found = models.IntegerField(null=True, blank=True)
    recall_asked = models.IntegerField(null=True, blank=True)
    ttft_seconds = models.FloatField(null=True, blank=True, help_text="of the fill")
    tokens_per_second = models.FloatField(null=True, blank=True, help_text="generation, at the fill")
    prefill_tokens_per_second = models.FloatField(null=True, blank=True)
    load_seconds = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"context test of {self.model.key}"

    def get_absolute_url(self) -> str:
        return reverse("context-test", args=[self.pk])

    @property
    def estimate_told(self) -> str:
        """The estimate with its source, given or worked out from probes; empty when there was none."""
        if self.estimate:
            return f"{self.estimate:,}" + (f", {self.estimate_source}" if self.estimate_source else "")
        guesses = [probe.requested for probe in self.probes.all() if probe.kind == "estimate"]
        return f"{guesses[-1]:,}, from what was refused and measured" if guesses else ""


class Probe(models.Model):
    """One size tried: a load, and a short answer or a full read."""

    test = models.ForeignKey(ContextTest, on_delete=models.CASCADE, related_name="probes")
    order = models.IntegerField()
    kind = models.CharField(max_length=20, help_text="why this size: try small, declared, double, bisect, fill ...")
    requested = models.BigIntegerField()
    applied = models.BigIntegerField(null=True, blank=True)
    verdict = models.CharField(max_length=40, choices=Verdict, blank=True, default="", help_text="empty: under way")
    message = models.TextField(blank=True, default="")
    loads = models.IntegerField(default=0, help_text="load requests of this probe")
    instance_id = models.CharField(max_length=600, blank=True, default="")
    needed_bytes = models.BigIntegerField(null=True, blank=True, help_text="as the refusal said")
    load_seconds = models.FloatField(null=True, blank=True)
    answer_seconds = models.FloatField(null=True, blank=True)
    sent_tokens = models.BigIntegerField(null=True, blank=True, help_text="as counted by us")
    input_tokens = models.BigIntegerField(null=True, blank=True, help_text="as the server counted")
    output_tokens = models.BigIntegerField(null=True, blank=True)
    ttft_seconds = models.FloatField(null=True, blank=True)
    tokens_per_second = models.FloatField(null=True, blank=True)
    recall_found = models.IntegerField(null=True, blank=True)
    recall_asked = models.IntegerField(null=True, blank=True)
    loaded_memory_bytes = models.BigIntegerField(null=True, blank=True, help_text="measured after the load")
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True, help_text="measured; null = not measurable")
    started = models.DateTimeField(default=timezone.now)
    ended = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["order"]
        constraints = [models.UniqueConstraint(fields=["test", "order"], name="probe_order_unique")]

    @property
    def good(self) -> bool:
        return self.verdict in GOOD
