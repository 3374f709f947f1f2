"""What an option is. It is declared once, by whoever takes it: a command, a strategy, a classifier, a backbone.

From the declaration come the parser of the command line, the check (of the command line and of a plan alike), the help, the default that
is shown, the message, the provenance and the reference page.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from altool.errors import UsageError
from altool.text import clip

LARGEST = 2**63 - 1  # of whole numbers

# How a message calls an option of that name: `flag` on a command line, `of_run` in a plan.
Say = Callable[[str], str]


@dataclass(frozen=True)
class Option:
    """One option.

    `name` is the keyword of whoever takes it and the key in a plan, as `bait_lambda`; its flag is `--bait-lambda`, or one of `flags`.
    `kind` is bool, int, float or str; a number is at least `low`, more than `above` and at most `high`; a text is one of `choices`, if
    there are any; `words` are texts that are taken instead of a number, as auto. `many`: it may be given several times, and is a tuple.
    `convert` makes what is taken of a value of that kind (in a plan also of a list), and raises ValueError, which says what is expected.

    `default` is what is taken where nothing is given (None: nothing is); `shown` says it where the value does not. `bare` is the
    value that the flag alone stands for. `help` is a sentence
    without the default. `panel` is the heading it stands under. `file`: its value is the path of a file, which provenance has the digest
    of. `argument`: it has no flag; `required`: it cannot be left out.
    """

    name: str = ""
    kind: type = str
    default: Any = None
    help: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    many: bool = False
    convert: Callable[[Any], Any] | None = None
    shown: str = ""
    metavar: str = ""
    flags: tuple[str, ...] = ()
    panel: str = ""
    file: bool = False
    argument: bool = False
    required: bool = False
    bare: str = ""

    @property
    def flag(self) -> str:
        """What it is called on the command line: `--output` of `-o/--output`."""
        return max(self.flags, key=len) if self.flags else flag(self.name)

    @property
    def default_text(self) -> str:
        """The default as help and reference show it, or ""."""
        if self.shown or self.default is None or self.default is False or self.many:
            return self.shown
        return "yes" if self.default is True else f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return _any_of(self.choices)
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "a text"
        number = "a whole number" if self.kind is int else "a number"
        if self.low is not None and self.high is not None:
            number += f" from {_digits(self.low)} to {_digits(self.high)}"
        elif self.above is not None:
            number += f" above {_digits(self.above)}" + (f" and at most {_digits(self.high)}" if self.high is not None else "")
        elif self.low is not None:
            number += f" of at least {_digits(self.low)}"
        elif self.high is not None:
            number += f" of at most {_digits(self.high)}"
        return _any_of((*self.words, number))

    def read(self, text: str) -> Any:
        """The value that a text of the command line stands for; the text itself where it stands for none."""
        if self.kind in (int, float) and text not in self.words:
            for kind in (int, float) if self.kind is float else (int,):
                try:
                    return kind(text)
                except ValueError:
                    pass
        return text

    def take(self, value: Any, subject: str) -> Any:
        """The value, if it is one that the option can have. Raises UsageError, whose message begins with `subject`."""
        if self.many:
            values = value if isinstance(value, list | tuple) else [value]
            return tuple(replace(self, many=False).take(one, subject) for one in values)
        if self.convert is not None:
            try:
                return self.convert(value)
            except ValueError as error:
                raise self._refusal(value, subject, str(error)) from error
        if self.kind is bool:
            right = isinstance(value, bool)
        elif self.kind is str:
            right = isinstance(value, str) and value in (self.choices or (value,)) and "\0" not in value
        else:
            right = (isinstance(value, str) and value in self.words) or self._is_number(value)
        if not right:
            raise self._refusal(value, subject, self.expected)
        return float(value) if self.kind is float and isinstance(value, int) else value

    def _is_number(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else int | float):
            return False
        if isinstance(value, int) and abs(value) > LARGEST:
            return False
        above = self.above is None or value > self.above
        return math.isfinite(value) and above and (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def _refusal(self, value: Any, subject: str, expected: str) -> UsageError:
        close = difflib.get_close_matches(str(value), [*self.choices, *self.words], 1)
        shown = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        return UsageError(f"{subject}: expected {expected}, found {clip(shown, 80)}", f"did you mean {close[0]}?" if close else "")


def _digits(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _any_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def flag(name: str) -> str:
    """What a message calls an option of the command line."""
    return f"--{name.replace('_', '-')}"


def of_run(run: str) -> Say:
    """What a message calls a key of a plan's [[run]]."""
    return lambda key: f'run "{clip(run, 80)}", {key}'


def check(options: Iterable[Option], given: Mapping[str, Any], say: Say, who: str, others: Iterable[str] = ()) -> dict[str, Any]:
    """The values `given` for options that `who` takes. Raises UsageError for one that it does not take, and for one that cannot be.
    `others` are names that might be meant beside its own."""
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            shown = {own.name: own.flag if say is flag else own.name for own in known.values()}
            close = difflib.get_close_matches(name, [*known, *others], 1)
            hint = f"{who} takes {', '.join(shown.values())}" if shown else f"{who} takes no options of its own"
            meant = f"did you mean {shown.get(close[0], close[0])}? " if close else ""
            raise UsageError(f"{say(name)} has no effect with {who}", meant + hint)
    return {name: known[name].take(value, say(name)) for name, value in given.items()}


def option(
    help: str,
    *,
    default: Any = None,
    metavar: str = "",
    **facts: Any,
) -> Any:
    """A field of a command's options: a dataclass's, whose name and type are the option's. See `Option` for the `facts`."""
    declared = Option(help=help, default=default, metavar=metavar, **facts)
    if declared.required:
        return dataclasses.field(metadata={"option": declared})
    return dataclasses.field(default=default, metadata={"option": declared})


def shared(declaration: Option) -> Any:
    """A field of a command's options that several commands declare alike."""
    if declaration.required:
        return dataclasses.field(metadata={"option": declaration})
    return dataclasses.field(default=declaration.default, metadata={"option": declaration})


@cache
def declared(options: type) -> tuple[Option, ...]:
    """The options that the fields of a command's dataclass declare; fields that are none are left out."""
    kinds = get_type_hints(options)
    found = []
    for field in dataclasses.fields(options):
        if "option" in field.metadata:
            kind, many = _kind(kinds[field.name])
            found.append(replace(field.metadata["option"], name=field.name, kind=kind, many=many))
    return tuple(found)


def _kind(hint: Any) -> tuple[type, bool]:
    """The kind that a type of a field says, and whether there are many of them."""
    if get_origin(hint) in (Union, UnionType):
        hint, *_ = (part for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is not None:  # Sequence[str]
        return get_args(hint)[0], True
    return hint, False


def classes(value: Any) -> Any:
    """Names of classes: a text with commas, or the path of a file of them; in a plan also a list. For `Option.convert`."""
    if isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    if isinstance(value, str) and value and "\0" not in value:
        return value
    raise ValueError("names of classes")
