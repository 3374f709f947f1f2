"""A folder, or a glob, of images as an items table."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError
from altool.payloads.reading import read as content
from altool.tables import files, outputs
from altool.tables.items import Items
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source

pytestmark = pytest.mark.slow


class Heard:
    """A console that keeps its warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def info(self, text: str) -> None:
        raise AssertionError(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def put(folder: Path, *names: str) -> None:
    """Files whose content is their name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def opened(location: Path | str, kind: str = "items") -> tuple[Source, list[str]]:
    heard = Heard()
    reader = Reader(console=heard)
    source = reader.open(str(location), kind)
    reader.match_ids()
    return source, heard.warnings


def ids(location: Path | str) -> list[str]:
    source, warnings = opened(location)
    assert not warnings
    table = source.read(["id", "path"])
    assert table.column("id").equals(table.column("path"))
    return list(table.column("id").to_pylist())


ODD = ["a b.png", "a#1.png", "a%20b.png", "a?.png", "a[1].png", "ä.png", "line\nbreak.png", "x=1.png"]


def test_a_row_for_each_image_below_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["B.JPG", "a.png", "cat/1.jpeg", "cat/deep/2.tif", "cat-3.bmp", "dog/4.WebP", "dog/5.gif", "dog/6.tiff"]
    put(tmp_path / "pics", *names, ".hidden.png", ".thumbs/7.png")
    put(tmp_path / "pics", "._a.png")  # macOS leaves it beside a.png
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics/.hidden.png").unlink()
    (tmp_path / "pics/.thumbs/7.png").unlink()
    for location in ("pics", "pics/", "./pics", "pics//", tmp_path / "pics", f"file://{tmp_path}/pics", "../" + tmp_path.name + "/pics"):
        assert ids(location) == sorted(names), location
        source, _ = opened(location)
        rows = [row for batch in Items(source, ("image", "path")).payloads() for row in batch]
        assert [content(row).decode() for row in rows] == sorted(names), location


def test_a_glob_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "pics", "a.png", "b.jpg", "cat/c.png", "cat/deep/d.png")
    monkeypatch.chdir(tmp_path)
    every = ["a.png", "cat/c.png", "cat/deep/d.png"]
    for start in ("pics", "./pics", str(tmp_path / "pics"), f"file://{tmp_path}/pics"):
        assert ids(f"{start}/**/*.png") == every, start
        assert ids(f"{start}/*.png") == ["a.png"]
        assert ids(f"{start}/c*/*.png") == ["cat/c.png"]
        assert ids(f"{start}/*") == ["a.png", "b.jpg", "cat/c.png", "cat/deep/d.png"]
        rows = [row for batch in Items(opened(f"{start}/c*/*.png")[0], ("path",)).payloads() for row in batch]
        assert [content(row) for row in rows] == [b"cat/c.png"]
    monkeypatch.chdir(tmp_path / "pics")
    assert ids("**/*.png") == every
    assert ids("*.png") == ["a.png"]


def test_names_that_are_no_plain_words(tmp_path: Path) -> None:
    put(tmp_path / "pics #1?", *ODD)
    assert ids(tmp_path / "pics #1?") == sorted(ODD)
    rows = [row for batch in Items(opened(tmp_path / "pics #1?")[0], ("path",)).payloads() for row in batch]
    assert [content(row).decode() for row in rows] == sorted(ODD)


def test_a_name_that_is_not_utf_8_is_refused_by_name(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(b"x")
    with pytest.raises(InputError, match=r"the file name caf\\xe9.png is not UTF-8") as caught:
        opened(tmp_path)
    assert caught.value.hint == "rename the file"


def test_other_files_are_left_out_and_counted_once(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png", "notes.txt", "Thumbs.db", "sub/coco.json", "_old.png", "_cache/c.png", ".DS_Store")
    (tmp_path / "labels.csv").write_text("filename,label\na.png,ant\n")  # no table of items: it has no ids
    source, warnings = opened(tmp_path)
    assert source.read(["id"]).column("id").to_pylist() == ["a.png", "b.png"]
    left_out = "4 files without an image's name (Thumbs.db, labels.csv, notes.txt and 1 more)"
    assert warnings == [f"items {tmp_path}: left out {left_out} and 2 files with a hidden name (_cache/c.png, _old.png)"]


def test_only_table_files_are_opened_beside_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.png", "b.txt", "c", "d.xml")
    (tmp_path / "e.csv").write_text("filename,label\na.png,ant\n")
    known, seen = files.fragment, []
    monkeypatch.setattr(files, "fragment", lambda label, path, *rest: (seen.append(os.path.basename(path)), known(label, path, *rest))[1])
    opened(tmp_path)
    assert seen == ["e.csv"]


def test_tables_among_images_are_the_table(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "sub/b.png")
    pq.write_table(pa.table({"id": ["r"], "path": ["a.png"]}), tmp_path / "items.parquet")
    source, (warning,) = opened(tmp_path)
    assert source.read().to_pylist() == [{"id": "r", "path": "a.png"}]
    assert "left out 2 files not part of it (a.png, sub/b.png); it holds tables and 2 images: the tables are taken" in warning
    assert warning.endswith(f"to take the images: --items '{tmp_path}/**/*.png'")
    assert ids(f"{tmp_path}/**/*.png") == ["a.png", "sub/b.png"]
    (tmp_path / "items.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"items.parquet is cut off|items.parquet cannot be read") as caught:
        opened(tmp_path)
    assert caught.value.hint.endswith(f"; or to take the images: --items '{tmp_path}/**/*.png'")


@pytest.mark.parametrize("kind", ["labels", "features", "queries", "predictions", "ids"])
def test_other_tables_are_no_folders_of_images(tmp_path: Path, kind: str) -> None:
    put(tmp_path, *(f"{number}.png" for number in range(5)))
    for location in (tmp_path, f"{tmp_path}/*.png"):
        with pytest.raises(InputError, match=rf"found 5 images \(.*0.png, .*1.png, .*2.png and 2 more\), expected a table of {kind}"):
            opened(location, kind)


def test_images_beside_another_table_say_nothing_of_its_faults(tmp_path: Path) -> None:
    put(tmp_path, "chart.png")
    (tmp_path / "labels.csv").write_text("id,class\na,ant\n")
    with pytest.raises(InputError, match=r"no column 'label' \(it has id, class\)"):
        opened(tmp_path, "labels")


def test_one_image_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "pics/a.png")
    monkeypatch.chdir(tmp_path)
    for location, folder in (("pics/a.png", "pics"), ("./pics/../pics/a.png", "./pics/../pics")):
        with pytest.raises(InputError, match="one image, expected a table or a folder of images") as caught:
            opened(location)
        assert caught.value.hint == f"give its folder: --items {folder}"
    assert ids("pics/a*.png") == ["a.png"]  # a glob of one
    with pytest.raises(InputError, match="one image"):
        opened(f"file://{tmp_path}/pics/a.png")


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    put(tmp_path, "pics/a.png", "other/b.png", "other/more/c.png")
    (tmp_path / "pics/in.png").symlink_to("a.png")
    assert len(Items(opened(tmp_path / "pics")[0], ("path",))) == 2
    (tmp_path / "pics/out.png").symlink_to(tmp_path / "other/b.png")
    (tmp_path / "pics/more").symlink_to(tmp_path / "other/more")
    assert ids(tmp_path / "pics") == ["a.png", "in.png", "more/c.png", "out.png"]
    with pytest.raises(InputError, match=r"2 rows with a path out of the table's folder \(ids more/c.png, out.png\)") as caught:
        Items(opened(tmp_path / "pics")[0], ("path",))
    assert "--allow-outside" in caught.value.hint
    found = Items(opened(tmp_path / "pics")[0], ("path",), allow_outside=True)
    assert [content(row) for batch in found.payloads() for row in batch][2:] == [b"other/more/c.png", b"other/b.png"]
    (tmp_path / "pics/again").symlink_to(tmp_path / "pics")  # each real folder once
    (tmp_path / "pics/gone.png").symlink_to("nothing.png")
    with pytest.raises(InputError, match=r"gone.png is a link to nothing \(nothing.png\)"):
        opened(tmp_path / "pics")


def test_hidden_images_alone_are_said(tmp_path: Path) -> None:
    put(tmp_path, "_DSC1.JPG", "_DSC2.JPG")
    with pytest.raises(InputError, match=r"only hidden files in it, .* \(_DSC1.JPG, _DSC2.JPG\)"):
        opened(tmp_path)


def test_no_image_is_looked_up_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may hold millions: its listing alone tells files from folders and links."""
    put(tmp_path, *(f"{number % 3}/{number}.png" for number in range(30)))
    looked_up: list[str] = []
    for name in ("stat", "lstat"):
        known = getattr(os, name)
        monkeypatch.setattr(os, name, lambda path, *rest, known=known, **more: (looked_up.append(str(path)), known(path, *rest, **more))[1])
    assert len(Items(opened(tmp_path)[0], ("path",))) == 30
    outputs.check([Output("--output", f"{tmp_path}.parquet", "features")], [("--items", str(tmp_path))])
    assert looked_up
    assert not [path for path in looked_up if path.endswith(".png")]
