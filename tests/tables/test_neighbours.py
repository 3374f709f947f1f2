"""The index of features: what it finds, that its bytes follow from the rows alone, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, write
from extra import library

from altool.commands import index
from altool.console import Console
from altool.errors import InputError
from altool.tables import neighbours
from altool.tables.outputs import ours
from altool.tables.read import Reader, Source

library("usearch")


def clusters(rows: int, width: int = 16, seed: int = 0) -> np.ndarray:
    """Rows around 30 centres, as features of real images lie."""
    draw = np.random.default_rng(seed)
    found = draw.normal(size=(30, width))[draw.integers(30, size=rows)] + 0.6 * draw.normal(size=(rows, width))
    return (found * draw.uniform(0.5, 2, (rows, 1))).astype(np.float32)


def opened(path: Path) -> Source:
    reader = Reader()
    source = reader.open(str(path), "features")
    reader.match_ids()
    return source


def indexed(path: Path, metric: str = "cosine", threads: int = 1) -> Path:
    place = Path(neighbours.place(str(path)))
    neighbours.build(opened(path), metric, place, threads=threads)
    return place


def brute_force(rows: np.ndarray, wanted: list[int], number: int, metric: str) -> set[int]:
    """The places of the nearest rows, by all distances."""
    rows = rows.astype(np.float64)
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found: set[int] = set()
    for place in wanted:
        distances = ((rows - rows[place]) ** 2).sum(axis=1)
        distances[place] = np.inf
        found |= set(np.argsort(distances, kind="stable")[:number].tolist())
    return found


def near(path: Path, place: Path, wanted: list[str], number: int) -> set[int]:
    found, held = neighbours.load(str(place), opened(path)).near(pa.array(wanted), number)
    assert held == len(wanted)
    assert found.to_pylist() == sorted(set(found.to_pylist()))
    return {int(id_.removeprefix("row-")) for id_ in found.to_pylist()}


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_all_rows_of_small_parts_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str) -> None:
    monkeypatch.setattr(neighbours, "part_rows", lambda width: 170)  # six parts, the last one a stub
    rows = clusters(900)
    place = indexed(write(features(rows), tmp_path / "f.parquet"), metric)
    for wanted, number in (([5], 1), ([0, 169, 170, 899], 7), (list(range(0, 900, 9)), 40)):
        found = near(tmp_path / "f.parquet", place, [f"row-{row:04d}" for row in wanted], number)
        expected = brute_force(rows, wanted, number, metric)
        assert len(found ^ expected) <= 0.01 * len(expected)  # float16 may exchange the last of a row's
        assert metric == "cosine" or found == expected


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_graphs_find_nearly_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str) -> None:
    monkeypatch.setattr(neighbours, "EXACT", 0)
    monkeypatch.setattr(neighbours, "part_rows", lambda width: 2000)
    rows = clusters(5000)
    place = indexed(write(features(rows), tmp_path / "f.parquet"), metric)
    wanted = list(range(0, 5000, 250))
    expected = brute_force(rows, wanted, 50, metric)
    assert len(near(tmp_path / "f.parquet", place, [f"row-{row:04d}" for row in wanted], 50) & expected) >= 0.95 * len(expected)


def test_bytes_follow_from_the_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "part_rows", lambda width: 300)
    table = features(clusters(1000))
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(1000)))
    places = [
        indexed(write(table, tmp_path / "a.parquet", row_group_size=64), threads=1),
        indexed(write(table, tmp_path / "b.parquet"), threads=3),
        indexed(write(shuffled, tmp_path / "c.parquet", row_group_size=100), threads=2),
    ]
    assert len({hashlib.sha256(place.read_bytes()).hexdigest() for place in places}) == 1
    assert ours("index", places[0])
    assert not ours("index", tmp_path / "a.parquet")


def test_integer_ids_zeros_halves_and_copies(tmp_path: Path) -> None:
    rows = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 0], [3e4, 3e4]], np.float16)
    path = write(features(rows, ids=[40, 30, 20, 10, 5, 7]), tmp_path / "f.parquet")
    opened_ = neighbours.load(str(indexed(path)), opened(path))
    assert opened_.near(pa.array([20, 99]), 2)[0].to_pylist() == [30, 40]
    assert opened_.near(pa.array([20, 99]), 2)[1] == 1
    assert opened_.near(pa.array([10]), 1)[0].to_pylist() == [7]
    assert opened_.near(pa.array([5]), 100)[0].to_pylist() == [7, 10, 20, 30, 40]  # all others, however many are asked for
    assert opened_.near(pa.array([], pa.int64()), 3)[0].to_pylist() == []


def test_of_one_row(tmp_path: Path) -> None:
    path = write(features(clusters(1)), tmp_path / "f.parquet")
    assert neighbours.load(str(indexed(path)), opened(path)).near(pa.array(["row-0000"]), 3)[0].to_pylist() == []


def test_rows_of_several_widths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "part_rows", lambda width: 10)
    (tmp_path / "f").mkdir()
    write(features(clusters(10, 4)), tmp_path / "f" / "a.parquet")
    write(features(clusters(10, 5), [f"s-{row}" for row in range(10)]), tmp_path / "f" / "b.parquet")
    with pytest.raises(InputError, match="rows of 4 and of 5 numbers"):
        indexed(tmp_path / "f")


@pytest.mark.parametrize(
    ("features_", "place"),
    [
        ("f.parquet", "f.index"),
        ("a/f.parquet", "a/f.index"),
        ("folder/", "folder.index"),
        ("f.npz", "f.npz.index"),
        ("s3://b/f.parquet?region=x", "s3://b/f.index?region=x"),
    ],
)
def test_it_lies_beside_the_features(features_: str, place: str) -> None:
    assert neighbours.place(features_) == place


@pytest.mark.parametrize("damage", ["cut", "empty", "bit", "foreign", "facts"])
def test_what_is_damaged_is_refused(tmp_path: Path, damage: str) -> None:
    path = write(features(clusters(100)), tmp_path / "f.parquet")
    place = indexed(path)
    content = bytearray(place.read_bytes())
    if damage == "bit":
        content[len(content) // 3] ^= 4
    changed = {"cut": content[:-100], "empty": b"", "bit": content, "foreign": path.read_bytes()}
    changed["facts"] = content.replace(b'"width": 16', b'"wrong": 16').replace(b'"rows": 100', b'"rows": 101', 1)
    place.write_bytes(changed[damage])
    with pytest.raises(InputError, match=r"f\.index: (damaged, or no index of altool|cannot be read)") as caught:
        neighbours.load(str(place), opened(path))
    assert caught.value.hint.startswith("build it")


def test_features_of_another_size_are_refused(tmp_path: Path) -> None:
    path = write(features(clusters(100)), tmp_path / "f.parquet")
    place = indexed(path)
    write(features(clusters(101)), path)
    with pytest.raises(InputError, match=r"it holds 100 rows, and features .* has 101"):
        neighbours.load(str(place), opened(path))


def test_in_object_storage_it_is_copied_first(tmp_path: Path, bucket: str) -> None:
    path = write(features(clusters(100)), tmp_path / "f.parquet")
    index.run(index.Options(features=str(path), output=f"{bucket}/f.index"), Console(quiet=True))
    found = neighbours.load(f"{bucket}/f.index", opened(path))
    assert found.near(pa.array(["row-0003"]), 5)[0] == neighbours.load(str(indexed(path)), opened(path)).near(pa.array(["row-0003"]), 5)[0]
    index.run(index.Options(features=str(path), output=f"{bucket}/f.index", metric="l2", overwrite=True), Console(quiet=True))
    assert neighbours.load(f"{bucket}/f.index", opened(path)).facts["metric"] == "l2"


@pytest.mark.parametrize("place", ["none.index", "s3"])
def test_what_is_not_there(tmp_path: Path, bucket: str, place: str) -> None:
    path = write(features(clusters(10)), tmp_path / "f.parquet")
    with pytest.raises(InputError, match=r"cannot be (read|opened)"):
        neighbours.load(f"{bucket}/none.index" if place == "s3" else str(tmp_path / place), opened(path))


def test_the_fingerprint_is_that_of_every_other_command(tmp_path: Path) -> None:
    from altool.engines.scratch import Scratch
    from altool.tables.arrays import read_index, read_matrices

    path = write(features(clusters(100)), tmp_path / "f.parquet")
    found = neighbours.load(str(indexed(path)), opened(path))
    source = opened(path)
    index = read_index(source)
    _, fingerprint, _ = read_matrices(source, "features", index, [np.arange(100)], Scratch(1 << 40))
    assert found.facts["fingerprint"] == fingerprint
    assert pq.read_metadata(path).num_rows == found.facts["rows"]
