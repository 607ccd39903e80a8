"""One probe on one server: load at a size, read back what was applied, answer shortly or read a full window."""

import random
from time import monotonic
from typing import Any

from django.utils import timezone

from registry.lmstudio import errors
from registry.lmstudio.wire import ChatProgress
from testing import filler, verdicts
from testing.experiment import Experiment
from testing.measuring import MemoryWatch
from testing.models import ContextTest, Probe
from testing.models.context_test import Verdict
from testing.search import Why

SHORT_ANSWER, LONG_ANSWER = 8, 48  # output tokens
RELOADED = "the instance had vanished and was loaded anew, at a size that nobody asked for"
RECORDS = ((1024, 4, 24), (512, 2, 8), (0, 1, 4))  # from which size on which two texts calibrate


class Prober:
    """Tries sizes of one model; keeps what is loaded between probes."""

    def __init__(self, experiment: Experiment, test: ContextTest) -> None:
        self.experiment, self.test, self.held = experiment, test, experiment.held
        self.key = test.model.key
        # an answer must not be eaten up by thinking, where the model lets us switch that off
        self.reasoning = "off" if "off" in test.model.reasoning_options else None
        self.loaded: tuple[str, int, int | None] | None = None  # instance id, size asked for, size applied

    def probe(self, size: int, why: Why) -> Probe:
        """Tries `size`; a server that stopped answering is waited for and the size repeated once."""
        row = self._one(size, why)
        if row.verdict == Verdict.INTERRUPTED:
            self.loaded = None
            self.experiment.wait_until_back()
            row = self._one(size, why)
        return row

    def _one(self, size: int, why: Why) -> Probe:
        row = self._begin(size, why)
        try:
            self._load(row)
            if row.verdict == "":
                self._fill(row) if why in (Why.FILL, Why.STEP_DOWN) else self._answer(row)
        except _Stopped:
            pass
        except errors.LMStudioError:  # it says nothing about the size, so there was no probe
            row.delete()
            raise
        self._end(row)
        return row

    def _begin(self, size: int, why: Why) -> Probe:
        order = (self.test.probes.order_by("-order").values_list("order", flat=True).first() or 0) + 1
        with self.held.fence():
            return Probe.objects.create(test=self.test, order=order, kind=why.value, requested=size)

    def _end(self, row: Probe) -> None:
        if row.verdict == Verdict.INTERRUPTED:
            before = self.test.probes.filter(requested=row.requested, verdict=Verdict.INTERRUPTED).exists()
            row.verdict = Verdict.CRASHED if before else row.verdict
        row.peak_memory_bytes = self.experiment.watch.peak_bytes if self.experiment.watch else None
        self.experiment.watch = None
        row.ended = timezone.now()
        with self.held.fence(finished=row.verdict != Verdict.INTERRUPTED):
            row.save()

    def _load(self, row: Probe) -> None:
        if self.loaded and self.loaded[1] == row.requested:
            row.instance_id, row.applied = self.loaded[0], self.loaded[2]
            self._note_load(row)
            return
        self.unload()
        self.experiment.watch = MemoryWatch(self.experiment.server.base_url)
        self.held.say(message=f"loading {self.key} at {row.requested:,} tokens")
        self.experiment.refusals_voided = 0
        began = monotonic()
        try:
            loaded = self.experiment.load(self.key, row.requested)
        except errors.LMStudioError as error:
            row.load_seconds = monotonic() - began
            row.needed_bytes = error.needed_bytes if isinstance(error, errors.OutOfMemory) else None
            row.verdict, row.message = verdicts.of_load(error), _told(error)
        else:
            self.loaded = (loaded.instance_id, row.requested, loaded.applied)
            row.loaded_memory_bytes = self.experiment.watch.look()
            row.instance_id, row.applied, row.load_seconds = loaded.instance_id, loaded.applied, loaded.seconds
            if loaded.applied is not None and loaded.applied < row.requested:
                row.verdict = Verdict.APPLIED_LESS
                row.message = f"asked for {row.requested:,}, the server applied {loaded.applied:,} without a word"
        row.loads = 1 + self.experiment.refusals_voided
        if row.verdict == "":
            self._note_load(row)

    def _note_load(self, row: Probe) -> None:
        """The load is seen before its answer comes, and known not to be under way any more."""
        with self.held.fence():
            row.save()

    def _answer(self, row: Probe) -> None:
        began = monotonic()
        calibrating = self.test.calibration is None
        few, many = next((few, many) for size, few, many in RECORDS if row.requested >= size)
        lengths = (few, many) if calibrating else (few,)
        answers = [self._chat(row, filler.text(records, _facts()), SHORT_ANSWER) for records in lengths]
        row.answer_seconds = monotonic() - began
        row.input_tokens, row.output_tokens = answers[-1].input_tokens, answers[-1].output_tokens
        if answers[-1].load_seconds:
            row.verdict, row.message = Verdict.CRASHED, RELOADED
            return
        if not any((answer.text or answer.reasoning_text).strip() for answer in answers):
            row.verdict, row.message = Verdict.FAILS_WHEN_FILLED, "it loads, but the answer is empty"
            return
        row.verdict = Verdict.ANSWERS
        if calibrating and all(answer.input_tokens for answer in answers):
            counts = [answer.input_tokens or 0 for answer in answers]
            self._calibrate(filler.calibrate(few, counts[0], many, counts[1]))
            row.message = f"{len(filler.text(many, _facts())) / counts[1]:.2f} characters a token"

    def _calibrate(self, counted: filler.Calibration | None) -> None:
        if counted:
            self.test.calibration = {"per_record": counted.per_record, "frame": counted.frame}
            with self.held.fence():
                self.test.save(update_fields=["calibration"])

    def _fill(self, row: Probe) -> None:
        counted = filler.Calibration(**(self.test.calibration or {"per_record": 24.0, "frame": 60.0}))
        records = counted.records_for(filler.target(row.requested))
        facts, began = _facts(), monotonic()
        row.sent_tokens = counted.tokens_of(records)
        self.held.say(message=f"filling {row.requested:,} with {row.sent_tokens:,} tokens")
        answer = self._chat(row, filler.text(records, facts), LONG_ANSWER, self._show_fill)
        row.answer_seconds = monotonic() - began
        row.input_tokens, row.output_tokens = answer.input_tokens, answer.output_tokens
        row.ttft_seconds, row.tokens_per_second = answer.ttft_seconds, answer.tokens_per_second
        if answer.load_seconds or self._replaced(row):
            row.verdict, row.message = Verdict.CRASHED, RELOADED
            return
        row.verdict, row.message = verdicts.of_fill(answer, row.sent_tokens, facts)
        row.recall_asked = len(facts)
        row.recall_found = filler.recalled(answer.text + " " + answer.reasoning_text, facts)

    def _replaced(self, row: Probe) -> bool:
        """Whether what answered is not the instance that was loaded: it is gone, or has another size."""
        try:
            sizes = {copy.id: copy.context_length for copy in self.experiment.instances(self.key)}
        except errors.Unreachable as error:
            row.verdict, row.message = Verdict.INTERRUPTED, _told(error)
            raise _Stopped from error
        size = sizes.get(row.instance_id)
        return row.instance_id not in sizes or (size is not None and row.applied is not None and size != row.applied)

    def _show_fill(self, progress: ChatProgress) -> None:
        if progress.fraction is not None:
            message = f"reading the window, {progress.fraction:.0%}" if progress.fraction < 1 else "answering"
            self.held.say(0.5 + 0.45 * progress.fraction, message, often=True)

    def _chat(self, row: Probe, text: str, tokens: int, on_progress: Any = None) -> Any:
        began = monotonic()
        try:
            return self.experiment.chat(row.instance_id, text, tokens, self.reasoning, on_progress)
        except errors.LMStudioError as error:
            row.answer_seconds = monotonic() - began
            row.verdict = verdicts.of_answer(error, self._still_loaded(row.instance_id))
            row.message = _told(error)
            raise _Stopped from error

    def _still_loaded(self, instance_id: str) -> bool:
        try:
            here = any(copy.id == instance_id for copy in self.experiment.instances(self.key))
        except errors.LMStudioError:
            here = False
        if not here:
            self.loaded = None
        return here

    def unload(self) -> None:
        """Takes the model out of memory, if this prober loaded it."""
        if self.loaded:
            instance_id = self.loaded[0]
            self.held.say(message=f"unloading {self.key}")
            self.experiment.patiently(lambda: self.experiment.unload(instance_id))
            self.loaded = None


class _Stopped(Exception):
    """The probe has its verdict; nothing more is to be asked."""


def _facts() -> list[filler.Fact]:
    return filler.draw_facts(random.Random())  # noqa: S311  (not a secret)


def _told(error: errors.LMStudioError) -> str:
    """What the server said, short enough for a log line."""
    return error.detail[:2000]
