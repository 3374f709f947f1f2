"""Rows of the label log that correct what it holds, instead of rewriting it: answers withdrawn, classes renamed."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.labels.consensus import given, standing
from altool.labels.lookalikes import quoted
from altool.tables import align, check, label_log, places, write
from altool.tables.read import Reader
from altool.tables.schema import KINDS, RENAMED, RETRACTED, WITHDRAWN

COLUMNS = KINDS["labels"].columns
PLACE = ("id", "source", "round", "annotator", "labeled_at")  # what a correction has in common with what it corrects


def withdrawals(rows: pa.Table) -> pa.Table:
    """A row of status `withdrawn` for each of these standing rows of a log; contract columns."""
    nothing = {name: pa.nulls(len(rows), type_) for name, type_ in COLUMNS.items() if name not in PLACE}
    status = {"status": pa.array([WITHDRAWN] * len(rows), pa.string())}
    return pa.table({name: (nothing | status).get(name, rows.column(name)) for name in COLUMNS})


def renamings(log: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """A row of status `renamed`, with the new class, for each standing row of the log that is of one of `names`; contract columns.

    It is the same answer, so that it has the time that it took, and a suggestion of the old name is one of the new.
    """
    rows = standing(log)
    rows = rows.filter(pc.is_in(rows.column("label"), value_set=pa.array(list(names), pa.string()))).select(list(COLUMNS))
    for name in ("label", "suggested_label"):
        renamed = pa.array([names.get(value, value) for value in rows.column(name).to_pylist()], pa.string())
        rows = rows.set_column(rows.column_names.index(name), name, renamed)
    status = pa.array([RENAMED] * len(rows), pa.string())
    return rows.set_column(rows.column_names.index("status"), "status", status)


def of_classes(log: pa.Table, names: Collection[str]) -> pa.Table:
    """The standing rows of the log that are of these classes."""
    rows = standing(log)
    return rows.filter(pc.is_in(rows.column("label"), value_set=pa.array(list(names), pa.string())))


def retract(folder: str, round_: int, *, dry: bool = False) -> tuple[int, int, str | None]:
    """Withdraw the auto labels of a round: a row of status `retracted` for each, as one file of the log; `dry` writes none.

    Returns how many are withdrawn, how many had been before, and the file's name (None: there is nothing to withdraw). Raises InputError
    for a round without auto labels.
    """
    name = _existing(folder)
    file = None
    with contextlib.nullcontext() if dry else label_log.locked(folder):
        log = _read(folder)
        auto = standing(log)
        auto = auto.filter(pc.equal(auto.column("source"), "auto"))
        mine = auto.filter(pc.equal(auto.column("round"), round_))
        gone = log.filter(pc.and_(pc.equal(log.column("status"), RETRACTED), pc.equal(log.column("round"), round_)))
        if not mine.num_rows and not gone.num_rows:
            others = ", ".join(str(number) for number in sorted(set(auto.column("round").drop_null().to_pylist())))
            raise InputError(f"{name}: round {round_} has no auto label", f"rounds with auto labels: {others or 'none'}")
        ids = pc.unique(mine.column("id"))
        if len(ids) and not dry:
            said = {"id": ids, "source": "auto", "round": round_, "status": RETRACTED}
            columns = {
                column: said[column] if column == "id" else pa.array([said.get(column)] * len(ids), type_)
                for column, type_ in COLUMNS.items()
            }
            origin = write.provenance("import-labels", {"retract_auto": round_}, 0, {"labels": align.table_fingerprint(log)})
            file = label_log.write(pa.table(columns), folder, round_, origin, label_log.next_import(log))
    return len(ids), gone.num_rows, file


def correct(folder: str, names: Mapping[str, str], dropped: Collection[str], *, dry: bool = False) -> tuple[int, int, str | None]:
    """Give classes another name (`names`), and take others out (`dropped`): a row for each of their answers, as one file of the log;
    `dry` writes none.

    Returns how many labels are renamed, how many withdrawn, and the file's name (None: nothing changes). Raises InputError for a class
    that no label was ever of.
    """
    name = _existing(folder)
    file = None
    with contextlib.nullcontext() if dry else label_log.locked(folder):
        log = _read(folder)
        ever = set(given(log).column("label").to_pylist())
        if strange := [other for other in (*names, *dropped) if other not in ever]:
            raise InputError(
                f"{name}: no label was ever of class {quoted(strange[0])}",
                f"its classes are {check.naming(sorted(map(quoted, filter(None, set(standing(log).column('label').to_pylist())))))}",
            )
        renamed, withdrawn = renamings(log, names), withdrawals(of_classes(log, dropped))
        rows = pa.concat_tables([renamed, withdrawn])
        if rows.num_rows and not dry:
            changing = {"rename": dict(names) or None, "drop_class": sorted(dropped) or None}
            origin = write.provenance("import-labels", changing, 0, {"labels": align.table_fingerprint(log)})
            file = label_log.write(rows, folder, pc.max(rows.column("round")).as_py() or 0, origin, label_log.next_import(log))
    return renamed.num_rows, withdrawn.num_rows, file


def _existing(folder: str) -> str:
    """The name of a log in messages. Raises InputError where it is not there."""
    if not places.is_folder(folder):
        raise InputError(f"labels {folder}: no such folder", "give the label log")
    return f"labels {folder}"


def _read(folder: str) -> pa.Table:
    """The rows of the log as they are now."""
    reader = Reader()
    source = reader.open(folder, "labels", allow_empty=True)
    reader.match_ids()
    return label_log.read(source)
