"""Where tables lie: one file, many, behind links, in folders whose names say something, behind an address or a pipe.

A layout gets the folder of the case, the table, and `save(table, path)`, which writes a file; it gives back the location as it is typed,
and what must be fed to pipes.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from fuzz.shapes import replaced
from fuzz.writers import Option, options, values

Save = Callable[[pa.Table, Path], None]


@dataclass(frozen=True)
class Place:
    """`at` is what is typed; `stdin` a file; `feeds` what pipes are fed with (see harness.Run)."""

    at: str
    stdin: Path | None = None
    feeds: dict[str, Path] = field(default_factory=dict)


def parts(table: pa.Table, count: int = 3) -> list[pa.Table]:
    size = max(1, -(-table.num_rows // count))
    return [table.slice(start, size) for start in range(0, max(1, table.num_rows), size)]


def file(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    save(table, folder / f"t{ending}")
    return Place(f"t{ending}")


def without_ending(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    save(table, folder / "t")
    return Place("t")


def odd_name(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    name = draw.choice(["a b#c?d%20e", "\u00fc[red]x", "run[1]", "a\nb", "-t", "a\x1b[2Jb", "'q'", "a=b", "t,u", "x" * 200]) + ending
    save(table, folder / name)
    return Place(f"./{name}" if name.startswith("-") else name)


def wrong_ending(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    name = "t" + draw.choice([".parquet", ".csv", ".jsonl", ".arrow", ".gz", ".toml", ".txt"])
    save(table, folder / name)
    return Place(name)


def _folder(folder: Path, table: pa.Table, save: Save, ending: str) -> Path:
    for number, part in enumerate(parts(table)):
        save(part, folder / "t" / ("deep" if number == 2 else "") / f"part-{number}{ending}")
    return folder / "t"


def folder_of_parts(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    _folder(folder, table, save, ending)
    return Place(draw.choice(["t", "t/", "./t", "../" + folder.name + "/t"]))


def folder_like_a_file(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    _folder(folder, table, save, ending).rename(folder / "t.parquet")
    return Place("t.parquet")


def stray_files(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    """What tools, systems and people leave in folders."""
    at = _folder(folder, table, save, ending)
    strays = {
        "_SUCCESS": b"",
        ".part-0.crc": b"crc",
        "_metadata": b"x",
        ".DS_Store": b"\0",
        "._part-0.parquet": b"\0\5",
        "_tmp/0.parquet": b"x",
    }
    strays |= {
        "README.md": b"---\na: b\n---\n",
        "state.json": b'{\n "a": 1\n}',
        "Thumbs.db": b"\xd0\xcf",
        "notes.txt": b"hello",
        "x.tmp": b"half",
    }
    strays |= {"empty.parquet": b"", "dataset_info.json": b"{}", "a.png": b"\x89PNG", "no\x1b[2J.txt": b"a"}
    for name in draw.sample(sorted(strays), draw.randrange(1, 4)):
        (at / name).parent.mkdir(exist_ok=True)
        (at / name).write_bytes(strays[name])
    return Place("t")


def hidden_only(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    save(table, folder / "t" / draw.choice(["_fold=0", ".hidden", "_x"]) / f"0{ending}")
    return Place("t")


def mixed_formats(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    one, *others = parts(table)
    save(one, folder / "t" / f"0{ending}")
    for number, part in enumerate(others):
        try:
            pq.write_table(part, folder / "t" / f"{number + 1}.parquet")
        except pa.ArrowException:  # Parquet cannot hold it
            save(part, folder / "t" / f"{number + 1}{ending}")
    return Place("t")


def unequal_parts(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    """Parts of other types, without a column, or without rows."""
    one, *others = parts(table)
    name = draw.choice(table.column_names) if table.num_columns else ""
    changed = draw.choice(
        [
            lambda: one.drop_columns([name]),
            lambda: replaced(one, name, pa.nulls(one.num_rows)),
            lambda: replaced(one, name, pa.array([str(value) for value in values(one.select([name]))[0]])),
            lambda: pa.table({other: pa.nulls(0) for other in dict.fromkeys(table.column_names)}),
            lambda: one.slice(0, 0),
            lambda: one.replace_schema_metadata({"altool.classes": '["cat", "bee", "ant"]'}),
            lambda: one.replace_schema_metadata(None),
            lambda: one.append_column("more", pa.nulls(one.num_rows)),
        ]
    )
    with contextlib.suppress(LookupError, ValueError, pa.ArrowException):
        one = changed()
    for number, part in enumerate([one, *others] if draw.random() < 0.5 else [*others, one]):
        save(part, folder / "t" / f"{number}{ending}")
    return Place("t")


def hive(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    for number, part in enumerate(parts(table)):
        save(part, folder / "t" / f"year={2023 + number}" / f"a{ending}")
    return Place("t")


def hive_values(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    """Folders whose names hold a column of the contract, as they are, padded, encoded or beside such a column in the files."""
    name = draw.choice(["id", "label", "round", "source", "fold", "class", "rank"])
    clash = draw.random() < 0.4
    rows = [table.slice(row, 1) for row in range(min(8, table.num_rows))]
    held = draw.choice(
        [
            ["cat", "bee"],
            ["01", "1"],
            ["-1", "0"],
            ["__HIVE_DEFAULT_PARTITION__", "ant"],
            ["a%2Fb", "a b"],
            ["%ff", "%"],
            ["", "x"],
            ["1", "1.5"],
        ]
    )
    for number, row in enumerate(rows):
        value = f"{number + 1:04d}" if name == "id" else held[number % 2]
        if name in table.column_names:
            value = str(values(row.select([name]))[0][0]).replace("/", "%2F").replace("\0", "%00")[:80] if draw.random() < 0.5 else value
            row = row if clash or row.num_columns == 1 else row.drop_columns([name])
        try:
            save(row, folder / "t" / f"{name}={value}" / f"{number}{ending}")
        except (OSError, UnicodeError):
            save(row, folder / "t" / f"{name}=x" / f"{number}{ending}")
    return Place("t")


def linked_file(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    save(table, folder / "store" / "blob")
    (folder / f"t{ending}").symlink_to("store/blob")
    return Place(f"t{ending}")


def linked_folder(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    """One part on another disk; the folder itself behind a link."""
    one, *others = parts(table)
    save(one, folder / "disk" / "2024" / f"0{ending}")
    for number, part in enumerate(others):
        save(part, folder / "real" / f"{number}{ending}")
    (folder / "real").mkdir(exist_ok=True)
    (folder / "real" / "2024").symlink_to("../disk/2024")
    (folder / "t").symlink_to("real")
    return Place("t")


def dangling(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    at = _folder(folder, table, save, ending)
    (at / f"gone{ending}").symlink_to(draw.choice(["nowhere", f"gone{ending}", "/nonexistent/x"]))
    return Place(draw.choice(["t", f"t/gone{ending}"]))


def loop(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    at = _folder(folder, table, save, ending)
    (at / "again").symlink_to(draw.choice([".", "..", "again"]))
    return Place("t")


def delta(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    """A table with a log, and a file that the log took out."""
    one, *others = parts(table)
    save(one, folder / "t" / f"gone{ending}")
    for number, part in enumerate(others):
        save(part, folder / "t" / f"{number}{ending}")
    log = draw.choice(["_delta_log/00000000000000000000.json", "metadata/00000-a.metadata.json"])
    (folder / "t" / log).parent.mkdir()
    (folder / "t" / log).write_text(json.dumps({"remove": {"path": f"gone{ending}", "dataChange": True}}) + "\n")
    return Place("t")


def glob(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    _folder(folder, table, save, ending)
    return Place(draw.choice([f"t/**/*{ending}", f"t/**/part-?{ending}"]))


def glob_of_some(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    at = _folder(folder, table, save, ending)
    (at / "_SUCCESS").write_bytes(b"")
    return Place(draw.choice(["t/*", "t/**", "t/part-[01]*", "t/none-*", "t/[", "*", "t/*/", "**"]))


def address(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    save(table, folder / f"t{ending}")
    return Place((folder / f"t{ending}").as_uri())


def strange_address(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    _folder(folder, table, save, ending)
    base = folder.as_uri()
    return Place(
        draw.choice(
            [
                f"{base}/t",
                f"{base}/t/*",
                f"{base}/none",
                f"{base}/%ff",
                f"{base}/t?x=1",
                "file://",
                "file:///",
                "foo://x/y",
                "hf://datasets/u/d/p.parquet",
            ]
        )
    )


def standard_input(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    save(table, folder / "piped")
    return Place(draw.choice(["-", "-", "/dev/stdin"]), folder / "piped")


def named_pipe(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    save(table, folder / "piped")
    os.mkfifo(folder / f"t{ending}")
    return Place(f"t{ending}", feeds={str(folder / f"t{ending}"): folder / "piped"})


def substitution(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    """`<(…)`"""
    save(table, folder / "piped")
    return Place("|0", feeds={"|0": folder / "piped"})


def nothing(draw: Random, folder: Path, table: pa.Table, save: Save, ending: str) -> Place:
    (folder / "empty").mkdir()
    return Place(draw.choice(["none", "none/none.parquet", "empty", "", ".", "/dev/null", "empty/", "x" * 300, "a\x1b[2Jb", "~/none", "-"]))


def missing_pipe_writer(folder: Path) -> Place:
    """A pipe that nobody writes to: not drawn, as it takes until the limit where it is a fault."""
    os.mkfifo(folder / "t.parquet")
    return Place("t.parquet")


FILE = Option("file", file, same=True, must=True)
FOLDER = Option("folder_of_parts", folder_of_parts, same=True, must=True)
LAYOUTS = (
    *options(without_ending, folder_of_parts, folder_like_a_file, hive, linked_file, glob, address, must=True),
    *options(odd_name, linked_folder, dangling, loop, standard_input, named_pipe, substitution, stray_files, same=True),
    *options(delta, refused=True),
    *options(wrong_ending, hidden_only, mixed_formats, unequal_parts, hive_values, glob_of_some, strange_address, nothing),
)
