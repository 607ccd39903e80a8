"""Profiles: made, changed, checked and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from registry import auditing, profiling
from registry.models import Profile, Registry
from tests.builders import make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]

GUIDE: dict[str, Any] = {
    "preferred_models": ["llama-3.2-3b-instruct", "phi-3-mini-4k-instruct"],
    "max_context": 1024,
    "temperature": 0.3,
    "description": "Fast responses for simple questions",
}


def save(name: str = "quick_answers", **fields: Any) -> Profile:
    return profiling.save_profile(Registry.objects.default(), name, **fields)


def test_a_profile_of_the_guide_is_kept_as_given() -> None:
    save(**GUIDE)
    profile = Profile.objects.get()
    assert {name: getattr(profile, name) for name in GUIDE} == GUIDE


def test_saving_again_changes_only_what_is_given_and_notes_it() -> None:
    save(**GUIDE)
    profile = save("Quick_Answers", temperature=1, min_tested_context=8192)
    assert (Profile.objects.count(), profile.name, profile.max_context) == (1, "quick_answers", 1024)
    assert auditing.of(profile)[0].changes == {"temperature": [0.3, 1.0], "min_tested_context": [None, 8192]}


def test_saving_the_same_is_no_change() -> None:
    save(**GUIDE)
    before = Registry.objects.default().version
    save(**GUIDE)
    assert Registry.objects.default().version == before


def test_a_profile_is_renamed_but_not_over_another() -> None:
    profile, _ = save(), save("other")
    save("fast", profile=profile)
    assert Profile.objects.get(pk=profile.pk).name == "fast"
    with pytest.raises(ValueError, match="There is a profile named other already"):
        save("Other", profile=profile)


def test_lists_are_tidied() -> None:
    make_server(name="mac")
    profile = save(needs=["vision", "tools", "vision"], tags=[" prod ", "PROD"], servers=["mac", "mac"])
    assert (profile.needs, profile.tags, profile.servers) == (["tools", "vision"], ["PROD"], ["mac"])


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"max_context": 0}, "max_context is a whole number of tokens from 1"),
        ({"max_context": "1k"}, "not '1k'"),
        ({"temperature": 2.5}, "temperature is a number from 0 to 2"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_memory_bytes": True}, "max_memory_bytes is a whole number of bytes"),
        ({"min_tokens_per_second": -1}, "min_tokens_per_second"),
        ({"needs": ["wings"]}, "needs: wings is none of tools, vision, reasoning"),
        ({"tags": ["a,b"]}, "no comma"),
        ({"servers": ["nowhere"]}, "servers: there is no server named nowhere; there is none yet"),
        ({"preferred_models": "one"}, "preferred_models is a list of names"),
        ({"preferred_models": ["m"] + [str(n) for n in range(200)]}, "at most 200"),
        ({"colour": "red"}, "A profile has no field colour; it has description"),
    ],
)
def test_a_value_that_cannot_be_is_named_and_nothing_written(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        save(**fields)
    assert not Profile.objects.exists()


def test_an_unknown_profile_is_told_with_those_there_are() -> None:
    save()
    with pytest.raises(ValueError, match="There is no profile named x; there is quick_answers"):
        profiling.profile_named(Registry.objects.default(), "x")


def test_a_deleted_profile_is_noted() -> None:
    profile = save()
    notes = auditing.of(profile)
    profiling.delete_profile(profile)
    assert ([note.action for note in notes], Profile.objects.count()) == (["delete", "add"], 0)
