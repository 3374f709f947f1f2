"""What every declared option promises, whoever declares it: that each value which it cannot have is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from altool.errors import UsageError
from altool.options import LARGEST, Option


def invalid(option: Option) -> dict[str, Any]:
    """Values that the option cannot have, by what is wrong with them."""
    if option.convert is not None:
        return {"of another type": {"a": 1}}
    if option.kind is bool:
        return {"of another type": "yes", "a number": 1}
    if option.kind is str:
        return {"of another type": 5, **({"outside the choices": "none of them"} if option.choices else {"with a null": "a\0b"})}
    found: dict[str, Any] = {"of another type": "x", "a truth value": True, "not finite": float("nan"), "endless": float("inf")}
    if option.kind is int:
        found |= {"a fraction": 2.5, "too large": LARGEST + 1}
    if option.low is not None:
        found["below"] = option.low - 1 if option.kind is int else option.low - max(abs(option.low), 1) * 1e-6
    if option.above is not None:
        found["at its open end"] = option.above
    if option.high is not None:
        found["above"] = option.high + 1 if option.kind is int else option.high * (1 + 1e-6) + 1e-6
    return found


def check_declarations(who: str, options: Iterable[Option]) -> None:
    """Raises AssertionError, which says what is wrong with the declarations."""
    options = tuple(options)
    names = [option.name for option in options]
    assert len(set(names)) == len(names), f"{who}: an option is declared twice"
    for option in options:
        about = f"{who}, {option.name}"
        assert option.name.isidentifier(), f"{about}: its name is no keyword"
        assert option.help.strip(), f"{about}: its help is empty"
        if option.default is not None and not option.many:
            option.take(option.default, about)  # its own default is a value that it can have
        for wrong, value in invalid(option).items():
            refusal = _refusal(option, value)
            assert refusal, f"{about}: {value!r} is taken, which is {wrong}"
            assert refusal.startswith(f"{option.flag}: expected "), f"{about}: {value!r} is refused as {refusal!r}"


def _refusal(option: Option, value: Any) -> str:
    """What is said where the option does not take the value; "" where it does."""
    try:
        option.take(value, option.flag)
    except UsageError as error:
        return error.message
    return ""
