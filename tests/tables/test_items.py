"""Items: which column is taken, which texts are drawn, and that no path leads out of its table's folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError
from altool.payloads.reading import Unusable, _filesystem, read
from altool.tables.items import Folder, Items, ItemTexts, Outside
from altool.tables.read import Reader


def items(path: Path | str, wanted: tuple[str, ...] = ("image", "path"), **given: Any) -> Items:
    reader = Reader()
    source = reader.open(str(path), "items")
    reader.match_ids()
    return Items(source, wanted, **given)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a file in it, and others around it."""
    (tmp_path / "table" / "sub").mkdir(parents=True)
    (tmp_path / "table-beside").mkdir()
    for file in ("table/a.png", "table/sub/ü b.png", "secret.png", "table-beside/c.png"):
        (tmp_path / file).write_bytes(file.encode())
    (tmp_path / "table" / "out").symlink_to(tmp_path)
    (tmp_path / "table" / "out.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "table" / "in.png").symlink_to("sub/ü b.png")
    return tmp_path


def written(place: Path, paths: list[str | None], name: str = "table/items.parquet") -> Path:
    pq.write_table(pa.table({"id": [f"r{n}" for n in range(len(paths))], "path": pa.array(paths, pa.string())}), place / name)
    return place / name


def rows(found: Items) -> list[Any]:
    return [row for batch in found.payloads() for row in batch]


def test_paths_below_the_table(place: Path) -> None:
    absolute = str(place / "table" / "a.png")
    uri = f"file://{place}/table/sub/%C3%BC%20b.png"
    paths = ["a.png", "sub/ü b.png", "./sub/../a.png", "in.png", absolute, uri, None, "absent.png", "sub"]
    found = items(written(place, paths))
    assert found.column == "path"
    contents = []
    for row in rows(found):
        try:
            contents.append(read(row).decode())
        except Unusable as error:
            contents.append(f"! {error}")
    sub = "table/sub/ü b.png"
    assert contents == ["table/a.png", sub, "table/a.png", sub, "table/a.png", sub, "! null", "! no such file", "! not a file"]


OUTSIDE = [
    "../secret.png",
    "sub/../../secret.png",
    "out/secret.png",
    "out.png",
    "/etc/passwd",
    "../table-beside/c.png",
    "file:///etc/passwd",
    "file://host/etc/passwd",
    "s3://bucket/a.png",
    "..",
    "out",
    "out/../../etc/passwd",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_paths_out_of_the_folder_are_refused(place: Path, path: str) -> None:
    table = written(place, ["a.png", path])
    with pytest.raises(InputError, match=r"column 'path': 1 row with a path out of the table's folder \(ids r1\)") as caught:
        items(table)
    assert "--allow-outside" in caught.value.hint
    assert len(items(table, allow_outside=True)) == 2


def test_outside_files_are_read_when_that_is_allowed(place: Path) -> None:
    found = rows(items(written(place, ["../secret.png", "out.png"]), allow_outside=True))
    assert [read(row) for row in found] == [b"secret.png"] * 2


def test_odd_paths(place: Path) -> None:
    os.mkfifo(place / "table" / "pipe")
    found = rows(items(written(place, ["", "pipe", "a\0b", "a" * 5000, "."])))
    for row, reason in zip(found, ["not a file", "not a file", "ValueError", "OSError", "not a file"], strict=True):
        with pytest.raises(Unusable, match=reason):
            read(row)


def test_the_folder_of_every_kind_of_table(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("parts/x=1", "parts/x=2"):
        (place / "table" / part).mkdir(parents=True)
        written(place, [f"_pictures/{part[-1]}.png"], f"table/{part}/items.parquet")
    pq.write_table(pa.table({"id": ["q"], "path": ["_pictures/2.png"]}), place / "table/parts/x=2/items.parquet")
    folder = place / "table" / "parts"
    (folder / "_pictures").mkdir()  # a folder's other files would be read as parts of the table
    for name in "12":
        (folder / "_pictures" / f"{name}.png").write_bytes(name.encode())
    monkeypatch.chdir(place / "table")
    for location in (str(folder), "parts", "parts/", "parts/*/items.parquet", str(folder / "*" / "*.parquet"), f"file://{folder}"):
        assert [read(row) for row in rows(items(location))] == [b"1", b"2"], location
    written(place, ["a.png"])
    for location in ("items.parquet", f"file://{place}/table/items.parquet", "item?.parquet"):
        assert [read(row) for row in rows(items(location))] == [b"table/a.png"], location


class Remote:
    """A table in an object store, as far as `Folder` looks at it."""

    def __init__(self, location: str, path: str) -> None:
        self.location = location
        self.fragments = [type("Fragment", (), {"path": path})]


def test_a_table_in_an_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    location = "s3://bucket/data/items.parquet?region=eu-central-1"
    folder = Folder(Remote(location, "bucket/data/items.parquet"), allow_outside=False)  # type: ignore[arg-type]
    root = "s3://bucket/data?region=eu-central-1"
    assert folder.file("sub/a.png") == (root, "sub/a.png")
    assert folder.file("s3://bucket/data/a.png?x=1") == (root, "a.png?x=1")  # a name, no option for the store
    for path in (
        "../a.png",
        "%2e%2e/a.png",
        "/etc/passwd",
        "s3://bucket/other/a.png",
        "s3://bucket/data/../a.png",
        "gs://bucket/data/a.png",
    ):
        with pytest.raises(Outside):
            folder.file(path)
    whole = Folder(Remote("s3://bucket/data/?region=eu-central-1", "bucket/data/x.parquet"), allow_outside=True)  # type: ignore[arg-type]
    assert whole.file("a.png") == (root, "a.png")
    assert whole.file("gs://other/x/a.png") == ("gs://other", "x/a.png")
    assert whole.file("/etc/hostname") == ("", os.path.realpath("/etc/hostname"))


def test_a_file_in_a_store_is_read(place: Path) -> None:
    assert read((f"file://{place}/table", "sub/ü b.png")) == "table/sub/ü b.png".encode()
    with pytest.raises(Unusable, match="no such file"):
        read((f"file://{place}/table", "absent.png"))
    with pytest.raises(Unusable, match="cannot be read"):
        read(("nosuch://host", "a.png"))
    assert _filesystem.cache_info().currsize <= 2


def test_the_column_that_is_taken(place: Path) -> None:
    pq.write_table(pa.table({"id": [1], "text": ["a"], "path": ["a.png"], "image": [b"x"]}), place / "all.parquet")
    assert items(place / "all.parquet").column == "image"
    assert items(place / "all.parquet", ("text",)).column == "text"
    pq.write_table(pa.table({"id": [1], "text": ["a"]}), place / "text.parquet")
    with pytest.raises(InputError, match=r"no column 'image' or 'path' \(it has id, text\)") as caught:
        items(place / "text.parquet")
    assert caught.value.hint == "name it: --columns image=NAME; for text give another --backbone"


@pytest.mark.parametrize("limit", [3, 7, 100])
def test_the_same_texts_are_drawn_whatever_the_order(place: Path, limit: int) -> None:
    texts = {f"{number:03d}": None if number % 5 == 0 else f"text {number}" for number in range(40)}
    samples = []
    for order in (sorted(texts), sorted(texts, reverse=True), sorted(texts, key=hash)):
        pq.write_table(pa.table({"id": order, "text": [texts[row] for row in order]}), place / "t.parquet", row_group_size=9)
        samples.append(ItemTexts(items(place / "t.parquet", ("text",)), seed=3).sample(limit))
    assert samples[0] == samples[1] == samples[2]
    assert len(samples[0]) <= limit
    wanted = [text for _, text in sorted(texts.items()) if text in set(samples[0])]
    assert samples[0] == wanted  # in id order
    if limit == 100:
        assert len(wanted) == 32
        assert sorted(ItemTexts(items(place / "t.parquet", ("text",)), 0)) == sorted(wanted)
