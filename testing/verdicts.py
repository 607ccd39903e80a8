"""What an error of the server says about the size that was tried; pure."""

from registry.lmstudio import errors
from registry.lmstudio.wire import ChatResult
from testing.filler import Fact, recalled
from testing.models.context_test import Verdict

COUNT_TOLERANCE = 0.01  # reported input tokens against those sent
COUNT_SLACK = 8  # tokens


NO_EVIDENCE = (errors.Unauthorized, errors.ForbiddenAddress, errors.Unsupported)  # they say nothing about a size


def of_load(error: errors.LMStudioError) -> Verdict:
    """The verdict on a load that raised `error`; raises it again when it says nothing about the size."""
    match error:
        case errors.OutOfMemory():
            return Verdict.OUT_OF_MEMORY
        case errors.TimedOut():
            return Verdict.TIMED_OUT
        case errors.Unreachable():
            return Verdict.INTERRUPTED
        case errors.ModelNotFound() | errors.BadReply():
            raise error
        case _ if isinstance(error, NO_EVIDENCE):
            raise error
        case _:
            return Verdict.LOAD_FAILED


def of_answer(error: errors.LMStudioError, still_loaded: bool) -> Verdict:
    """The verdict on an answer that raised `error`; an instance that vanished has crashed."""
    match error:
        case errors.TimedOut():
            return Verdict.TIMED_OUT
        case errors.Unreachable():
            return Verdict.INTERRUPTED
        case _ if isinstance(error, NO_EVIDENCE):
            raise error
        case _ if not still_loaded:
            return Verdict.CRASHED
        case _:
            return Verdict.FAILS_WHEN_FILLED


def of_fill(answer: ChatResult, sent_tokens: int, facts: list[Fact]) -> tuple[Verdict, str]:
    """The verdict on a full read, and why.

    Verified: every token sent was counted by the server (within 1 %) and something came back. Whether the planted
    facts came back is a mark of quality, not a condition: tiny models read everything and recall little.
    """
    if answer.input_tokens is None:
        return Verdict.TRUNCATED, "the server does not say how many tokens it read"
    if abs(answer.input_tokens - sent_tokens) > max(COUNT_SLACK, COUNT_TOLERANCE * sent_tokens):
        return Verdict.TRUNCATED, f"{sent_tokens:,} tokens sent, {answer.input_tokens:,} read"
    if not (answer.text or answer.reasoning_text).strip():
        return Verdict.FAILS_WHEN_FILLED, f"read {answer.input_tokens:,} tokens, but the answer is empty"
    found = recalled(answer.text + " " + answer.reasoning_text, facts)
    message = f"read {answer.input_tokens:,} tokens, recalled {found} of {len(facts)} facts"
    return (Verdict.VERIFIED if found else Verdict.NO_RECALL), message
