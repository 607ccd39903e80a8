"""A server reserved for one experiment: loads, answers, looks at memory; everything can be cancelled."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from registry import sealing
from registry.claims import Cancelled, Claim, JobFailed
from registry.lmstudio import errors
from registry.lmstudio.client import LMStudio
from registry.lmstudio.wire import ChatProgress, ChatResult, Listing, LoadResult, ReportedInstance
from registry.load_lock import LoadBusy, loading_on
from registry.models import Server
from registry.models.instance import LoadedBy
from registry.waiting import wait_for
from testing.measuring import MemoryWatch
from testing.noting import Notebook

Answer = TypeVar("Answer")

BACK_SECONDS = 120.0  # how long a server that stopped answering is waited for
PUT_BACK = "put back after the test"


@dataclass(frozen=True)
class Loaded:
    """An instance that was loaded: what the server really applied, in tokens, and how long it took."""

    instance_id: str
    applied: int | None
    seconds: float


class Experiment:
    """One server, held under a job's claim."""

    def __init__(self, held: Claim, server: Server, timeout: float) -> None:
        self.held, self.server, self.timeout = held, server, timeout
        self.notes = Notebook(server)
        self.watch: MemoryWatch | None = None
        self.refusals_voided = 0
        try:
            self._token = server.token or None
        except sealing.Unreadable as error:
            raise JobFailed(f"{server.name}: {error}") from error

    def ask(self, action: Callable[[LMStudio], Awaitable[Answer]], look: Callable[[], None] | None = None) -> Answer:
        """What `action` gets from the server; raises LMStudioError, or Cancelled and LeaseLost of the job."""

        async def call() -> Answer:
            async with LMStudio(self.server.base_url, self._token, idle_timeout=self.timeout) as studio:
                return await action(studio)

        def look_around() -> None:
            self.held.check()
            if self.watch:
                self.watch.look()
            if look:
                look()

        return wait_for(call, look_around)

    def listing(self) -> Listing:
        return self.ask(lambda studio: studio.list_models())

    def instances(self, key: str) -> tuple[ReportedInstance, ...]:
        """The loaded copies of the model `key`."""
        return tuple(i for model in self.listing().models if model.key == key for i in model.instances)

    def load(self, key: str, context_length: int | None, **options: Any) -> Loaded:
        """Loads and reads back what was applied: the context asked for is not a promise.

        A refusal while another copy of the same model is in memory (a load that went on after its worker died)
        says nothing about the size: the copy is unloaded and the load repeated.
        """
        began = monotonic()
        try:
            result = self._load(key, context_length, options)
        except errors.OutOfMemory:
            strays = self.instances(key)
            if not strays:
                raise
            self.unload(*(stray.id for stray in strays))
            self.refusals_voided += 1
            result = self._load(key, context_length, options)
        seconds = monotonic() - began
        copies = {copy.id: copy for copy in self.instances(key)}
        self.unload(*(other for other in copies if other != result.instance_id))
        listed = copies.get(result.instance_id)
        if listed is None:
            raise errors.LoadFailed(self.server.base_url, f'"{key}" was loaded and vanished at once')
        self.notes.loaded(key, listed, {"asked": {"context_length": context_length, **options}})
        return Loaded(result.instance_id, listed.context_length or result.applied_context, seconds)

    def _load(self, key: str, context_length: int | None, options: dict[str, Any], why: str = "") -> LoadResult:
        """The load itself, noted in the log; after it the caller tells `notes` what is in force."""
        try:
            with self.alone(f"loading {key}"):
                self.notes.loading(key, context_length, why)
                return self.ask(lambda studio: studio.load(key, context_length, timeout=self.timeout, **options))
        except Cancelled:
            self.notes.refused(key, "it was cancelled")
            raise
        except errors.LMStudioError as error:
            if not isinstance(error, errors.Unreachable):  # then nobody knows what became of it
                self.notes.refused(key, error.detail)
            raise

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """While nobody else loads there; who began before this experiment had the server is waited for."""
        what = f"{what} for {self.held.job.get_kind_display()} {self.held.job.pk}"
        try:
            with loading_on(self.server, what, wait_seconds=self.timeout, look=self.held.check):
                yield
        except LoadBusy as busy:
            raise JobFailed(str(busy)) from busy

    def load_as_before(self, key: str, context_length: int | None, known: dict[str, Any], **options: Any) -> None:
        """Loads what was set aside; `known` is what the ledger knew of it. Other copies of the model stay."""
        result = self._load(key, context_length, options, PUT_BACK)
        if listed := next((copy for copy in self.instances(key) if copy.id == result.instance_id), None):
            self.notes.loaded(key, listed, {"loaded_by": LoadedBy.OTHERS} | known, PUT_BACK)

    def unload(self, *instance_ids: str) -> None:
        """Unloads instances; one that is gone already is fine."""
        for instance_id in instance_ids:
            self.notes.unloading(instance_id)
            with suppress(errors.ModelNotFound):
                self.ask(lambda studio, instance_id=instance_id: studio.unload(instance_id))  # type: ignore[misc]
            self.notes.unloaded(instance_id)

    def chat(
        self, instance_id: str, text: str, max_output_tokens: int, reasoning: str | None,
        on_progress: Callable[[ChatProgress], None] | None = None,
    ) -> ChatResult:  # fmt: skip
        """One answer at temperature 0."""
        latest: list[ChatProgress] = []

        def look() -> None:
            if latest and on_progress:
                on_progress(latest[-1])

        return self.ask(
            lambda studio: studio.chat(
                instance_id, text, max_output_tokens=max_output_tokens, reasoning=reasoning,
                on_progress=lambda progress: latest.__setitem__(slice(None), [progress]), timeout=self.timeout,
            ),
            look,
        )  # fmt: skip

    def answers(self) -> bool:
        """Whether the server answers at all now."""
        try:
            self.listing()
        except errors.Unauthorized:
            raise
        except errors.LMStudioError:
            return False
        return True

    def patiently(self, action: Callable[[], Answer], seconds: float = BACK_SECONDS) -> Answer:
        """`action`, once more when the server stopped answering in the middle of it and came back in time."""
        try:
            return action()
        except errors.Unreachable:
            self.wait_until_back(seconds)
            return action()

    def wait_until_back(self, seconds: float = BACK_SECONDS) -> None:
        """Waits for a server that stopped answering; JobFailed when it does not come back."""
        until = monotonic() + seconds
        while not self.answers():
            self.held.say(message=f"{self.server.name} stopped answering; waiting for it")
            if monotonic() > until:
                raise JobFailed(
                    f"{self.server.name} stopped answering and did not come back within {seconds:.0f} s; "
                    "start it and retry, what was found so far counts."
                )
            self.held.pause(1.0)
