"""The errors that altool raises on purpose. `cli.py` alone turns them into text and an exit status."""

from __future__ import annotations

from typing import Any


class AltoolError(Exception):
    """A failure that is explained to the user in one or two lines.

    `message` says what is wrong, `hint` what to do about it; `exit_code` is the process's status (docs/contract.md, "Exit codes").
    `summary` is what the run found all the same: with `--json` it comes in the object that holds the error.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", summary: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.summary = summary or {}


class UsageError(AltoolError):
    """The command line is wrong."""

    exit_code = 2


class InputError(AltoolError):
    """An input table, model or file is rejected."""

    exit_code = 3


class NothingLeft(AltoolError):
    """There is nothing left to do: the pool is empty or the round is complete."""

    exit_code = 4


class TargetsNotMet(AltoolError):
    """`report --check-targets`: some class misses its target, or is not proved to reach it."""

    exit_code = 5


class Locked(AltoolError):
    """Another process is at work on it: what cron calls too early ends with this status, as EX_TEMPFAIL of sysexits.h."""

    exit_code = 75
