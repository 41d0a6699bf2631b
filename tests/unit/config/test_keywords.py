"""The keywords that type checkers know are the flags, and each takes what its flag takes."""

from __future__ import annotations

import pytest

from fanout.config.flags import RESUME, RETRY, RUN
from fanout.config.keywords import ResumeKeywords, RetryKeywords, RunKeywords

TYPES = {"text": "str", "int": "int", "float": "float", "on": "bool", "off": "bool"}


@pytest.mark.parametrize(
    ("keywords", "flags"), [(RunKeywords, RUN), (ResumeKeywords, RESUME), (RetryKeywords, RETRY)]
)
def test_keywords_are_the_flags(keywords, flags):
    annotations = {name: each.__forward_arg__ for name, each in keywords.__annotations__.items()}
    assert list(annotations) == [flag.name for flag in flags]
    for flag in flags:
        taken = annotations[flag.name].removesuffix(" | None")
        if flag.kind == "names":
            assert taken == "str | Sequence[str]"
        elif flag.kind == "paths":
            assert taken == "StrPath | Sequence[StrPath]"
        else:
            assert taken in {TYPES[flag.kind], "StrPath"}
