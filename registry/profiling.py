"""Writes profiles: which models somebody prefers for a purpose, and what any other has to fulfil."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from registry import announcing, auditing
from registry.holding import holding
from registry.models import Profile, Registry, Server
from registry.naming import checked, checked_tag, same, tidy

NEEDS = ("tools", "vision", "reasoning")
MOST_TOKENS = 2**31 - 1
MOST_BYTES = 2**60
MOST_PREFERRED = 200
LONGEST_ID = 1200  # server/key@variant


def profile_named(registry: Registry, name: str) -> Profile:
    """The profile of this name, whatever its capitals; ValueError that names those there are."""
    found = _same(registry, name)
    if found is None:
        names = registry.profiles.values_list("name", flat=True)[:20]
        known = f"there is {', '.join(names)}" if names else "there is none yet"
        raise ValueError(f"There is no profile named {name}; {known}.")
    return found


def save_profile(registry: Registry, name: str, *, profile: Profile | None = None, **fields: Any) -> Profile:
    """Makes the profile of this name, or changes the given fields of the one that is there.

    With `profile` that one is changed and gets the name. Sizes are bytes and tokens; None takes a limit away.
    ValueError says which value cannot be.
    """
    wanted = {"name": checked("profile", name)} | _checked(fields)
    with holding(registry) as registry:
        if profile is not None:
            refuse_taken(registry, wanted["name"], profile)
            profile.refresh_from_db()
        elif (profile := _same(registry, wanted["name"])) is not None:
            wanted["name"] = profile.name
        _refuse_unknown(wanted.get("servers", []), profile.servers if profile else [])
        if profile is None:
            profile = Profile.objects.create(registry=registry, **wanted)
            _noted(profile, "add")
            return profile
        changes = {field: (getattr(profile, field), value) for field, value in wanted.items()}
        changes = {field: pair for field, pair in changes.items() if pair[0] != pair[1]}
        if changes:
            for field, (_, value) in changes.items():
                setattr(profile, field, value)
            profile.updated = timezone.now()
            profile.save(update_fields=[*changes, "updated"])
            _noted(profile, "edit", changes)
    return profile


def refuse_taken(registry: Registry, name: str, own: Profile | None = None) -> None:
    """ValueError when a profile other than `own` has the name."""
    there = _same(registry, name)
    if there is not None and (own is None or there.pk != own.pk):
        raise ValueError(f"There is a profile named {there} already.")


def _same(registry: Registry, name: str) -> Profile | None:
    """The profile of this name, whatever its capitals."""
    wanted = same(tidy(name))
    exact = sorted(registry.profiles.all(), key=lambda each: each.name != name)
    return next((each for each in exact if same(each.name) == wanted), None)


def delete_profile(profile: Profile) -> None:
    """Deletes the profile; its models stay."""
    with holding(profile.registry):
        _noted(profile, "delete")
        profile.delete()


def _noted(profile: Profile, action: str, changes: Mapping[str, tuple[Any, Any]] | None = None) -> None:
    profile.registry.touch()
    auditing.note(action, profile, changes=changes)
    announcing.announce("profile", profile.pk)


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [name for name in fields if name not in CHECKS]
    if unknown:
        raise ValueError(f"A profile has no field {unknown[0]}; it has {', '.join(CHECKS)}.")
    return {name: CHECKS[name](value) for name, value in fields.items()}


def _text(value: Any) -> str:
    return str(value or "").strip()


def _listed(label: str, value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable | None):
        raise ValueError(f"{label} is a list of names, not {value!r}.")
    names = [tidy(str(name)) for name in value or ()]
    return list(dict.fromkeys(name for name in names if name))


def _preferred(value: Any) -> list[str]:
    ids = _listed("preferred_models", value)
    if len(ids) > MOST_PREFERRED or any(len(each) > LONGEST_ID for each in ids):
        raise ValueError(f"preferred_models holds at most {MOST_PREFERRED} ids of {LONGEST_ID:,} characters.")
    return ids


def _needs(value: Any) -> list[str]:
    asked = _listed("needs", value)
    if wrong := next((each for each in asked if each not in NEEDS), None):
        raise ValueError(f"needs: {wrong} is none of {', '.join(NEEDS)}.")
    return [each for each in NEEDS if each in asked]


def _tags(value: Any) -> list[str]:
    return list({same(name): name for name in map(checked_tag, _listed("tags", value))}.values())


def _refuse_unknown(servers: list[str], kept: Sequence[str]) -> None:
    """ValueError for a server that is not there, unless the profile has named it since it was."""
    known = {*kept, *Server.objects.filter(name__in=servers).values_list("name", flat=True)}
    if unknown := next((name for name in servers if name not in known), None):
        there = ", ".join(Server.objects.values_list("name", flat=True)[:20]) or "none yet"
        raise ValueError(f"servers: there is no server named {unknown}; there is {there}.")


def _whole(label: str, unit: str, most: int) -> Callable[[Any], int | None]:
    def check(value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError(f"{label} is a whole number of {unit} from 1 to {most:,}, not {value!r}.")
        return value

    return check


def _number(label: str, least: float, most: float) -> Callable[[Any], float | None]:
    def check(value: Any) -> float | None:
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not least <= value <= most:
            raise ValueError(f"{label} is a number from {least:g} to {most:,g}, not {value!r}.")
        return float(value)

    return check


CHECKS: dict[str, Callable[[Any], Any]] = {
    "description": _text,
    "preferred_models": _preferred,
    "max_context": _whole("max_context", "tokens", MOST_TOKENS),
    "temperature": _number("temperature", 0, 2),
    "needs": _needs,
    "min_tested_context": _whole("min_tested_context", "tokens", MOST_TOKENS),
    "min_tokens_per_second": _number("min_tokens_per_second", 0, 1_000_000),
    "max_memory_bytes": _whole("max_memory_bytes", "bytes", MOST_BYTES),
    "tags": _tags,
    "servers": partial(_listed, "servers"),
}
