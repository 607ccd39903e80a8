"""One load, step by step, for who holds the load lock of its server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry import asking, auditing, drifting, ledger, states
from registry.host_memory import resident_bytes, serving_process
from registry.lmstudio import errors
from registry.lmstudio.wire import ReportedInstance
from registry.load_lock import Lock
from registry.load_options import NAMES
from registry.models import Instance, LanguageModel
from registry.models.instance import LoadedBy
from registry.models.language_model import State
from registry.models.state_change import Cause
from registry.unloading import PATIENCE, InUse, Look, offered, take_out

LOAD_SECONDS = 3600.0  # LM Studio has been seen to hang for as long

Wish = Mapping[str, Any]  # context_length and load options, as they are sent


@dataclass
class Load:
    """What is loaded (`name`: what the server calls it), for whom, and what had to go for it."""

    model: LanguageModel
    name: str
    asked: Wish
    by: LoadedBy
    cause: Cause
    reason: str
    lock: Lock
    before: list[Instance] = field(default_factory=list)

    def make_room(self, copies: list[Instance]) -> None:
        """Unloads the copies that do not serve: a load beside them would make a second one."""
        for copy in copies:
            if self.cause != Cause.US and copy.loaded_by == LoadedBy.OTHERS:
                size = f"{copy.context_length:,}" if copy.context_length else "an unknown number of"
                raise InUse(
                    f"{copy} on {copy.server} was loaded by somebody else, with {size} tokens, which does not serve "
                    "here; a person may load it again with more."
                )
        for copy in copies:
            take_out(copy, cause=self.cause, reason="to be loaded with other settings", patience=PATIENCE)
            self.before.append(copy)

    def do(self, look: Look, progress: Look) -> Instance:
        """Loads and reads back what is in force; what was unloaded for it comes back when it fails."""
        states.change(self.model, State.LOADING, cause=self.cause, reason=self.reason)
        process = serving_process(self.lock.server.base_url)
        idle = resident_bytes(process)

        def look_on() -> None:
            self.lock.check()
            for each in (look, progress):
                if each:
                    each()

        try:
            look_on()  # who looks on knows of the load before it is sent
            copy = self._load(self.asked, look_on)
        except (errors.LMStudioError, ValueError) as error:
            states.change(self.model, State.ERROR, cause=self.cause, reason=str(error))
            if self._restore() and isinstance(error, errors.LMStudioError):
                error.remedy += "; it is loaded again as it was before"
            raise
        except BaseException:
            states.change(self.model, State.UNLOADED, cause=self.cause, reason="the load was cancelled")
            raise
        taken = _above(idle, resident_bytes(process))
        instance = ledger.seen(self.model, copy, loaded_by=self.by, asked=dict(self.asked), memory_bytes=taken)
        self._note(instance)
        return instance

    def _note(self, instance: Instance) -> None:
        size, why = instance.context_length, instance.drift or self.reason
        states.change(self.model, State.LOADED, cause=self.cause, reason=why, context=size)
        if self.cause == Cause.US:
            with_size = f" with {size:,} tokens" if size else ""
            auditing.note("load", self.model, summary=f"on {self.lock.server}{with_size}")

    def _load(self, asked: Wish, look: Look) -> ReportedInstance:
        """Loads and finds the copy in the list, which is the truth; a lost answer is no lost load."""
        applied = None
        try:
            result = asking.ask(
                self.lock.server, lambda studio: studio.load(self.name, timeout=LOAD_SECONDS, **asked), look
            )
            instance_id, applied = result.instance_id, result.applied_context
        except errors.Unreachable:
            if not (copies := self._copies()):
                raise
            instance_id = copies[-1].id
        copies = self._copies()
        mine = next((copy for copy in copies if copy.id == instance_id), None)
        if mine is None:
            raise errors.LoadFailed(self.lock.server.base_url, f'loaded "{self.model.key}" and lost it at once')
        if mine.context_length is None and applied is not None:
            mine = ReportedInstance(mine.id, applied)
        return self._alone(mine, [copy for copy in copies if copy.id != instance_id], asked)

    def _alone(self, mine: ReportedInstance, others: list[ReportedInstance], asked: Wish) -> ReportedInstance:
        """The one copy to keep, where somebody loaded another one past LMStrix meanwhile."""
        wanted = asked.get("context_length")
        good = next((copy for copy in others if drifting.fits(wanted, copy.context_length)), None)
        if good is None:
            return mine
        asking.ask(self.lock.server, lambda studio: studio.unload(mine.id))
        return good

    def _copies(self) -> tuple[ReportedInstance, ...]:
        offer = offered(self.model, asking.listing(self.lock.server))
        return offer.instances if offer else ()

    def _restore(self) -> bool:
        """Loads again what had to go for a load that failed; where that fails too, the error state stays."""
        if not self.before:
            return False
        instance = self.before[0]
        try:
            copy = self._load(_how(instance), self.lock.check)
        except (errors.LMStudioError, ValueError):
            return False
        facts = {name: getattr(instance, name) for name in ("loaded_by", "asked", "memory_bytes")}
        size = ledger.seen(self.model, copy, **facts).context_length
        states.change(self.model, State.LOADED, cause=self.cause, reason="loaded as it was before", context=size)
        return True


def _how(copy: Instance) -> dict[str, Any]:
    """What to ask for to get a copy like this one."""
    wish = {name: copy.options[name] for name in NAMES if copy.options.get(name) is not None}
    return wish | ({"context_length": copy.context_length} if copy.context_length else {})


def _above(before: int | None, after: int | None) -> int | None:
    return after - before if before is not None and after is not None and after > before else None
