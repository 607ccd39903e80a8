"""Holds a model against the requirements of a profile, in words with the numbers."""

from __future__ import annotations

from collections.abc import Iterator

from registry.models import LanguageModel, Profile
from registry.models.language_model import CheckStatus, ModelType
from registry.naming import same
from registry.sizes import plain


def verified(model: LanguageModel) -> int | None:
    """The context that its test verified for the file it has now; None when there is none."""
    return None if model.stale or model.test_status == CheckStatus.FAILED else model.tested_context


def memory(model: LanguageModel) -> int | None:
    """What it takes: the peak its test measured, else the size of its file."""
    return model.peak_memory_bytes or model.size_bytes


def failings(profile: Profile, model: LanguageModel, tags: set[str]) -> Iterator[tuple[str, str]]:
    """Everything that keeps a model from being taken: (kind, reason)."""
    yield from _absent(model)
    for need in profile.needs:
        yield from _unmet(model, need)
    yield from _too_little(profile, model)
    if missing := [name for name in profile.tags if same(name) not in tags]:
        yield "not tagged so", f"not tagged {', '.join(missing)}"
    if profile.servers and (model.server is None or model.server.name not in profile.servers):
        yield "on another server", f"on {model.server or 'no server'}, not on {' or '.join(profile.servers)}"


def _absent(model: LanguageModel) -> Iterator[tuple[str, str]]:
    server = model.server
    if server is None:
        yield "on no server", "on no server, so it cannot be loaded"
    elif model.missing:
        yield "no longer offered", f"no longer offered by {server}"
    elif not server.enabled:
        yield "its server is disabled", f"server {server} is disabled"
    elif server.reachable is False:
        yield "its server does not answer", f"server {server} does not answer"
    if model.type == ModelType.EMBEDDING:
        yield "an embedding model", "an embedding model: it answers no prompts"


def _unmet(model: LanguageModel, need: str) -> Iterator[tuple[str, str]]:
    has = {"tools": model.tool_use, "vision": model.vision, "reasoning": bool(model.reasoning_options)}[need]
    does = {"tools": "use tools", "vision": "take pictures", "reasoning": "reason before it answers"}[need]
    if has is None:
        yield f"no {need}", f"whether it can {does} is not told"
    elif not has:
        yield f"no {need}", "nothing is told of reasoning" if need == "reasoning" else f"it does not {does}"


def _too_little(profile: Profile, model: LanguageModel) -> Iterator[tuple[str, str]]:
    asked, found = profile.min_tested_context, verified(model)
    if asked and found is None:
        yield "not verified", unverified(model)
    elif asked and (found or 0) < asked:
        yield "window too small", f"tested {found:,} of {asked:,} asked for"
    speed, least = model.tokens_per_second, profile.min_tokens_per_second
    if least and not speed:
        yield "speed not measured", f"its speed was not measured; {least:,g} tokens/s are asked for"
    elif least and (speed or 0) < least:
        yield "too slow", f"{speed:,.1f} of {least:,g} tokens/s asked for"
    most, takes = profile.max_memory_bytes, memory(model)
    if most and takes is None:
        yield "memory not known", f"what it takes is not known; {plain(most)} are allowed"
    elif most and (takes or 0) > most:
        yield "too large", f"takes {plain(takes or 0)} of {plain(most)} allowed"


def unverified(model: LanguageModel) -> str:
    """Why no window of it is verified."""
    if model.stale:
        return "tested, but its file changed since"
    if model.test_status == CheckStatus.FAILED:
        return f"its test failed: {model.test_verdict or 'no window works'}"
    return "not tested: its window is not verified"


def asked_for(profile: Profile) -> str:
    """The requirements of a profile in one line; empty when it asks for nothing."""
    parts = [
        ", ".join(profile.needs),
        f"{profile.min_tested_context:,} tokens verified" if profile.min_tested_context else "",
        f"{profile.min_tokens_per_second:,g} tokens/s" if profile.min_tokens_per_second else "",
        f"at most {plain(profile.max_memory_bytes)}" if profile.max_memory_bytes else "",
        f"tagged {', '.join(profile.tags)}" if profile.tags else "",
        f"on {' or '.join(profile.servers)}" if profile.servers else "",
    ]
    return ", ".join(part for part in parts if part)
