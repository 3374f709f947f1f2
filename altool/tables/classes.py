"""Class lists are matched by name: what rows of one table are of, against the classes that another one knows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.tables import check
from altool.tables.outside import load_json
from altool.text import count

SHOWN = 5  # classes named in a message


def counts(column: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    """{class: how many rows} of a column of class names, by name; nulls aside."""
    found = pc.value_counts(column.drop_null()).to_pylist()
    return {pair["values"]: pair["counts"] for pair in sorted(found, key=lambda pair: str(pair["values"]))}


def of_metadata(where: str, text: str) -> tuple[str, ...]:
    """The class names out of a file's metadata. Raises InputError, which begins with `where`, where they are no JSON list of names."""
    found = load_json(text, f"{where}: its metadata altool.classes")
    if not (isinstance(found, list) and found and all(isinstance(name, str) for name in found)):
        raise InputError(f"{where}: its metadata altool.classes is no list of class names", "write it again, or without metadata")
    return tuple(found)


def checked(table: str, found: tuple[str, ...], declared: Sequence[str] | None) -> tuple[str, ...]:
    """The classes that a table was `found` to have. Raises InputError where they are not those of --classes, lack a name, or share one."""
    if declared and set(declared) != set(found):
        raise InputError(
            f"{table}: its classes ({check.naming(found)}, … {len(found)}) are not those of --classes "
            f"({check.naming(declared)}, … {len(declared)})",
            "leave --classes out to use the table's own",
        )
    if blank := [str(number) for number, name in enumerate(found, 1) if not name.strip()]:
        raise InputError(f"{table}: classes without a name (number {check.naming(blank)} of {len(found)})", "give every class a name")
    if len(set(found)) < len(found):
        raise InputError(f"{table}: a class is named twice in {check.naming(found)}, …", "give every class its own name")
    return found


def other(table: str, path: str, first: str, found: Sequence[str], wanted: Sequence[str]) -> InputError:
    """What to say of a file whose classes are not those of the first."""
    strange = [name for name in found if name not in wanted]
    lacking = [name for name in wanted if name not in found]
    parts = [f"{verb} {check.naming(names)}" for verb, names in (("has", strange), ("lacks", lacking)) if names]
    return InputError(
        f"{table}: {path} has other classes than {first} (it {' and '.join(parts)})",
        "write all files with the same classes, in any order",
    )


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
