"""What can go wrong between LMStrix and an LM Studio server: one family of errors, each a clear sentence."""

from __future__ import annotations


class LMStudioError(Exception):
    """Something about a server went wrong; `str()` names the server, what happened and what to try.

    `server` is the base URL, `detail` a predicate ("does not answer"), `remedy` an imperative ("check the address").
    The plain class is raised for an error that the server reports and that fits none of the subclasses.
    """

    remedy = "look at the server's own log for the cause"

    def __init__(self, server: str, detail: str, remedy: str = "") -> None:
        super().__init__(server, detail, remedy)
        self.server = server
        self.detail = detail
        self.remedy = remedy or type(self).remedy

    def __str__(self) -> str:
        return f"LM Studio at {self.server} {self.detail.rstrip(' .')}; {self.remedy}."


class Unreachable(LMStudioError):
    """No connection, or the connection was lost before the answer was complete."""

    remedy = "check that LM Studio's server is started and that the address is right"


class TimedOut(Unreachable):
    """The server took longer than the deadline of the call."""

    remedy = "try again when the server is less busy, or allow more time"


class Unauthorized(LMStudioError):
    """The token is missing, wrong, or lacks the permission."""

    remedy = "enter an API token of that server that has the permission"


class ModelNotFound(LMStudioError):
    """The server has no such model, or no such loaded instance."""

    remedy = "scan the server again to see what it has now"


class OutOfMemory(LMStudioError):
    """The server has too little memory for what was asked; `needed_bytes` is its own figure, None if it gave none."""

    remedy = "use a smaller context or unload other models"

    def __init__(self, server: str, detail: str, remedy: str = "", needed_bytes: int | None = None) -> None:
        super().__init__(server, detail, remedy)
        self.needed_bytes = needed_bytes

    def __str__(self) -> str:
        """Without the remedy that the server names in its own words."""
        if "smaller context" not in self.detail:
            return super().__str__()
        more = self.remedy.removeprefix(OutOfMemory.remedy).removeprefix("; ")
        told = f"LM Studio at {self.server} {self.detail.rstrip(' .')}"
        return f"{told}; {more}." if more else f"{told}."


class LoadFailed(LMStudioError):
    """The server could not load the model and did not blame memory."""

    remedy = "try a smaller context, or load the model in LM Studio to see its own message"


class ContextTooLong(LMStudioError):
    """The prompt does not fit into the loaded context."""

    remedy = "load the model with a larger context or send a shorter prompt"


class BadReply(LMStudioError):
    """The answer is not what LM Studio's API promises: wrong shape, not JSON, too large, a redirect."""

    remedy = "check that the address is an LM Studio server and that its version is supported"


class ForbiddenAddress(LMStudioError):
    """The address leads somewhere LMStrix never connects to (link-local, metadata service, multicast, ...)."""

    remedy = "use the address of the machine that runs LM Studio"


class Unsupported(LMStudioError):
    """The server does not know this call, or not this option of it."""

    remedy = "check that this is an LM Studio server, and update it to 0.4.0 or later"
