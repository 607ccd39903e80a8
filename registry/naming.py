"""Names that people give to tags, groups and profiles: tidied, and refused with a sentence where they would do harm."""

from __future__ import annotations

import unicodedata

LONGEST = 100
TAKEN_ENDS = ("/models", "/resolve")  # ends of addresses below a name


def tidy(text: str) -> str:
    """Composed Unicode, blanks at the ends taken off and runs of them made one."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def checked(noun: str, text: str) -> str:
    """The name of a group or profile; ValueError when it cannot be one."""
    name = tidy(text)
    if not name or len(name) > LONGEST or not name.isprintable():
        raise ValueError(f"A {noun} needs a name of 1 to {LONGEST} printable characters.")
    if name.startswith("/") or name.endswith(("/", *TAKEN_ENDS)):
        raise ValueError(f"{name}: the name of a {noun} neither begins nor ends with a slash, nor with /models.")
    return name


def checked_tag(text: str) -> str:
    """The name of a tag; ValueError when it cannot be one."""
    name = tidy(text)
    if not name or len(name) > LONGEST or not name.isprintable():
        raise ValueError(f"A tag has 1 to {LONGEST} printable characters.")
    if "," in name:
        raise ValueError(f"{name}: a tag has no comma in it; write two tags instead.")
    return name


def is_tag(text: str) -> bool:
    """Whether a tag may be written just so."""
    try:
        return checked_tag(text) == text
    except ValueError:
        return False


def same(name: str) -> str:
    """What two spellings of one name have in common: capitals do not matter."""
    return name.casefold()
