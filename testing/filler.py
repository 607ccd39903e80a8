"""Text of a wanted number of tokens with facts planted in it; pure.

No tokenizer is needed: records all have the same length, so two short answers of the server (which say how many
input tokens they had) give tokens per record and tokens of the frame, and from them the text of any size.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

NAMES = ("amber", "birch", "coral")
DEPTHS = (0.02, 0.5, 0.98)  # near the start, in the middle, near the end
OPENING = "Read this list of records. Three of them hold a code.\n"
RECORD = "Record {number:06d}: the harbour was quiet and the lamps were lit before the evening.\n"
FACT = "The code of {name} is {code}.\n"
QUESTION = "What is the code of amber? What is the code of birch? What is the code of coral?"
FILL_SHARE = 0.95  # of the context length; the rest is for the answer
ROOM = 64  # tokens left for the answer at least


@dataclass(frozen=True)
class Fact:
    """One planted code; drawn anew for each text, so that no cache and no guess can know it."""

    name: str
    code: int


@dataclass(frozen=True)
class Calibration:
    """What the server's own counting showed: input tokens = frame + records * per_record."""

    per_record: float
    frame: float

    def records_for(self, tokens: float) -> int:
        """How many records fit into `tokens` input tokens."""
        return max(0, int((tokens - self.frame) / self.per_record))

    def tokens_of(self, records: int) -> int:
        """Input tokens of a text with so many records."""
        return round(self.frame + records * self.per_record)


def calibrate(few: int, tokens_few: int, many: int, tokens_many: int) -> Calibration | None:
    """The line through two texts of `few` and `many` records; None when the counts make no sense."""
    per_record = (tokens_many - tokens_few) / (many - few)
    if per_record < 4:
        return None
    return Calibration(per_record, tokens_few - few * per_record)


def draw_facts(dice: random.Random) -> list[Fact]:
    """Three fresh codes of four digits, all different."""
    return [Fact(name, code) for name, code in zip(NAMES, dice.sample(range(1000, 10_000), len(NAMES)), strict=True)]


def text(records: int, facts: Sequence[Fact]) -> str:
    """`records` numbered records with the facts near the start, in the middle and near the end."""
    lines = [RECORD.format(number=number) for number in range(1, records + 1)]
    for fact, depth in reversed(list(zip(facts, DEPTHS, strict=True))):
        lines.insert(int(depth * records), FACT.format(name=fact.name, code=fact.code))
    return "".join([OPENING, *lines, QUESTION])


def target(context_length: int) -> int:
    """Input tokens of a fill: 95 % of the context length, with room left for the answer."""
    return min(int(context_length * FILL_SHARE), context_length - ROOM)


def recalled(answer: str, facts: Sequence[Fact]) -> int:
    """How many of the facts' codes the answer names."""
    said = set(re.findall(r"\d{4,}", answer))
    return sum(str(fact.code) in said for fact in facts)
