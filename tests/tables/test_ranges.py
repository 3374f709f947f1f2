"""Ranges of a table's rows: every row in one, and each process reads its own."""

from __future__ import annotations

import io
import itertools
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from altool.tables import ranges
from altool.tables.fragments import MemoryFragment
from altool.tables.items import Items
from altool.tables.ranges import Groups, begin, between, cut
from altool.tables.read import Reader, Source
from altool.tables.schema import KINDS


def opened(location: Path, kind: str = "items", ids: str | None = None, columns: str | None = None) -> Source:
    reader = Reader(columns, ids=ids)
    source = reader.open(str(location), kind)
    reader.match_ids()
    return source


def parquet(folder: Path, *files: list[int]) -> Path:
    """Files with row groups of these sizes; ids count the rows."""
    folder.mkdir()
    row = 0
    for number, groups in enumerate(files):
        schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
        with pq.ParquetWriter(folder / f"{number}.parquet", schema) as writer:
            for rows in groups:
                ids = list(range(row, row + rows))
                writer.write_table(pa.table({"id": ids, "text": [f"t{one}" for one in ids]}, schema=schema))
                row += rows
    return folder


def ids(source: Source) -> list[int | str]:
    return [one for batch in source.scan(["id"], lambda batch: batch.column(0).to_pylist()) for one in batch]


def test_cut_where_a_row_group_ends_nearest(tmp_path: Path) -> None:
    source = opened(parquet(tmp_path / "t", [10, 1], [5, 4], [20]))
    assert cut(source, 1) == [(0, 40)]
    assert cut(source, 2) == [(0, 20), (20, 40)]
    assert cut(source, 4) == [(0, 10), (10, 20), (20, 20), (20, 40)]  # 30 is as near to 20 as to 40: the first
    assert cut(source, 3) == [(0, 11), (11, 20), (20, 40)]  # 13.3 is nearer to 11 than to 16, 26.7 to 20 than to 40
    with_first = between(source, 11, 20)
    assert ids(with_first) == list(range(11, 20))
    assert with_first.num_rows == 9
    assert [type(one) is Groups for one in with_first.fragments] == [False]
    inside = between(source, 10, 12)
    assert ids(inside) == list(range(10, 16))
    assert begin(source, 10) == 10
    assert begin(source, 13) == 11
    assert ids(between(source, 13, 14)) == list(range(11, 16))
    assert begin(source, 40) == 40
    assert between(source, 20, 20).fragments == []
    assert [row for one in with_first.read(["text"]).column(0).to_pylist() for row in [one]] == [f"t{row}" for row in range(11, 20)]


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 9), min_size=1, max_size=5)), min_size=1, max_size=4),
    st.integers(1, 12),
)
def test_every_row_is_in_one_range(files: list[tuple[bool, list[int]]], number: int) -> None:
    """Against a slow search for the nearest edge."""
    start, fragments, edges = 0, [], {0}
    for whole, groups in files:
        rows = sum(groups)
        table = pa.table({"id": pa.array(range(start, start + rows), pa.int64())})
        one = MemoryFragment("f", table)
        fragments.append(one if whole else Pieces("f", table, groups))  # type: ignore[arg-type]
        edges |= {start + end for end in (range(rows + 1) if whole else itertools.accumulate(groups, initial=0))}
        start += rows
    source = Source(KINDS["items"], "t", fragments, {}, pa.int64(), {}, None)  # type: ignore[arg-type]
    found = cut(source, number)
    assert len(found) == number
    assert found[0][0] == 0
    assert found[-1][1] == start
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    for place, (_, last) in enumerate(found[:-1], 1):
        assert last in edges
        assert abs(last - place * start / number) <= min(abs(edge - place * start / number) for edge in edges) + 1e-6
    assert [row for first, last in found for row in ids(between(source, first, last))] == list(range(start))
    for first, last in itertools.combinations(range(0, start + 1, 1 + start // 4), 2):
        rows_ = ids(between(source, first, last))
        assert rows_[first - begin(source, first) :][: last - first] == list(range(first, last))


class Pieces(MemoryFragment):
    """A file with row groups, as Parquet's."""

    def __init__(self, path: str, table: pa.Table, groups: list[int]) -> None:
        super().__init__(path, table)
        self._groups = groups

    @property
    def group_rows(self) -> list[int]:
        return self._groups

    def batches(self, group: int, columns: list[str], rows: int, *, fold: bool = False) -> object:  # type: ignore[override]
        yield from self.table.slice(sum(self._groups[:group]), self._groups[group]).select(columns).to_batches(rows)


@pytest.fixture(autouse=True)
def _with_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    anywhere = ranges._anywhere
    monkeypatch.setattr(ranges, "_anywhere", lambda one: not isinstance(one, Pieces) and anywhere(one))


def test_files_without_row_groups_are_cut_anywhere(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\n" + "".join(f"t{row}\n" for row in range(10)))
    source = opened(tmp_path / "t.csv", ids="row")
    assert cut(source, 3) == [(0, 3), (3, 7), (7, 10)]
    assert between(source, 3, 7).read().to_pydict() == {"id": [3, 4, 5, 6], "text": ["t3", "t4", "t5", "t6"]}


def test_a_folder_of_images_and_tars_keep_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    for row in range(6):
        Image.new("RGB", (2, 2), (row, 0, 0)).save(tmp_path / "f" / f"{row}.png")
    whole = Items(opened(tmp_path / "f"), ["path"])
    part = Items(between(opened(tmp_path / "f"), 2, 5), ["path"])
    assert [one for rows in part.payloads() for one in rows] == [one for rows in whole.payloads() for one in rows][2:5]
    png = (tmp_path / "f" / "0.png").read_bytes()
    for number in range(2):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as file:
            for row in range(5):
                member = tarfile.TarInfo(f"{number}{row}.png")
                member.size = len(png)
                file.addfile(member, io.BytesIO(png))
    source = opened(tmp_path / "*.tar")
    assert cut(source, 4) == [(0, 2), (2, 5), (5, 8), (8, 10)]  # 2.5 and 7.5 to the even
    part = Items(between(source, 3, 7), ["image"])
    assert part.ids.to_pylist() == ["03", "04", "10", "11"]
    members = [one for rows in part.payloads() for one in rows]
    assert [Path(one[0]).name for one in members if isinstance(one, tuple)] == ["0.tar", "0.tar", "1.tar", "1.tar"]  # places, not bytes
    assert all(isinstance(one, tuple) and len(one) == 3 for one in members)


def test_some_rows_of_a_run_of_row_groups(tmp_path: Path) -> None:
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    table = pa.table({"id": range(20), "features": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), 2)})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=5, use_dictionary=False, compression="none")
    source = between(opened(tmp_path / "t.parquet", "features"), 5, 15)
    found = np.zeros((2, 2), np.float32)

    def put(batch: pa.RecordBatch, start: int) -> None:
        found[start : start + len(batch)] = batch.column(1).values.to_numpy().reshape(-1, 2)

    source.gather(["features"], np.array([1, 7]), pa.array([6, 12], pa.int64()), put)
    assert found.tolist() == rows[[6, 12]].tolist()
