"""Class lists are matched by name: what rows of one table are of, against the classes that another one knows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.text import count

SHOWN = 5  # classes named in a message


def counts(column: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    """{class: how many rows} of a column of class names, by name; nulls aside."""
    found = pc.value_counts(column.drop_null()).to_pylist()
    return {pair["values"]: pair["counts"] for pair in sorted(found, key=lambda pair: str(pair["values"]))}


def match(found: Mapping[str, int], known: Sequence[str], who: str, whose: str, hint: str) -> str:
    """What to warn of: rows of classes that `known` has not; "" where there are none.

    `found` is {class: rows} of the table `who`, `known` the classes of `whose`. Raises InputError where they have no class in common:
    then they are not of one project, or not spelled alike (the hint says which name is meant, where one is; else it is `hint`).
    """
    theirs = set(known)
    strange = [name for name in found if name not in theirs]
    if strange and len(strange) == len(found):
        text = f"{who}: none of its {_listed(found)} is one of {whose}, which has {_listed(known)}"
        raise InputError(text, respelled(strange, known) or hint)
    if not strange:
        return ""
    rows, spelled = sum(found[name] for name in strange), respelled(strange, known)
    text = f"{who}: {count(rows, 'row')} of {_listed(strange)} that {whose} does not have"
    return f"{text}; {spelled}" if spelled else text


def respelled(strange: Iterable[str], known: Iterable[str]) -> str:
    """A hint for names that are some of the `known` ones but for case, blanks or the form of a number; "" where there are none."""
    meant = {_plain(name): name for name in known}
    pairs = [(name, meant[_plain(name)]) for name in strange if _plain(name) in meant]
    if not pairs:
        return ""
    shown, more = ",".join(f"{old}={new}" for old, new in pairs[:SHOWN]), ",…" if len(pairs) > SHOWN else ""
    return f"is {pairs[0][0]!r} the class {pairs[0][1]!r}? If so spell them alike; labels: altool import-labels --label-map '{shown}{more}'"


def _plain(name: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else str(number)  # not of infinity and NaN: these are no integers


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    shown = ", ".join(every[:SHOWN]) + (", …" if len(every) > SHOWN else "")
    return f"{count(len(every), 'class', 'classes')} ({shown})"
