"""A server reserved for one experiment: loads, answers, looks at memory; everything can be cancelled."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from registry import sealing
from registry.claims import Claim, JobFailed
from registry.lmstudio import errors
from registry.lmstudio.client import LMStudio
from registry.lmstudio.wire import ChatProgress, ChatResult, Listing, ReportedInstance
from registry.models import Server
from registry.waiting import wait_for
from testing.measuring import MemoryWatch

Answer = TypeVar("Answer")

BACK_SECONDS = 120.0  # how long a server that stopped answering is waited for


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
        return Loaded(result.instance_id, listed.context_length or result.applied_context, seconds)

    def _load(self, key: str, context_length: int | None, options: dict[str, Any]) -> Any:
        return self.ask(lambda studio: studio.load(key, context_length, timeout=self.timeout, **options))

    def unload(self, *instance_ids: str) -> None:
        """Unloads instances; one that is gone already is fine."""
        for instance_id in instance_ids:
            try:
                self.ask(lambda studio, instance_id=instance_id: studio.unload(instance_id))  # type: ignore[misc]
            except errors.ModelNotFound:
                continue

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
