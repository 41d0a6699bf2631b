"""Asks a person for the MFA code of a role, at the terminal, and says so where there is none."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any

from fanout.errors import RunError


def ask_for_code(chain: Any) -> None:
    """Have the roles of a credential chain ask through `code`, not by themselves.

    Args:
        chain: botocore's chain of credential providers.
    """
    provider = chain.get_provider("assume-role")
    provider._prompter = code  # noqa: SLF001 - botocore has no setting for it


def code(prompt: str) -> str:
    """Return what a person answers to `prompt`, at the terminal or, as botocore does, on standard input.

    Raises:
        RunError: There is no terminal to ask at, and standard input has ended or is the rows.
    """
    try:
        if _has_terminal() or not _is_null_device(0):
            return getpass.getpass(prompt)
    except EOFError:
        pass
    raise RunError(
        f"AWS credentials cannot be had: the profile asks for an MFA code ({prompt.strip().rstrip(':')}), and there is "
        "no terminal to ask at. Get a session first (aws sts get-session-token, or aws configure "
        "export-credentials) and run with its keys in the environment, or name a profile without mfa_serial."
    )


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _is_null_device(descriptor: int) -> bool:
    try:
        return os.fstat(descriptor).st_rdev == Path(os.devnull).stat().st_rdev
    except OSError:  # closed
        return True
