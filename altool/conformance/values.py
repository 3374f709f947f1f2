"""Values that a declared option refuses, for the suites that check that they are."""

from __future__ import annotations

from typing import Any

from altool.options import LARGEST, Option


def outside(option: Option) -> list[Any]:
    """Values that the option cannot have: of another type, below, above, at an open bound, outside its choices, beyond all numbers."""
    found: list[Any]
    if option.kind is bool:
        return [1, "yes"]
    if option.kind is str:
        found = [1.5, True]
        return [*found, "no such choice", "", option.choices[0].upper()] if option.choices else found
    found = ["far", True, float("nan"), float("inf"), LARGEST + 1]
    if option.kind is int:
        found.append(1.5)
    if option.low is not None:
        found.append(option.low - 1)
    if option.above is not None:
        found += [option.above, option.above - 1]
    if option.high is not None:
        found.append(option.high + 1)
    return found
