"""Declares the kinds of values that keys of the configuration take, with their bounds."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

from fanout.domain.limits import HEADER_MAX


def _no_switch(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")  # noqa: TRY004 - pydantic reports ValueErrors
    return value


def _not_of_aws(key: object) -> object:
    if isinstance(key, str) and key.lower().startswith("aws:"):
        raise ValueError("tags that begin with aws: are reserved for AWS")
    return key


def _day(value: object) -> object:
    try:
        return date.fromisoformat(str(value)).isoformat()  # TOML has dates of its own
    except ValueError:
        raise ValueError("should be a date, such as 2026-11-30") from None


def _file_mode(value: object) -> object:
    # Octal, and its owner reads and writes it; nothing executes a Parquet file.
    if not isinstance(value, str) or re.fullmatch(r"0?6[0246]{2}", value) is None:
        raise ValueError('should be the permissions of a file as chmod takes them: "0640"')
    return value


Day = Annotated[str, BeforeValidator(_day)]
FileMode = Annotated[str, BeforeValidator(_file_mode)]
Number = BeforeValidator(_no_switch)  # pydantic takes true for 1
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), Number]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False), Number]
Count = Annotated[int, Field(ge=1), Number]
Header = Annotated[str, Field(max_length=HEADER_MAX)]

TAGS_MAX = 10  # S3 user guide, "Categorizing your objects using tags": of one object
_TAG = r"^[\w .:/=+@-]*$"  # likewise: letters, numbers, spaces, and these
TagKey = Annotated[str, Field(min_length=1, max_length=128, pattern=_TAG), BeforeValidator(_not_of_aws)]
TagValue = Annotated[str, Field(max_length=256, pattern=_TAG)]
