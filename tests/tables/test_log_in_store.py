"""The label log in object storage: several writers without a lock."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from imports import imported, queries
from object_store import objects

from altool.labels import corrections
from altool.labels.consensus import resolve, standing
from altool.labels.exchange import answers, with_ids
from altool.labels.merge import COLUMNS, Rules, merge
from altool.tables import label_log
from altool.tables.fragments import MemoryFragment
from altool.tables.objects import Place
from altool.tables.read import Reader
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


def test_of_equal_rows_of_one_import_none_is_left_out() -> None:
    """What one import says twice, it says twice: only what another one said already is left out."""
    files: Files = {}
    write(files, *importing([("b", "cat", None, 0, 0)], read(files)))
    changes = [partial(importing, [("a", "cat", "ann", 1, 0)]), partial(importing, [("a", "owl", None, 1, 0), ("a", "owl", None, 0, 0)])]
    check(files, changes, [1, 0, 0, 1])


def opened(location: str) -> pa.Table:
    reader = Reader()
    source = reader.open(location, "labels")
    reader.match_ids()
    return label_log.read(source)


def test_each_kind_of_import_does_there_what_it_does_here(bucket: str, tmp_path: Path) -> None:
    queries(tmp_path, ["a", "b", "c"], ["cat", "dog"])
    (tmp_path / "1.csv").write_text("altool_id,label\na,cat\nb,cow\nc,dog\n")
    (tmp_path / "2.csv").write_text("altool_id,label\na,dog\nb,cat\nc,\n")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    Place(f"{bucket}/classes.txt").put(b"cat\ndog\n")
    log = f"{bucket}/log"
    for exports, options in (
        (["1.csv"], {}),
        (["1.csv"], {}),
        (["2.csv"], {"withdraw": True}),
        ([], {"rename": ["cat=cow"]}),
        ([], {"rename": ["cow=cat"]}),
        ([], {"drop_class": ["dog"]}),
    ):
        here, there = imported(tmp_path, *exports, **options), imported(tmp_path, *exports, **options, labels=log)
        names = ("imported", "known", "refused", "withdrawn", "gone", "renamed", "conflicts")
        assert [here.get(name) for name in names] == [there.get(name) for name in names], (exports, options)
        assert (here["fragment"] is None) == (there["fragment"] is None)
        assert there["fragment"] is None or f"-> {log}/{there['fragment']}" in there["line"]
    assert len(objects(log)) == 5
    assert sorted(map(str, opened(log).to_pylist())) == sorted(map(str, opened(str(tmp_path / "log")).to_pylist()))
    assert len(objects(f"{log}.rejects")) == 1
    for name in objects(log):  # the names are others, the files the same
        content = Place(f"{log}/{name}").read()
        assert content in [path.read_bytes() for path in (tmp_path / "log").glob("*.parquet")]


def test_imports_at_once_lose_nothing(bucket: str, tmp_path: Path) -> None:
    """Six of them, of which each has a row of its own, one that all have, and one that it shares with the next."""
    for number in range(6):
        ids = [f"own-{number}", "all", f"s-{number}", f"s-{number + 1}"]
        (tmp_path / f"{number}.csv").write_text("\n".join(["id,label,annotator", *(f"{id_},cat,ann" for id_ in ids), ""]))

    def run(number: int) -> Any:
        return imported(tmp_path, f"{number}.csv", labels=f"{bucket}/log")

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(run, range(6)))
    log = opened(f"{bucket}/log")
    assert sorted(log.column("id").to_pylist()) == sorted(
        ["all", *(f"own-{number}" for number in range(6)), *(f"s-{number}" for number in range(7))]
    )
    assert len(objects(f"{bucket}/log")) == 6
    assert {run(number)["imported"] for number in range(6)} == {0}


def test_a_place_that_is_no_folder_or_not_reached_is_refused(bucket: str, tmp_path: Path, altool: Callable[..., Any]) -> None:
    Place(f"{bucket}/log").put(b"x")
    (tmp_path / "1.csv").write_text("id,label\na,cat\n")
    said = altool("import-labels", "1.csv", "--labels", f"{bucket}/log", code=2).said
    assert f"--labels: expected a folder, found {bucket}/log" in said
    said = altool("import-labels", "--rename", "a=b", "--labels", f"{bucket}/none", code=3).said
    assert f"labels {bucket}/none: no such folder" in said
