"""The label log in object storage: several writers without a lock."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.labels import corrections
from altool.labels.consensus import resolve, standing
from altool.labels.exchange import answers, with_ids
from altool.labels.merge import COLUMNS, Rules, merge
from altool.tables import label_log
from altool.tables.fragments import MemoryFragment
from altool.tables.schema import KINDS
from altool.tables.source import Source

START = datetime(2026, 1, 1, tzinfo=UTC)
Files = dict[str, pa.Table]  # what lies in a bucket
Change = Callable[[pa.Table], tuple[pa.Table, int]]  # of the log as it was read, the rows that are added and the number of the import


def read(files: Files) -> pa.Table:
    """The log of these files."""
    source = Source(KINDS["labels"], "log", [MemoryFragment(name, files[name]) for name in sorted(files)], {}, pa.string(), {}, None)
    return label_log.read(source)


def write(files: Files, rows: pa.Table, number: int) -> None:
    """Add a file as `label_log.write` does."""
    if rows.num_rows:
        name, rows = label_log.fragment(rows, 0, number, remote=True)
        assert name not in files or files[name].equals(rows)
        files[name] = rows.replace_schema_metadata({"altool.provenance": json.dumps({"import": number})})


def importing(rows: Sequence[tuple[str, str | None, str | None, int | None, int | None]], log: pa.Table, *, withdraw: bool = False) -> Any:
    """An import of answers (id, label, annotator, round, day); those without a label are no answers yet."""
    columns: dict[str, Any] = dict(zip(("id", "label", "annotator", "round", "labeled_at"), zip(*rows, strict=True), strict=True))
    columns["labeled_at"] = [None if day is None else (START + timedelta(days=day)).isoformat() for day in columns["labeled_at"]]
    columns["round"] = [None if round_ is None else str(round_) for round_ in columns["round"]]
    export = with_ids(answers("export", {name: pa.array(values, pa.string()) for name, values in columns.items()}, None), pa.string())
    found = merge(export, log, None, None, Rules(source="seed"))
    added = pa.concat_tables([found.rows, corrections.withdrawals(found.gone)]) if withdraw else found.rows
    return added, found.number


def renaming(log: pa.Table) -> Any:
    return corrections.renamings(log, {"cat": "cow"}), label_log.next_import(log)


def dropping(log: pa.Table) -> Any:
    return corrections.withdrawals(corrections.of_classes(log, ["cat"])), label_log.next_import(log)


def agreed(files: Files) -> Any:
    """The labels that a log comes to."""
    table = resolve(read(files)).table
    return list(zip(*(table.column(name).to_pylist() for name in ("id", "label", "source")), strict=True))


def stand(files: Files, id_: str) -> list[str]:
    """The answers on an id that stand."""
    rows = standing(read(files)).select(list(COLUMNS)).to_pylist()
    return sorted(str(row) for row in rows if row["id"] == id_)


def interleaved(before: Files, changes: Sequence[Change], order: Sequence[int]) -> Files:
    """Each change reads at its first turn, and writes at its second."""
    files = dict(before)
    held: dict[int, tuple[pa.Table, int]] = {}
    for turn in order:
        if turn in held:
            write(files, *held.pop(turn))
        else:
            held[turn] = changes[turn](read(files))
    return files


def check(before: Files, changes: Sequence[Change], turns: Sequence[int]) -> None:
    """The labels are those of the changes one after another in some order, and so is each id's part of the answers."""
    found = interleaved(before, changes, turns)
    one_by_one = ([turn for turn in order for _ in range(2)] for order in itertools.permutations(range(len(changes))))
    orders = [interleaved(before, changes, order) for order in one_by_one]
    assert agreed(found) in [agreed(files) for files in orders]
    for id_ in ("a", "b"):
        assert stand(found, id_) in [stand(files, id_) for files in orders]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["cat", "dog", "owl"]),
        st.sampled_from(["ann", None]),
        st.sampled_from([0, 1]),
        st.sampled_from([None, 0, 1]),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=25, deadline=None)
@given(before=ROWS, exports=st.lists(ROWS, min_size=2, max_size=3), data=st.data())
def test_imports_at_once_come_to_what_some_order_of_them_does(before: Any, exports: Any, data: st.DataObject) -> None:
    files: Files = {}
    write(files, *importing(before, read(files)))
    changes = [partial(importing, export) for export in exports]
    check(files, changes, data.draw(st.permutations([*range(len(changes)), *range(len(changes))])))


@settings(max_examples=25, deadline=None)
@given(before=ROWS, export=ROWS, change=st.sampled_from([renaming, dropping]), turns=st.permutations([0, 0, 1, 1]))
def test_a_correction_and_an_import_at_once_too(before: Any, export: Any, change: Change, turns: list[int]) -> None:
    files: Files = {}
    write(files, *importing(before, read(files)))
    check(files, [partial(importing, export), change], turns)
