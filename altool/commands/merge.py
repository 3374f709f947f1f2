"""`altool merge`: make a table of the parts that --shard I/N left in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altool import __version__
from altool.console import Console
from altool.embedding import assembly as embedded
from altool.errors import InputError
from altool.options import option
from altool.scoring import assembly as scored
from altool.tables import check, outputs, parts, space, write
from altool.tables.parts import Part
from altool.text import count

# What puts together the parts of a command. It returns the summary: the table's `rows`, and how many were `rejected`.
Merge = Callable[[Path, Sequence[Part], Console], dict[str, Any]]
COMMANDS: dict[str, Merge] = {"embed": embedded.merge, "score": scored.merge}


@dataclass(frozen=True, kw_only=True)
class Options:
    folder: str = option("The folder of the parts.", metavar="FOLDER", argument=True, flags=("FOLDER",), required=True)


def run(options: Options, console: Console) -> None:
    """Check that all parts of one run are there, write the table, and remove the parts. A folder that is a table already stays as it is."""
    folder = Path(os.path.abspath(outputs.local(options.folder)))
    if not console.dry_run:
        write.remove_stale(folder)
    if not folder.is_dir():
        raise InputError(f"{options.folder}: no such folder", "give the --output of the shards")
    stored = parts.stored(folder)
    if not stored:
        if not any(folder.glob("part-*.parquet")):
            raise InputError(f"{options.folder}: no parts in it", f"make them: altool embed --shard 0/4 -o {options.folder} …")
        summary = {"command": "merge", "parts": 0, "output": options.folder}
        console.result(summary, f"{options.folder} is a table already: no parts in it")
        return
    found = _checked(options.folder, stored)
    rows = sum(part.rows for part in found)
    summary = {"command": "merge", "parts": len(found), "rows": rows, "output": options.folder}
    if console.dry_run:
        console.rehearsed(summary, f"make a table of {count(len(found), 'part')} with {count(rows, 'row')}: {options.folder}")
        return
    merge = COMMANDS[found[0].facts["command"]]
    made = merge(folder, found, console)
    text = f"made a table of {count(len(found), 'part')} with {count(made['rows'], 'row')}: {options.folder}"
    console.result({**summary, **made}, text)


def _checked(folder: str, stored: Sequence[Path]) -> list[Part]:
    """The parts, which are all of one run, in order. Raises InputError."""
    found = sorted((parts.part(path) for path in stored), key=lambda part: (part.of, part.number))
    first = found[0]
    numbers = sorted({part.of for part in found})
    if len(numbers) > 1:
        names = check.naming([part.path.name for part in found])
        text = f"{folder}: parts of a run of {numbers[0]:,} and of one of {numbers[1]:,} ({names})"
        raise InputError(text, "remove those of one of them")
    there = {part.number for part in found}
    if missing := [number for number in range(first.of) if number not in there]:
        flags = ", ".join(f"--shard {number}/{first.of}" for number in missing[: check.SHOWN])
        more = f" and {len(missing) - check.SHOWN:,} more" if len(missing) > check.SHOWN else ""
        raise InputError(f"{folder}: {len(missing):,} of {count(first.of, 'part')} not there", f"run them: {flags}{more}")
    row = 0
    for part in found:
        name = f"{folder}: {part.path.name}"
        if (version := part.facts.get("version", __version__)) != __version__:
            raise InputError(f"{name} was written by altool {version}, this is {__version__}", "merge with the version that wrote it")
        if part.key != first.key:
            wanted, own = (_known(one) for one in (first, part))
            apart = space.apart(own, wanted) or "its options or its rows are others"
            raise InputError(f"{name} is of another run than {first.path.name} ({apart})", "run its shard again, as the others")
        if part.first != row:
            raise InputError(
                f"{name} begins at row {part.first:,} of the table, expected {row:,}", "run its shard again: the table has changed since"
            )
        row += part.rows
    if row != first.facts.get("rows", row):
        raise InputError(f"{folder}: its parts have {row:,} rows, expected {first.facts['rows']:,}", "run the last shard again")
    return found


def _known(part: Part) -> dict[str, Any]:
    """What is known of a part's run, in words that somebody typed or counted."""
    known = {name: value for name, value in part.facts.get("identity", {}).items() if name != "space"}
    return {**known, "rows of the table": part.facts.get("rows")}
