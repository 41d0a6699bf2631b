"""Makes the pages of exit codes and of the error codes of rows."""

from __future__ import annotations

import ast
import inspect

from fanout import errors
from fanout.domain.error_codes import ERROR_CODES
from tools.reference.markdown import table


def exit_codes() -> str:
    """Return the page of the exit codes."""
    rows = [
        (str(code.value), " ".join(text.split()))
        for code, text in zip(errors.Exit, _members(errors.Exit), strict=True)
    ]
    return "\n\n".join(
        (
            "# Exit codes",
            "What a scheduler branches on. The message on stderr says what, where, and the next step.",
            table(("code", "meaning"), rows),
            "A command has those of them that it can have: `fanout COMMAND --help` says which, and "
            "[plan](../plan.md), [doctor](../doctor.md), [bench](../bench.md), [gc and discard](../gc.md) say what "
            "they mean there. 137 is no code of fanout's: the process was killed (SIGKILL, often for its memory), and "
            "`fanout resume` goes on.",
        )
    )


def _members(kind: type) -> list[str]:
    """Return what stands below each member of an enumeration."""
    [body] = ast.parse(inspect.getsource(kind)).body
    assert isinstance(body, ast.ClassDef)
    texts = [
        each.value.value
        for each in body.body[1:]
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
    ]
    return [str(text) for text in texts]


def error_codes() -> str:
    """Return the page of the error codes of rows."""
    rows = [(f"`{code}`", each.status, each.meaning, each.remedy) for code, each in ERROR_CODES.items()]
    return "\n\n".join(
        (
            "# Error codes of rows",
            "`error_code` in the output, with the message in `error_message`. How often each occurred stands in the "
            "run's summary and report.",
            table(("code", "status", "what is known", "what to do"), rows),
            "Any other code is AWS's own answer to the request, after all tries that make sense: `error_message` has "
            "its words, and the API reference of InvokeEndpointAsync its meaning. What refuses every row (credentials, "
            "permissions, an endpoint that is gone) ends the run instead, with exit 4.",
        )
    )
