"""Fragments of the log: named and written by content alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError
from altool.tables import label_log
from altool.tables.read import Reader

ROWS = [
    {"id": "b", "label": "x", "source": "seed", "round": 3, "annotator": None, "status": "labeled", "seconds": 1.5},
    {"id": "a", "label": "y", "source": "exploit", "round": 3, "annotator": "ann", "status": "labeled", "seconds": None},
]
TIME = pa.timestamp("us", tz="UTC")


def table(rows: list[dict[str, object]]) -> pa.Table:
    found = pa.Table.from_pylist(rows)
    return found.append_column("labeled_at", pa.array(range(len(rows)), pa.int64()).cast(TIME)) if "labeled_at" not in rows[0] else found


def opened(folder: Path) -> pa.Table:
    reader = Reader()
    source = reader.open(str(folder), "labels", allow_empty=True)
    reader.match_ids()
    return label_log.read(source)


def test_the_name_is_a_digest_of_the_rows_in_order(tmp_path: Path) -> None:
    rows = table(ROWS)
    # by hand: the columns in the contract's order, a time as microseconds
    lines = ['["a", "y", "exploit", 3, "ann", "labeled", 1, null]', '["b", "x", "seed", 3, null, "labeled", 0, 1.5]']
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:20]
    name = label_log.write(rows, tmp_path, 3, {})
    assert name == f"round-0003-{digest}.parquet"
    assert pq.read_table(tmp_path / name)["id"].to_pylist() == ["a", "b"]


def test_order_and_repetition_of_rows_do_not_matter(tmp_path: Path) -> None:
    rows = table(ROWS)
    first = label_log.write(rows, tmp_path / "one", 3, {"command": "x"})
    second = label_log.write(pa.concat_tables([rows, rows]).take([3, 0, 2, 1]), tmp_path / "two", 3, {"command": "x"})
    assert first is not None
    assert first == second
    assert (tmp_path / "one" / first).read_bytes() == (tmp_path / "two" / first).read_bytes()
    assert label_log.write(rows, tmp_path / "one", 3, {}) is None


def test_integer_ids_are_in_order_of_value(tmp_path: Path) -> None:
    name = label_log.write(pa.table({"id": [10, 9, -1], "label": ["a", "b", "c"]}), tmp_path, 0, {})
    assert name is not None
    assert pq.read_table(tmp_path / name)["id"].to_pylist() == [-1, 9, 10]


def test_a_row_without_label_is_kept_only_as_a_skip(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("id,label,status\na,,skipped\nb,,\nc,,labeled\nd,x,\n")
    assert opened(tmp_path)["id"].to_pylist() == ["a", "d"]


@pytest.mark.parametrize(("column", "value"), [("source", "web"), ("status", "done")])
def test_unknown_values_are_refused(tmp_path: Path, column: str, value: str) -> None:
    (tmp_path / "labels.csv").write_text(f"id,label,{column}\nr1,a,\nr2,b,{value}\n")
    with pytest.raises(InputError, match=f"column '{column}': 1 row with another value than .*ids r2"):
        opened(tmp_path)


def test_an_empty_folder_is_an_empty_log(tmp_path: Path) -> None:
    with label_log.locked(tmp_path / "new" / "log"):
        pass
    assert opened(tmp_path / "new" / "log").num_rows == 0


@pytest.mark.slow
def test_only_one_holds_the_lock_and_a_killed_one_gives_it_back(tmp_path: Path) -> None:
    code = "import sys, time\nfrom altool.tables import label_log\n"
    code += f"with label_log.locked({str(tmp_path)!r}): print('in', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    waiter = None
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"in\n"
        waiter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            waiter.wait(1.5)
        holder.kill()
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == b"in\n"
    finally:
        for process in (holder, waiter):
            if process is not None:
                process.kill()
                process.wait()


def test_which_import_a_row_is_of(tmp_path: Path) -> None:
    """The file says it; what is no such number, or no provenance at all, is of none."""
    rows = [pa.table({"id": [key], "label": ["a"]}) for key in "abcd"]
    label_log.write(rows[0], tmp_path, 0, {}, 2)
    label_log.write(rows[1], tmp_path / "none", 0, {})
    assert "arrival" not in opened(tmp_path / "none").column_names
    for table, text in ((rows[2], '{"import": "x"}'), (rows[3], "[1")):
        pq.write_table(table.replace_schema_metadata({"altool.provenance": text}), tmp_path / f"{table['id'][0]}.parquet")
    found = opened(tmp_path)
    assert sorted(zip(found["id"].to_pylist(), found["arrival"].to_pylist(), strict=True)) == [("a", 2), ("b", 0), ("c", 0), ("d", 0)]
    assert label_log.next_import(found) == 3


def test_a_label_that_nobody_sees_is_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b", "c", "d"], "label": ["cat", " ", "\u200b\u00a0", ""]}), tmp_path / "l.parquet")
    reader = Reader()
    source = reader.open(str(tmp_path / "l.parquet"), "labels")
    reader.match_ids()
    assert label_log.read(source).column("id").to_pylist() == ["a"]
