"""`--export csv` of images that lie in the table: their pictures are beside the sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write
from PIL import Image

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
IDS = ["cat/001.png", "a b?#", "größe", "..", "a-b", "x" * 200, "A-B"]
RANDOM = ("select", "--strategy", "random", "--items", "items.parquet", "--budget")


def encoded(shade: int, form: str, mode: str = "L") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((6, 4), shade, np.uint8)).convert(mode).save(stream, form)
    return stream.getvalue()


def sheet(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def images(tmp_path: Path) -> dict[str, bytes]:
    forms = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"]
    found = {name: encoded(20 * place, form) for place, (name, form) in enumerate(zip(IDS, forms, strict=True))}
    write(pa.table({"id": list(found), "image": list(found.values())}), tmp_path / "items.parquet")
    return found


def test_a_sheet_names_the_pictures_beside_it(altool: Altool, tmp_path: Path, images: dict[str, bytes]) -> None:
    """Before: a sheet of altool_id, suggestion and label, which nobody could fill in."""
    altool(*RANDOM, 7, "-o", "q.parquet", "--export", "csv=rounds/000/todo.csv")
    rows = sheet(tmp_path / "rounds/000/todo.csv")
    assert [row["altool_id"] for row in rows] == pq.read_table(tmp_path / "q.parquet").column("id").to_pylist()
    endings = {"cat/001.png": ".png", "a b?#": ".jpg", "größe": ".gif", "..": ".webp", "a-b": ".bmp", "x" * 200: ".png", "A-B": ".png"}
    for row in rows:
        path = tmp_path / "rounds/000" / row["image"]
        name = {"cat/001.png": "-cat-001", "a b?#": "-a-b", "größe": "-gr-e", "..": "", "x" * 200: "-" + "x" * 80}.get(row["altool_id"])
        expected = f"{row['altool_rank']}{'-' + row['altool_id'] if name is None else name}{endings[row['altool_id']]}"
        assert row["image"] == f"todo.images/{expected}"
        if row["altool_id"] in ("x" * 200, "A-B"):  # TIFF and PPM: no browser shows them
            with Image.open(path) as shown, Image.open(io.BytesIO(images[row["altool_id"]])) as original:
                assert shown.format == "PNG"
                assert np.array_equal(np.asarray(shown.convert("L")), np.asarray(original.convert("L")))
        else:
            assert path.read_bytes() == images[row["altool_id"]]
    folder = tmp_path / "rounds/000/todo.images"
    assert {path.name for path in folder.iterdir()} == {Path(row["image"]).name for row in rows} | {".altool.json"}
    text = (tmp_path / "rounds/000/todo.csv").read_text()
    altool(*RANDOM, 7, "-o", "again.parquet", "--export", "csv=rounds/000/todo.csv", "--overwrite")
    assert (tmp_path / "rounds/000/todo.csv").read_text() == text


def test_the_filled_sheet_is_read_without_the_pictures(altool: Altool, tmp_path: Path, images: dict[str, bytes]) -> None:
    altool(*RANDOM, 4, "-o", "q.parquet", "--export", "csv=todo.csv")
    rows = [{**row, "label": "cat" if row["altool_rank"] != "2" else ""} for row in sheet(tmp_path / "todo.csv")]
    with (tmp_path / "done.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    said = altool(
        "import-labels", "done.csv", "--labels", "labels", "--queries", "q.parquet", "--items", "items.parquet", "--classes", "cat"
    ).said
    assert "imported 3 labels (1 unlabeled)" in said
    assert "warning" not in said


def test_a_new_sheet_keeps_no_old_pictures(altool: Altool, tmp_path: Path, images: dict[str, bytes]) -> None:
    folder = tmp_path / "todo.images"
    altool(*RANDOM, 6, "-o", "q.parquet", "--export", "csv=todo.csv")
    assert len(list(folder.iterdir())) == 7
    (folder / ".DS_Store").write_bytes(b"of the desktop")
    altool(*RANDOM, 2, "--seed", 5, "-o", "q.parquet", "--export", "csv=todo.csv", "--overwrite")
    assert len(list(folder.iterdir())) == 3
    texts = pa.table({"id": list(images), "text": ["a text"] * len(images)})
    write(texts, tmp_path / "texts.parquet")
    altool(*RANDOM[:3], "--items", "texts.parquet", "--budget", 2, "-o", "q.parquet", "--export", "csv=todo.csv", "--overwrite")
    assert not folder.exists()
    assert "image" not in sheet(tmp_path / "todo.csv")[0]


@pytest.mark.parametrize("change", ["added", "edited", "foreign", "linked"])
def test_other_peoples_files_stay(altool: Altool, tmp_path: Path, images: dict[str, bytes], change: str) -> None:
    folder = tmp_path / "todo.images"
    if change == "foreign":
        folder.mkdir()
        (folder / "1-holiday.png").write_bytes(b"mine")
    else:
        altool(*RANDOM, 2, "-o", "q.parquet", "--export", "csv=todo.csv")
        picture = next(path for path in folder.iterdir() if path.name != ".altool.json")
        if change == "added":
            (folder / "mine.png").write_bytes(b"mine")
        elif change == "edited":
            picture.write_bytes(picture.read_bytes() + b"mine")
        else:
            picture.rename(tmp_path / "mine.png")
            picture.symlink_to(tmp_path / "mine.png")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    said = altool(*RANDOM, 3, "-o", "q.parquet", "--export", "csv=todo.csv", "--overwrite", code=2).said
    assert "todo.images exists and is not a folder of a sheet's pictures written by altool" in said
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_sheet_that_cannot_be_written_leaves_the_old_pictures(altool: Altool, tmp_path: Path, images: dict[str, bytes]) -> None:
    altool(*RANDOM, 2, "-o", "q.parquet", "--export", "csv=todo.csv")
    before = {path.name: path.read_bytes() for path in (tmp_path / "todo.images").iterdir()}
    table = pq.read_table(tmp_path / "items.parquet")
    write(table.append_column("text", pa.array(["with NUL \0"] * len(images))), tmp_path / "items.parquet")
    altool(*RANDOM, 5, "-o", "q.parquet", "--export", "csv=todo.csv", "--overwrite", code=3)
    assert {path.name: path.read_bytes() for path in (tmp_path / "todo.images").iterdir()} == before


def test_an_image_that_cannot_be_decoded_is_said(altool: Altool, tmp_path: Path) -> None:
    write(pa.table({"id": [1, 2], "image": [encoded(9, "PNG"), b"II*\0 and no more"]}), tmp_path / "items.parquet")
    said = altool(*RANDOM, 2, "-o", "q.parquet", "--export", "csv=todo.csv").said
    assert "warning: --export csv: 1 query with an image that cannot be decoded (ids 2)" in said
    assert sorted(bool(row["image"]) for row in sheet(tmp_path / "todo.csv")) == [False, True]


def test_standard_output_has_no_folder_beside_it(altool: Altool, tmp_path: Path, images: dict[str, bytes]) -> None:
    result = altool(*RANDOM, 3, "-o", "q.parquet", "--export", "csv=-")
    assert "the pictures of 3 queries are left out, as they lie beside a sheet; give a path" in result.said
    assert "image" not in result.text.splitlines()[0].split(",")
    altool(*RANDOM, 3, "-o", "q2.parquet", "--export", f"csv=file://{tmp_path}/to%20do.csv")
    assert (tmp_path / "to do.images").is_dir()
    assert sheet(tmp_path / "to do.csv")[0]["image"].startswith("to do.images/1-")
    altool(*RANDOM, 3, "-o", "q3.parquet", "--export", "csv=sheet")
    assert (tmp_path / "sheet.images").is_dir()


def test_a_sheet_of_paths_has_no_pictures(altool: Altool, tmp_path: Path, images: dict[str, bytes]) -> None:
    (tmp_path / "pics").mkdir()
    for number in range(3):
        (tmp_path / f"pics/{number}.png").write_bytes(encoded(number, "PNG"))
    altool("select", "--strategy", "random", "--items", "pics", "--budget", 2, "-o", "q.parquet", "--export", "csv=todo.csv")
    assert not (tmp_path / "todo.images").exists()
    assert {"path"} == {"path", "image"} & set(sheet(tmp_path / "todo.csv")[0])


def test_the_pictures_are_neither_an_input_nor_in_one(altool: Altool, tmp_path: Path, images: dict[str, bytes]) -> None:
    (tmp_path / "items.parquet").rename(tmp_path / "todo.images")
    images_ = ("--items", "todo.images", "--export", "csv=todo.csv")
    said = altool("select", "--strategy", "random", *images_, "--budget", 2, "-o", "q", code=2).said
    assert "--export csv todo.images is a file, not a folder" in said
