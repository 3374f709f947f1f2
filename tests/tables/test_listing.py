"""Which files lie behind a location, and what is said of those that do not count."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError
from altool.tables import listing as listings
from altool.tables.listing import READ, listing, partition_values
from altool.tables.read import Reader


class Heard:
    """A console that keeps what it hears."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def info(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def put(path: Path, *ids: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": list(ids), "label": ["cat"] * len(ids)}), path)


def read(location: Path | str) -> tuple[list[str], Heard]:
    heard = Heard()
    reader = Reader(console=heard)
    source = reader.open(str(location), "labels")
    reader.match_ids()
    return sorted(source.read().column("id").to_pylist()), heard


def test_linked_folders_and_files_are_followed_once_each(tmp_path: Path) -> None:
    put(tmp_path / "t/2024/a.parquet", "a")
    put(tmp_path / "disk/2025/b.parquet", "b")
    put(tmp_path / "disk/c.parquet", "c")
    (tmp_path / "t/2025").symlink_to(tmp_path / "disk/2025")
    (tmp_path / "t/again").symlink_to(tmp_path / "disk/2025")
    (tmp_path / "t/2024/round").symlink_to(tmp_path / "t")
    (tmp_path / "t/c.parquet").symlink_to(tmp_path / "disk/c.parquet")
    assert read(tmp_path / "t")[0] == ["a", "b", "c"]


def test_a_folder_by_any_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "log/a.parquet", "a")
    (tmp_path / "log/.lock").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    for location in ("log", "./log", "log/", ".//log//", "../" + tmp_path.name + "/log"):
        assert read(location)[0] == ["a"]


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "t/a.parquet", "a")
    (tmp_path / "t/b.parquet").symlink_to(tmp_path / "gone.parquet")
    for location in (tmp_path / "t", tmp_path / "t/*", tmp_path / "t/b.parquet"):
        with pytest.raises(InputError, match=r"is a link to nothing \(.*gone.parquet\)"):
            read(location)


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "Delta Lake"),
        ("_delta_log/00000000000000000010.checkpoint.parquet", "Delta Lake"),
        ("metadata/v1.metadata.json", "Iceberg"),
        ("metadata/00000-uuid.metadata.json", "Iceberg"),
        (".hoodie/hoodie.properties", "Hudi"),
        ("_versions/1.manifest", "Lance"),
    ],
)
def test_a_table_with_a_log_is_not_a_folder(tmp_path: Path, mark: str, kind: str) -> None:
    put(tmp_path / "t/x=1/a.parquet", "a")
    (tmp_path / "t" / mark).parent.mkdir()
    (tmp_path / "t" / mark).write_text("{}")
    put(tmp_path / "other/b.parquet", "b")
    locations = (tmp_path / "t", tmp_path / "t/x=1", tmp_path / "t/x=1/*.parquet", tmp_path / "t/*", tmp_path, f"file://{tmp_path}/t")
    for location in locations:
        whole = kind in READ and str(location).endswith("/t")  # read by its log, which is damaged here
        problem = "cannot be read" if whole else rf"is (part of )?an? {kind} table: its files also hold rows that were deleted or rewritten"
        with pytest.raises(InputError, match=problem):
            read(location)
    assert read(tmp_path / "other")[0] == ["b"]


def test_other_files_beside_the_tables_are_named_once(tmp_path: Path) -> None:
    put(tmp_path / "t/part-0.parquet", "a")
    for name in ("README.md", "state.json", "notes.txt", "Thumbs.db", "p.png", "part-0.parquet.crc", "index.csv"):
        (tmp_path / "t" / name).write_bytes(b"\0\1" if name[0] in "Tp" else b"{}" if name == "state.json" else b"hello, there\n1,2\n")
    for name in ("_SUCCESS", "_metadata", "._part-0.parquet", ".part-0.parquet.crc"):
        (tmp_path / "t" / name).write_bytes(b"")
    put(tmp_path / "t/_old/x.parquet", "x")
    ids, heard = read(tmp_path / "t")
    assert ids == ["a"]
    (warning,) = heard.warnings
    assert "left out 7 files not part of it" in warning
    assert "and 1 file with a hidden name (_old/x.parquet)" in warning


def test_a_table_of_another_format_counts_where_it_has_the_columns(tmp_path: Path) -> None:
    put(tmp_path / "t/a.parquet", "a")
    (tmp_path / "t/b.csv").write_text("id,label\nb,dog\n")
    (tmp_path / "t/c.jsonl").write_text('{"id": "c", "label": "dog"}\n')
    ids, heard = read(tmp_path / "t")
    assert (ids, heard.warnings) == (["a", "b", "c"], [])


def test_nothing_but_other_files_names_one(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/movie.mp4").write_bytes(b"\0\0\0\x20ftyp")
    with pytest.raises(InputError, match=r"movie.mp4 is neither Parquet") as caught:
        read(tmp_path / "t")
    assert "a glob of the table's own files" in caught.value.hint


def test_hidden_names_alone_are_said(tmp_path: Path) -> None:
    put(tmp_path / "t/_fold=0/a.parquet", "a")
    with pytest.raises(InputError, match=r"only hidden files in it, whose names begin with a dot or an underscore \(_fold=0/a.parquet\)"):
        read(tmp_path / "t")


def test_a_glob_follows_the_rules_of_folders(tmp_path: Path) -> None:
    put(tmp_path / "t/a.parquet", "a")
    put(tmp_path / "t/year=2025/b.parquet", "b")
    (tmp_path / "t/_SUCCESS").write_bytes(b"")
    assert read(tmp_path / "t/*")[0] == ["a", "b"]
    put(tmp_path / "t/_c.parquet", "c")
    assert read(tmp_path / "t/_*.parquet")[0] == ["c"]


def test_values_of_folder_names_are_text(tmp_path: Path) -> None:
    assert partition_values("t/a%20b=%C3%BC%23/id=0001/x.parquet", "t") == {"a b": "ü#", "id": "0001"}
    assert partition_values("t/label=__HIVE_DEFAULT_PARTITION__/x", "t/") == {"label": None}
    assert partition_values("t/x.parquet", "t") == partition_values("label=1/x", "") == {}
    for name in ("01", "1"):
        pq_path = tmp_path / f"h/label={name}/x.parquet"
        pq_path.parent.mkdir(parents=True)
        pq.write_table(pa.table({"id": [f"r{name}"]}), pq_path)
    source = Reader().open(str(tmp_path / "h"), "labels")
    assert sorted(source.read().column("label").to_pylist()) == ["01", "1"]


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def write() -> None:
        with open(tmp_path / "pipe", "wb") as pipe:
            pipe.write(b"id,label\n")
            pipe.flush()
            pipe.write(b"a,cat\n" + b"".join(b"r%d,dog\n" % row for row in range(30_000)))

    threading.Thread(target=write, daemon=True).start()
    assert len(read(tmp_path / "pipe")[0]) == 30_001


def test_a_pipe_without_a_writer_and_a_device_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "PIPE_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"it is a pipe that gave nothing in 0.1 seconds"):
        read(tmp_path / "pipe")
    with pytest.raises(InputError, match="it is a device or a socket, not a file"):
        read("/dev/zero")


def test_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert listing("labels x", str(tmp_path / "empty"), allow_empty=True).paths == []
    for location, message in (("empty", "no files in it"), ("none", "no such file or folder"), ("no*ne", "no such file or folder")):
        with pytest.raises(InputError, match=message):
            listing("labels x", str(tmp_path / location))
    with pytest.raises(InputError, match="cannot be opened"):
        listing("labels x", "nothing://there")
