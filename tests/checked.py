"""A command's options as the command line hands them over: each checked as it is declared."""

from __future__ import annotations

from typing import Any

from altool.options import check, declared, flag


def checked(kind: type, **given: Any) -> Any:
    """The dataclass `kind` of those options that are given (None: not). Raises UsageError for a value that cannot be."""
    return kind(**check(declared(kind), {name: value for name, value in given.items() if value is not None}, flag, "this command"))
