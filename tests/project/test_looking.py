"""What `altool init` sees in items: the ids, and what is labeled; and what it does not guess."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import Recorder, write
from PIL import Image

from altool.errors import InputError, UsageError
from altool.project import looking
from altool.project.looking import Seen

pytestmark = pytest.mark.slow


def picture(width: int = 5, height: int = 9) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, "PNG")
    return stream.getvalue()


def look(location: Path | str, **given: str) -> Seen:
    return looking.look(str(location), given, allow_outside=False, console=Recorder())


def seen(folder: Path, columns: dict[str, list[Any]], **given: str) -> tuple[str, str, str, str]:
    """(id, kind, column, --columns) of a Parquet table of these columns."""
    found = look(write(pa.table(columns), folder / "items.parquet"), **given)
    return found.id, found.kind, found.column, found.columns


def refusal(folder: Path, columns: dict[str, list[Any]], **given: str) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        seen(folder, columns, **given)
    return caught.value.message.removeprefix(f"items {folder}/items.parquet"), caught.value.hint


def test_columns_by_the_contracts_names_are_taken(tmp_path: Path) -> None:
    words = ["a b", "c"]
    assert seen(tmp_path, {"id": [1, 2], "text": words, "key": [1, 2], "note": words}) == ("id", "text", "text", "")
    assert seen(tmp_path, {"id": ["a", "b"], "image": [picture()] * 2, "label": words}) == ("id", "image", "image", "")
    assert seen(tmp_path, {"id": ["a", "b"], "image": [picture()] * 2, "path": ["a.png", "b.png"]}) == ("id", "image", "image", "")


@pytest.mark.parametrize("name", ["item_id", "uuid", "image-key", "customerId", "altool_id", "ID"])
def test_a_column_that_is_named_like_ids_is_the_id(tmp_path: Path, name: str) -> None:
    assert seen(tmp_path, {name: [1, 2], "text": ["a b", "c"]}) == (name, "text", "text", f"id={name}")


def test_of_two_columns_named_like_ids_the_unique_one_is_the_id(tmp_path: Path) -> None:
    table = {"user_id": [1, 1], "post_id": [3, 4], "text": ["a b", "c"]}
    assert seen(tmp_path, table)[0] == "post_id"
    assert seen(tmp_path, {**table, "post_id": [3, None], "filename": ["a.txt", "b.txt"]})[0] == "filename"
    message, hint = refusal(tmp_path, {**table, "user_id": [1, 2]})
    assert message == ": 2 columns may be the ids (user_id, post_id); it has user_id, post_id, text"
    assert hint == "name one: --id user_id"
    assert seen(tmp_path, {**table, "user_id": [1, 2]}, id="user_id")[0] == "user_id"


def test_without_ids_nothing_is_made_up(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"text": ["a b", "c"]}) == (": no column 'id' (it has text)", "name the column of unique ids: --id NAME")
    message, hint = refusal(tmp_path, {"id": [1, 1], "text": ["a b", "c"]})
    assert message == ", column 'id': 1 duplicate id (1)"
    assert hint == "keep one row per id; or name another column of ids: --id NAME"
    assert refusal(tmp_path, {"key": [1, None], "text": ["a b", "c"]})[0] == ", column 'id': 1 row without an id"
    assert refusal(tmp_path, {"key": [0.5, 1], "text": ["a b", "c"]})[0] == ": no column 'id' (it has key, text)"


def test_an_id_of_another_type_is_passed_over_where_one_is_named(tmp_path: Path) -> None:
    assert seen(tmp_path, {"id": [0.5, 1.5], "key": [1, 2], "text": ["a b", "c"]}, id="key")[3] == "id=key"


def test_the_only_column_of_words_is_the_text(tmp_path: Path) -> None:
    table = {
        "id": [1, 2],
        "title": ["a b", "c d"],
        "price": ["1.50", "2"],
        "when": ["2020-01-01", "2021-02-03"],
        "page": ["https://a.example/x", "https://a.example/y"],
        "file": ["in/a.txt", "in/b.txt"],
        "count": [1, 2],
    }
    assert seen(tmp_path, table) == ("id", "text", "title", "text=title")
    message, hint = refusal(tmp_path, {**table, "body": ["x y", "z"]})
    assert (message, hint) == (": 2 columns may be what is labeled (title, body)", "name one: --text title")
    assert seen(tmp_path, {**table, "body": ["x y", "z"]}, text="body")[3] == "text=body"
    assert refusal(tmp_path, {"id": [1, 2], "count": [3, 4]})[0] == ": no column of images, paths or texts (it has id, count)"


def test_a_text_and_an_image_are_two_readings(tmp_path: Path) -> None:
    table = {"id": [1, 2], "image": [picture()] * 2, "text": ["a b", "c"]}
    assert refusal(tmp_path, table) == (": 2 columns may be what is labeled (image, text)", "name one: --image image")
    assert seen(tmp_path, table, text="text") == ("id", "text", "text", "")
    assert seen(tmp_path, table, image="image") == ("id", "image", "image", "")


def test_paths_of_images_are_told_by_their_endings(tmp_path: Path) -> None:
    (tmp_path / "a.PNG").write_bytes(picture())
    assert seen(tmp_path, {"key": [1, 2], "picture": ["a.PNG", "gone.jpg"]}) == ("key", "path", "picture", "id=key,path=picture")
    assert seen(tmp_path, {"id": [1, 2], "image": ["a.PNG", "a.PNG"]}) == ("id", "path", "image", "path=image,image=")
    assert seen(tmp_path, {"file_name": ["a.PNG", "b.png"]}) == ("file_name", "path", "file_name", "id=file_name,path=file_name")


def test_bytes_are_an_image_but_a_digest_is_not(tmp_path: Path) -> None:
    digest = pa.array([b"0" * 16, b"1" * 16], pa.binary(16))
    assert seen(tmp_path, {"id": [1, 2], "scan": [picture()] * 2, "md5": digest})[2:] == ("scan", "image=scan")


def test_sizes_are_those_of_pictures(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3], "image": [picture(), b"", picture(4, 3)]})
    assert look(write(table, tmp_path / "items.parquet")) == Seen(3, "id", 1, "image", "image", "", 9)
    assert refusal(tmp_path, {"id": [1], "image": [b"x"]})[0] == (
        ", column 'image': none of the first 1 picture can be read (not an image of a known format)"
    )
    message, hint = refusal(tmp_path, {"id": [1, 2], "path": ["a.png", "b.png"]})
    assert message == ", column 'path': none of the first 2 pictures can be read (no such file)"
    assert hint == "check the paths, which are relative to the table's folder"
    message, hint = refusal(tmp_path, {"id": [1, 2], "path": ["../a.png", "b.png"]})
    assert "out of the table's folder" in message
    assert hint == "give --allow-outside if they are meant"


def test_a_folder_of_images(tmp_path: Path) -> None:
    for name in ("b.png", "in/a.JPG"):
        (tmp_path / "pics" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pics" / name).write_bytes(picture())
    assert look(tmp_path / "pics") == Seen(2, "id", "b.png", "path", "path", "", 9, files=True)
    (tmp_path / "pics/items.csv").write_text("key,words\n1,a b\n2,c\n")
    assert look(tmp_path / "pics").columns == "id=key,text=words"


def test_csv_and_json_lines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("item_id;title;n\n007;a b;1\n8;c;2\n")
    assert look(tmp_path / "t.csv") == Seen(2, "item_id", "007", "text", "title", "id=item_id,text=title", None)
    (tmp_path / "t.jsonl").write_text('{"item_id": 7, "title": "a b"}\n{"item_id": 8, "title": "c"}\n')
    assert look(tmp_path / "t.jsonl").first == 7


def test_what_a_project_cannot_read_again_is_refused() -> None:
    for location in ("-", "/dev/null"):
        with pytest.raises(UsageError, match="a project reads its items again every round"):
            look(location)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"id": [1], "text": ["a"]}, text="body") == (": no column 'body' (it has id, text)", "correct --text")
    assert refusal(tmp_path, {"id": [1], "a,b": ["c d"]})[0] == ", column 'a,b': a name with a comma cannot be given in --columns"


@pytest.mark.slow
def test_a_million_rows_are_checked(tmp_path: Path) -> None:
    rows = 1_000_000
    table = {"id": [f"r{row}" for row in range(rows)], "text": ["a b"] * rows}
    write(pa.table(table), tmp_path / "items.parquet")
    assert look(tmp_path / "items.parquet").rows == rows
    assert "1 duplicate id" in refusal(tmp_path, {**table, "id": [*table["id"][:-1], "r0"]})[0]
