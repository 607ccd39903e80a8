"""Automatic tags: labels that follow from a model's own facts, each by a written rule and with its reason; pure.

architecture  llama, mistral, phi, codellama ...: the family of the architecture that is told (one that is in no family
              tags itself); none told: the family that the name says. codellama, mistral, mixtral and codegemma also
              where only the name says so and they are built on what is told.
size          by parameters: small below 4B, medium below 15B, large below 40B, xl from there on; unknown: no tag.
type          chat, code, completion or embedding by the type of the model (one with vision chats);
              instruct where that word is in its key or name.
capability    vision, tools, reasoning as told; multilingual, creative, reasoning by words in key, name or description.
performance   tokens/s that its context test measured: fast from 50 on, balanced from 15 on, thorough below; none
              without a measurement, or when that was of an earlier file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

LONGEST = 100  # characters of a tag
LONGEST_REASON = 300

# what an architecture that is told begins with, or what stands as a word in a name -> the family; first match
FAMILIES = (
    ("code-?llama", "codellama"), ("tinyllama|llama", "llama"), ("mixtral", "mixtral"),
    ("mistral|ministral|magistral|devstral|codestral", "mistral"), ("phi", "phi"), ("qwen|qwq", "qwen"),
    ("codegemma", "codegemma"), ("gemma", "gemma"), ("deepseek", "deepseek"), ("granite", "granite"),
    ("starcoder", "starcoder"), ("command-?r|cohere", "command"), ("gpt[-_]?oss", "gpt-oss"), ("smollm", "smollm"),
    ("falcon", "falcon"), ("chatglm|glm", "glm"), ("nomic-bert|bert", "bert"), ("olmo", "olmo"), ("mamba", "mamba"),
)  # fmt: skip
BEGINS = tuple((re.compile(words), family) for words, family in FAMILIES)
NAMED = tuple((re.compile(rf"(?<![a-z])(?:{words})(?![a-z])"), family) for words, family in FAMILIES)
# files of these tell the architecture that they are built on
BUILT_ON = {"codellama": {"llama"}, "mistral": {"llama"}, "mixtral": {"llama", "mistral"}, "codegemma": {"gemma"}}

BILLION = 10**9
SIZES = ((4 * BILLION, "small"), (15 * BILLION, "medium"), (40 * BILLION, "large"))
SPEEDS = ((50.0, "fast"), (15.0, "balanced"))  # tokens/s, at least

INSTRUCT = re.compile(r"(?<![a-z])instruct(?![a-z])")
TYPES = {
    "chat": ("chat", "It answers chats"),
    "vision": ("chat", "It answers chats, also about pictures"),
    "code": ("code", "It writes code"),
    "completion": ("completion", "It continues a text"),
    "embedding": ("embedding", "It turns texts into vectors"),
}
WORDS = {
    "reasoning": re.compile(r"(?<![a-z])(reasoning|reasoner|thinking|qwq|r1)(?![a-z0-9])"),
    "multilingual": re.compile(r"(?<![a-z])(multi-?lingual|polyglot)(?![a-z])"),
    "creative": re.compile(r"(?<![a-z])(creative|creativity|storytelling|storywriter|role-?play)(?![a-z])"),
}
ANY_WORD = re.compile("|".join(pattern.pattern for pattern in WORDS.values()))


@dataclass(frozen=True)
class Facts:
    """The facts that automatic tags follow from; "", None and () mean unknown."""

    key: str = ""
    name: str = ""
    description: str = ""
    type: str = ""
    type_derived: bool = False
    architecture: str = ""
    parameters: str = ""
    parameters_derived: bool = False
    parameter_count: int | None = None
    vision: bool | None = None
    tool_use: bool | None = None
    reasoning_options: tuple[str, ...] = ()
    tokens_per_second: float | None = None
    stale: bool = False


class AutoTag(NamedTuple):
    """A tag with the sentence that says why."""

    name: str
    family: str
    reason: str


def derive(facts: Facts) -> list[AutoTag]:
    """All automatic tags of a model; the same facts always give the same tags in the same order."""
    rules = (_architecture, _size, _type, _capabilities, _performance)
    return [AutoTag(tag.name, tag.family, tag.reason[:LONGEST_REASON]) for rule in rules for tag in rule(facts)]


def _architecture(facts: Facts) -> Iterator[AutoTag]:
    told = facts.architecture.strip().lower()
    word, named = _named_family(facts)
    if not told:
        if named:
            yield AutoTag(named, "architecture", f"Its architecture is not told; the name says “{word}”.")
        return
    family = next((family for pattern, family in BEGINS if pattern.match(told)), None) or label(told)
    if family:
        yield AutoTag(family, "architecture", f"Its architecture is {told[:100]}, as told.")
    if family in BUILT_ON.get(named, ()):
        yield AutoTag(named, "architecture", f"The name says “{word}”, which is built on {family}.")


def _named_family(facts: Facts) -> tuple[str, str]:
    """The first family whose word is in the key or name, with that word."""
    return _family_in(f"{facts.key} {facts.name}".lower())


@lru_cache(4096)
def _family_in(text: str) -> tuple[str, str]:
    for pattern, family in NAMED:
        if found := pattern.search(text):
            return found[0], family
    return "", ""


def label(text: str) -> str:
    """A told word as a tag: without commas and control characters, at most 100 characters; may be empty."""
    clean = "".join(char for char in unicodedata.normalize("NFC", text) if char.isprintable() and char != ",")
    return " ".join(clean.split())[:LONGEST].strip()


def _size(facts: Facts) -> Iterator[AutoTag]:
    count = facts.parameter_count
    if count is None or count <= 0:
        return
    told = facts.parameters[:50] or f"{count:,}"
    source = ", read from its name" if facts.parameters_derived else ""
    for below, name in SIZES:
        if count < below:
            yield AutoTag(name, "size", f"It has {told} parameters{source}: fewer than {below // BILLION}B.")
            return
    largest = SIZES[-1][0] // BILLION
    yield AutoTag("xl", "size", f"It has {told} parameters{source}: {largest}B or more.")


def _type(facts: Facts) -> Iterator[AutoTag]:
    if facts.type in TYPES:
        name, does = TYPES[facts.type]
        yield AutoTag(name, "type", f"{does}{', judging by its name' if facts.type_derived else ', as told'}.")
    for place, text in (("key", facts.key), ("name", facts.name)):
        if facts.type != "embedding" and INSTRUCT.search(text.lower()):
            yield AutoTag("instruct", "type", f"The word “instruct” is in its {place}.")
            return


def _capabilities(facts: Facts) -> Iterator[AutoTag]:
    """As told, else by a word of the texts; most models have none of the words, which one look tells."""
    if facts.vision:
        yield AutoTag("vision", "capability", "It takes pictures, as told.")
    if facts.tool_use:
        yield AutoTag("tools", "capability", "It was trained to use tools, as told.")
    if facts.reasoning_options:
        options = ", ".join(str(option) for option in facts.reasoning_options)
        yield AutoTag("reasoning", "capability", f"It can reason before it answers ({options[:200]}), as told.")
    places = [(place, getattr(facts, place).lower()) for place in ("key", "name", "description")]
    if not ANY_WORD.search("\n".join(text for _, text in places)):
        return
    for name, pattern in WORDS.items():
        if name == "reasoning" and facts.reasoning_options:
            continue
        for place, text in places:
            if found := pattern.search(text):
                yield AutoTag(name, "capability", f"The word “{found[0]}” is in its {place}.")
                break


def _performance(facts: Facts) -> Iterator[AutoTag]:
    speed = facts.tokens_per_second
    if speed is None or speed <= 0 or facts.stale:
        return
    measured = f"Its context test measured {speed:,.1f} tokens/s"
    for least, name in SPEEDS:
        if speed >= least:
            yield AutoTag(name, "performance", f"{measured}: {least:g} or more.")
            return
    yield AutoTag("thorough", "performance", f"{measured}: fewer than {SPEEDS[-1][0]:g}.")
