"""Every code that the program gives a row has a meaning and a next step, and no other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fanout
from fanout.domain.error_codes import ERROR_CODES

HOUSE = Path(fanout.__file__).parent
MAKERS = {"BadRow": 0, "cls": 0, "Rejected": 2, "_reject": 1, "_unsettled": 1}
"""What gives a row its code, and the place of the code among its arguments."""
OF_RESPONSES = {"NOT_TEXT", "NOT_JSON", "FIELD_MISSING", "WRONG_TYPE"}
STATUSES = {"failed", "expired", "invalid", "rejected", "unsettled", "unknown"}


def given_codes():
    """Return each code that stands in the source, by the place that gives it."""
    found = {}
    for path in [*HOUSE.glob("source/**/*.py"), *HOUSE.glob("domain/*.py"), *HOUSE.glob("engine/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            for value in _values(node):
                if (
                    isinstance(value, ast.Constant)
                    and isinstance(value.value, str)
                    and value.value[:1].isupper()
                ):
                    found[value.value] = str(path.relative_to(HOUSE))
    return found


def _values(node):
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = MAKERS.get(name)
        if place is not None and len(node.args) > place:
            yield node.args[place]
        for keyword in node.keywords:
            if keyword.arg == "error_code" or (
                keyword.arg == "code" and name in {"Unfit", "Rejected", "BadRow"}
            ):
                yield from _chosen(keyword.value)
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "error_code":
                yield from _chosen(value)
    if isinstance(node, ast.FunctionDef) and node.name == "error_code":  # of an output that cannot be read
        for each in ast.walk(node):
            if isinstance(each, ast.Return):
                yield from _chosen(each.value)
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_CODES":
        yield from node.value.values
    # The codes of responses that cannot be used (`domain/response_fields.py`).
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in OF_RESPONSES:
        yield node.value


def _chosen(value):
    if isinstance(value, ast.IfExp):
        return [value.body, value.orelse]
    if isinstance(value, ast.Call):  # `.get(code, "OutputUnreadable")`
        return value.args
    return [value]


def test_the_table_has_every_code_that_the_source_gives():
    found = given_codes()
    assert len(found) > 20
    missing = {code: path for code, path in found.items() if code not in ERROR_CODES}
    assert missing == {}, "say in domain/error_codes.py what it means"


def test_no_code_of_the_table_is_given_by_nothing():
    by_default = {"NotJSON"}  # of `Unfit`
    assert set(ERROR_CODES) - set(given_codes()) - by_default == set()


@pytest.mark.parametrize("code", ERROR_CODES)
def test_a_code_says_what_is_known_and_what_to_do(code):
    told = ERROR_CODES[code]
    assert told.status in STATUSES
    assert told.meaning.endswith(".")
    assert told.remedy.endswith(".")
