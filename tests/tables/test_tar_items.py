"""Tars as WebDataset has them, and the folders of img2dataset, as tables of items."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError
from altool.payloads.reading import Unusable
from altool.payloads.reading import read as content
from altool.selection.contents import Contents
from altool.tables.items import Items, ItemTexts, some
from altool.tables.read import Reader, Source
from altool.tables.tar_index import entries

PNG = b"\x89PNG..."


class Heard:
    """A console that keeps what it hears."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(f"warning: {text}")


def tar(path: Path, files: Mapping[str, bytes] | Sequence[tuple[str, bytes]], mtime: float = 1.5, **options: Any) -> Path:
    """A tar as webdataset.TarWriter writes it: a time with a fraction, and so a pax header before each member."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as file:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), mtime
            file.addfile(member, io.BytesIO(data))
    return path


def opened(location: Path | str, columns: str | None = None) -> tuple[Source, list[str]]:
    heard = Heard()
    reader = Reader(columns, console=heard)
    source = reader.open(str(location), "items")
    reader.match_ids()
    return source, heard.said


def held(source: Source, *wanted: str) -> dict[Any, Any]:
    """{id: what its payload holds, or why not} of the items, in file order."""
    items = Items(source, wanted or ("image", "path"))
    found = []
    for payload in (one for rows in items.payloads() for one in rows):
        try:
            found.append(content(payload))
        except Unusable as error:
            found.append(str(error))
    return dict(zip(items.ids.to_pylist(), found, strict=True))


SAMPLES = {"a.png": PNG, "a.txt": "ein Ü".encode(), "a.cls": b"3", "a.json": b'{"caption": "x", "n": {"k": 7}}'}
SAMPLES |= {"b.png": b"b", "b.txt": b"two"}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("mtime", [1.5, 7])
def test_the_members_lie_where_tarfile_finds_them(tmp_path: Path, form: int, mtime: float) -> None:
    long = "d" * 90 + "/" + "n" * 60 + ".png"  # beyond the 100 bytes of a plain header
    names = {"plain.png": PNG, long: b"x" * 1000, "empty.txt": b"", "sub/b.c.png": b"y" * 512}
    if form != tarfile.USTAR_FORMAT:
        names |= {"ü/" + "ö" * 120 + ".jpg": b"z"}
    path = tar(tmp_path / "a.tar", names, mtime, format=form)
    with tarfile.open(path) as file:
        wanted = [(one.name, one.offset_data, one.size) for one in file]
    assert [(one.name, one.offset, one.size) for one in entries(str(path))] == wanted


def test_a_row_for_each_key(tmp_path: Path) -> None:
    source, said = opened(tar(tmp_path / "a.tar", SAMPLES))
    assert said == []
    table = source.read(["id", "image", "text"])
    assert table.to_pydict() == {"id": ["a", "b"], "image": [PNG, b"b"], "text": ["ein Ü", "two"]}
    assert held(source) == {"a": PNG, "b": b"b"}
    assert held(source, "text") == {"a": "ein Ü".encode(), "b": b"two"}
    assert ItemTexts(Items(source, ["text"]), 0).sample(9) == ["ein Ü", "two"]


@pytest.mark.parametrize(
    ("columns", "found"),
    [("text=cls", ["3", None]), ("text=json.caption", ["x", None]), ("text=json.n.k", ["7", None]), ("id=tar_key", ["ein Ü", "two"])],
)
def test_other_members_are_columns(tmp_path: Path, columns: str, found: list[str | None]) -> None:
    source, _ = opened(tar(tmp_path / "a.tar", SAMPLES), columns)
    assert source.read(["text"]).column("text").to_pylist() == found
    if columns.startswith("id"):
        assert source.read(["id"]).column("id").to_pylist() == ["a.tar/a", "a.tar/b"]


def test_a_folder_a_glob_and_standard_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar(tmp_path / "set/00000.tar", {"0.jpg": b"0", "0.txt": b"null", "1.jpeg": b"1"})
    tar(tmp_path / "set/deep/00001.tar", {"./d/2.png": b"2", "d/": b"", "__MACOSX/._2.png": b"?", ".hidden.png": b"?"})
    monkeypatch.chdir(tmp_path)
    for location in ("set", "set/", "set/**/*.tar", "set/../set", f"file://{tmp_path}/set"):
        source, said = opened(location)
        assert held(source) == {"0": b"0", "1": b"1", "d/2": b"2"}, location
        assert said == []
    assert held(opened("set/*.tar")[0]) == {"0": b"0", "1": b"1"}
    (tmp_path / "set/noname").write_bytes((tmp_path / "set/00000.tar").read_bytes())
    assert held(opened("set/noname")[0]) == {"0": b"0", "1": b"1"}  # alone a tar is known by its content


def test_keys_of_several_tars(tmp_path: Path) -> None:
    for name in ("x.tar", "y.tar"):
        tar(tmp_path / name, {"a.jpg": name.encode()})
    with pytest.raises(InputError, match=r"1 key in more than one tar \(a in x.tar and y.tar\)") as caught:
        opened(tmp_path)
    assert caught.value.hint == "take the tar into the id: --columns id=tar_key"
    assert held(opened(tmp_path, "id=tar_key")[0]) == {"x.tar/a": b"x.tar", "y.tar/a": b"y.tar"}


def test_what_has_no_partner_is_said(tmp_path: Path) -> None:
    source, said = opened(tar(tmp_path / "a.tar", {"a.jpg": b"a", "b.txt": b"b", "README": b"?", "c.jpg": b"c"}))
    name = f"items {tmp_path}/a.tar"
    assert said == [f"warning: {name}: left out 1 member without a dot in the name (README)", f"{name}: 1 key without an image (b)"]
    assert held(source) == {"a": b"a", "b": "null", "c": b"c"}


def test_members_of_a_key_need_not_follow_each_other(tmp_path: Path) -> None:
    source, _ = opened(tar(tmp_path / "a.tar", {"a.jpg": b"a", "b.jpg": b"b", "b.txt": b"B", "a.txt": b"A"}))
    assert source.read(["id", "image", "text"]).to_pydict() == {"id": ["a", "b"], "image": [b"a", b"b"], "text": ["A", "B"]}


def test_two_images_of_a_key_are_never_chosen_between(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.jpg": b"a", "a.seg.png": b"s"})
    with pytest.raises(InputError, match=r"no column 'image' or 'path' \(it has id, jpg, seg.png, tar_key\)") as caught:
        held(opened(path)[0])
    assert "--columns image=NAME" in caught.value.hint
    assert held(opened(path, "image=seg.png")[0]) == {"a": b"s"}


def link(name: str, to: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def test_links(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.jpg": b"a"})
    with tarfile.open(path, "a") as file:
        file.addfile(link("b.jpg", "a.jpg", tarfile.LNKTYPE))
    assert held(opened(path)[0]) == {"a": b"a", "b": b"a"}
    with tarfile.open(path, "a") as file:
        file.addfile(link("c.jpg", "/etc/passwd", tarfile.SYMTYPE))
    with pytest.raises(InputError, match=r"1 member without content of its own, such as a link to a file \(c.jpg\)") as caught:
        opened(path)
    assert "--dereference" in caught.value.hint


@pytest.mark.parametrize("name", ["/etc/a.jpg", "../a.jpg", "x/../../a.jpg"])
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"1 member with a name that leads out of the tar \("):
        opened(tar(tmp_path / "a.tar", {"b.jpg": b"b", name: b"a"}))


def test_a_name_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 name of more than one member \(a.jpg\)"):
        opened(tar(tmp_path / "a.tar", [("a.jpg", b"1"), ("a.jpg", b"2")]))


def test_a_tar_that_is_cut_off_anywhere(tmp_path: Path) -> None:
    whole = tar(tmp_path / "a.tar", {"a.jpg": b"a" * 700, "b.jpg": b"b"}).read_bytes()
    cut = tmp_path / "cut.tar"
    end = len(whole.rstrip(b"\0"))
    for size in [*range(0, end, 311), *range(0, end, 512)]:
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut\.tar:? (it )?(is|cannot)|cut off|empty|damaged"):
            opened(cut)
    damaged = bytearray(whole)
    damaged[10] ^= 1
    cut.write_bytes(damaged)
    with pytest.raises(InputError, match="the header at byte 0 is damaged"):
        opened(cut)
    cut.write_bytes(whole + whole)
    with pytest.raises(InputError, match="more follows behind its end") as caught:
        opened(cut)
    assert caught.value.hint == "join tars with tar --concatenate, not with cat"


def test_a_tar_that_is_cut_off_later(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.jpg": b"a" * 7000, "b.jpg": b"b" * 7000})
    source, _ = opened(path)
    items = Items(source, ["image"])
    os.truncate(path, 9000)
    a, b = (row for rows in items.payloads() for row in rows)
    assert content(a) == b"a" * 7000
    with pytest.raises(Unusable, match="the file ends before it"):
        content(b)
    with pytest.raises(InputError, match=r"a\.tar is damaged"):
        source.read(["image"])


@pytest.mark.parametrize("ending", [".tar.gz", ".tgz"])
def test_compressed_tars_are_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    with tarfile.open(path, "w:gz") as file:
        file.addfile(tarfile.TarInfo("a.jpg"))
    for location in (path, tmp_path):
        with pytest.raises(InputError, match=f"a{ending} is a compressed tar, of which no member can be read alone") as caught:
            opened(location)
        assert caught.value.hint.startswith("unpack it to a tar: gunzip")


def test_faulty_texts_are_named(tmp_path: Path) -> None:
    source, _ = opened(tar(tmp_path / "a.tar", {"a.txt": b"\xff"}))
    with pytest.raises(InputError, match="a: its text is not UTF-8"):
        source.read(["text"])
    source, _ = opened(tar(tmp_path / "b.tar", {"a.json": b"{"}), "text=json.x")
    with pytest.raises(InputError, match="a: its json is not JSON"):
        source.read(["text"])


def test_images_and_tables_win_over_a_tar_beside_them(tmp_path: Path) -> None:
    tar(tmp_path / "pics/backup.tar", {"a.jpg": b"a"})
    (tmp_path / "pics/x.png").write_bytes(PNG)
    source, said = opened(tmp_path / "pics")
    assert held(source) == {"x.png": PNG}
    assert "left out 1 file without an image's name (backup.tar)" in said[0]
    tar(tmp_path / "table/a.tar", {"a.jpg": b"a"})
    pq.write_table(pa.table({"id": ["t"], "text": ["t"]}), tmp_path / "table/t.parquet")
    source, said = opened(tmp_path / "table")
    assert source.read(["id"]).column("id").to_pylist() == ["t"]
    assert said[0].endswith("the tables are taken; to take the tars: --items '" + f"{tmp_path}/table/**/*.tar'")


def test_texts_in_files_beside_images(tmp_path: Path) -> None:
    for name in ("a.png", "a.txt", "sub/b.jpg", "sub/b.txt", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    for location in (tmp_path, f"{tmp_path}/**/*.*g"):
        source, said = opened(location, "text=txt")
        assert said == []
        assert source.read(["id", "text"]).to_pydict() == {"id": ["a.png", "c.png", "sub/b.jpg"], "text": ["a.txt", None, "sub/b.txt"]}
    (tmp_path / "a.txt").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"a\.txt.*UTF-8"):
        opened(tmp_path, "text=txt")


def test_only_the_rows_that_are_wanted_are_read(tmp_path: Path) -> None:
    tar(tmp_path / "x.tar", {f"{n}.jpg": f"{n}".encode() for n in range(20)})
    tar(tmp_path / "y.tar", {f"y{n}.jpg": f"{n}".encode() for n in range(20)})
    source, _ = opened(tmp_path)
    few = some(source, pa.array(["3", "y7"]))
    assert [len(one.keys) for one in few.fragments] == [1, 1]
    rows = list(Contents(source).rows(pa.array(["y7", "3", "gone"])))
    assert rows == [("3", "image", b"3"), ("y7", "image", b"7")]
    kept = Items(source, ["image"]).without(pa.chunked_array([pa.array([f"{n}" for n in range(19)])]))
    assert [content(one) for rows_ in kept.payloads() for one in rows_][:3] == [b"19", b"0", b"1"]


def downloaded(folder: Path, form: str) -> None:
    """Two shards as img2dataset writes them, of which one row could not be fetched."""
    for shard in range(2):
        keys = [f"{shard:05d}{row:04d}" for row in range(3)]
        table = pa.table(
            {
                "url": [f"https://x/{key}" for key in keys],
                "caption": [f"text {key}" for key in keys],
                "key": keys,
                "status": ["success", "failed_to_download", "success"],
                "error_message": [None, "404", None],
                "width": [1, None, 1],
            }
        )
        files = {f"{key}.{ending}": f"{key}.{ending}".encode() for key in (keys[0], keys[2]) for ending in ("jpg", "txt", "json")}
        folder.mkdir(exist_ok=True)
        stem = folder / f"{shard:05d}"
        (folder / f"{stem.name}_stats.json").write_text(json.dumps({"count": 3}))
        if form == "webdataset":
            tar(Path(f"{stem}.tar"), files)
        elif form == "files":
            stem.mkdir()
            for name, data in files.items():
                (stem / name).write_bytes(data)
        else:
            table = table.append_column("jpg", pa.array([f"{keys[0]}.jpg".encode(), None, f"{keys[2]}.jpg".encode()]))
        pq.write_table(table, f"{stem}.parquet", row_group_size=2)


@pytest.mark.parametrize("form", ["files", "webdataset", "parquet"])
def test_img2dataset(tmp_path: Path, form: str) -> None:
    downloaded(tmp_path / "set", form)
    source, said = opened(tmp_path / "set")
    keys = ["000000000", "000000002", "000010000", "000010002"]
    assert held(source) == {key: f"{key}.jpg".encode() for key in keys}
    lost = f"items {tmp_path}/set: left out 2 rows that img2dataset could not fetch"
    assert said == ([] if form == "webdataset" else [lost])
    texts = source.read(["text"]).column("text").to_pylist()
    assert texts == [f"{key}.txt" if form == "webdataset" else f"text {key}" for key in keys]
    if form == "files":
        assert source.read(["path"]).column("path").to_pylist()[0] == "00000/000000000.jpg"
        one, _ = opened(tmp_path / "set/00001.parquet")
        assert held(one) == {key: f"{key}.jpg".encode() for key in keys[2:]}
    if form != "webdataset":
        (_, batch), *_ = source.as_they_are(["url", "width"])
        assert batch.column("url").to_pylist() == ["https://x/000000000"]


@pytest.mark.slow
def test_the_library_itself_reads_the_same(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        for number in range(5):
            writer.write({"__key__": f"k/{number:03d}", "jpg": f"{number}".encode() * 999, "cls": f"{number}", "txt": f"text {number}"})
    wanted = {one["__key__"]: one for one in webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False)}
    source, _ = opened(tmp_path / "a.tar", "text=cls")
    assert held(source) == {key: one["jpg"] for key, one in wanted.items()}
    assert source.read(["text"]).column("text").to_pylist() == [one["cls"].decode() for one in wanted.values()]
