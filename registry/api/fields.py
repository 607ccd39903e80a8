"""Bounded types of everything that comes in: what the database cannot hold is refused at the door."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_INT64 = 2**63 - 1
NO_NUL = r"^[^\x00]*$"  # PostgreSQL stores no NUL
NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"


def _written(told: object) -> object:
    """A date as it is written, YYYY-MM-DD; a bare number would be taken for seconds since 1970."""
    if isinstance(told, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", told):
        raise ValueError("write it as YYYY-MM-DD")
    return told


Id = Annotated[int, Field(ge=1, le=MAX_INT64)]
Bytes = Annotated[int, Field(ge=1, le=2**60)]
Seconds = Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
PrintableName = Annotated[str, Field(min_length=1, max_length=100, pattern=NO_CONTROL)]
Word = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
Text = Annotated[str, Field(max_length=600, pattern=NO_NUL)]
Secret = Annotated[str, Field(max_length=1000, pattern=NO_NUL)]
Cursor = Annotated[str, Field(max_length=10_000, pattern=NO_NUL)]
WrittenDate = Annotated[date, BeforeValidator(_written)]
RoleName = Literal["viewer", "operator", "admin"]


class Body(BaseModel):
    """What a client sends: exactly these fields, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True)
