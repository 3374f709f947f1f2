"""The labeling page as bytes: what is in it, what its policy allows, and what select says of it. Its keys are pressed next door."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import Page, write
from PIL import Image

from altool import documents
from altool.errors import InputError
from altool.formats import html
from altool.labels.exchange import Task

pytestmark = pytest.mark.slow

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "&lt;b&gt;",
    "{{ 7 * 7 }}",
    "\u202eright to left",
    "a\nb\r\nc\td",
    "😀",
)


def picture(width: int, height: int, format: str = "PNG") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def page(*tasks: Task, classes: tuple[str, ...] = ("ant", "bee")) -> str:
    return html.write(tasks, classes)[""].decode()


def data(text: str) -> dict[str, Any]:
    (content,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    return json.loads(content)


def test_the_page_is_one_document_of_which_its_policy_lets_only_its_own_script_and_style_run() -> None:
    text = page(Task("a", 1, 3, text="one"))
    parsed = Page(text)
    (policy,) = (value for name, value in parsed.attributes if name == "content" and "default-src" in str(value))
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    assert rules.keys() == {"default-src", "img-src", "style-src", "script-src", "base-uri", "form-action"}
    assert (rules["default-src"], rules["img-src"]) == ("'none'", "data:")
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name == "style"]
    addresses = [value for name, value in parsed.attributes if name in ("src", "href", "action")]
    assert addresses == []


def test_the_script_makes_no_markup_of_what_it_shows() -> None:
    script = documents.source("altool.formats", "labeling_page", "page.js")
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|\bfetch\b|XMLHttp", script)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_are_data_and_nothing_else(hostile: str) -> None:
    plain = Page(page(Task("a", 1, 3, text="one", suggested_label="ant")))
    text = page(Task(hostile, 1, 3, text=hostile, suggested_label=hostile, fault=hostile), classes=(hostile, "bee"))
    parsed = Page(text)
    assert parsed.tags == plain.tags
    assert "<!--" not in text.split("<body>")[1]
    (row,) = data(text)["rows"]
    assert row == {"id": hostile, "round": 3, "rank": 1, "text": hostile, "suggestion": hostile, "fault": hostile}
    assert data(text)["classes"] == [hostile, "bee"]


def test_half_a_character_is_an_escape() -> None:
    assert data(page(Task("a", 1, 3, text="half \ud83d")))["rows"][0]["text"] == "half \ud83d"


def test_ids_are_texts_for_scripts_read_integers_as_doubles() -> None:
    assert data(page(Task(2**53 + 1, 1, 0, text="x")))["rows"][0]["id"] == str(2**53 + 1)


def test_a_probability_has_no_digits_of_its_own_making() -> None:
    row = data(page(Task("a", 1, 0, text="x", suggested_label="ant", suggested_probability=float(np.float32(0.62)))))["rows"][0]
    assert row["probability"] == 0.62


def digest(text: str) -> str:
    (found,) = re.findall(r'data-digest="(\w+)"', text)
    return str(found)


def test_answers_are_kept_for_these_tasks_alone() -> None:
    one = Task("a", 1, 3, text="one")
    pages = [page(one), page(Task("a", 1, 4, text="one")), page(Task("a", 1, 3, text="two")), page(one, classes=("ant", "cat"))]
    assert len({*map(digest, pages)}) == len(pages)
    assert html.write([one], ("ant", "bee")) == html.write([one], ("ant", "bee"))


def test_pictures_are_in_the_page() -> None:
    rows = data(page(Task("a", 1, 3, image=picture(900, 300)), Task("b", 2, 3, image=b"no picture")))["rows"]
    head, content = rows[0]["picture"].split(",", 1)
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as shown:
        assert (shown.format, shown.size) == ("WEBP", (640, 213))
    assert rows[1] == {"id": "b", "round": 3, "rank": 2, "fault": "not an image of a known format"}


def test_nothing_to_show_and_what_csv_cannot_hold_are_refused() -> None:
    with pytest.raises(InputError, match="no query has a text or a picture"):
        page(Task("a", 1, 3), Task("b", 2, 3, fault="no such file"))
    with pytest.raises(InputError, match="contains NUL"):
        page(Task("a\0", 1, 3, text="x"))
    with pytest.raises(InputError, match="contains NUL"):
        page(Task("a", 1, 3, text="x"), classes=("b\0",))
    assert data(page())["rows"] == []


def test_a_folder_has_pages_of_200_rows_and_a_way_to_each() -> None:
    tasks = [Task(f"r-{rank}", rank, 3, text="x") for rank in range(1, 402)]
    files = {name: content.decode() for name, content in html.write_folder(tasks, ("ant",))}
    assert list(files) == ["page-001.html", "page-002.html", "page-003.html", "index.html"]
    ranks = [[row["rank"] for row in data(files[name])["rows"]] for name in list(files)[:3]]
    assert ranks == [[*range(1, 201)], [*range(201, 401)], [401]]
    assert data(files["page-002.html"])["answers"] == "answers-round-003-page-002"
    index = Page(files["index.html"])
    assert [value for name, value in index.attributes if name == "href"] == list(files)[:3]
    assert "rows 201 to 400" in index.text
    assert "row 401\n" in index.text
    assert any("script-src 'none'" in str(value) for _, value in index.attributes)
    assert all('<a href="index.html">' in files[name] for name in list(files)[:3])


@pytest.fixture
def items(tmp_path: Path) -> Path:
    """Pictures as bytes, as files, as neither, out of the folder, and damaged."""
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "b.png").write_bytes(picture(8, 8))
    rows = {
        "id": ["a", "b", "c", "d", "e"],
        "image": [picture(700, 70), None, None, None, picture(9, 9)[:60]],
        "path": [None, "img/b.png", "img/none.png", "/etc/passwd", None],
    }
    return write(pa.table(rows), tmp_path / "items.parquet")


SELECT = ("select", "--strategy", "random", "--budget", 5, "--items", "items.parquet", "--classes", "ant,bee", "-o", "q.parquet")


@pytest.mark.usefixtures("items")
def test_select_reads_the_pictures_and_counts_those_that_it_cannot_show(altool: Callable[..., Any], tmp_path: Path) -> None:
    said = " ".join(altool(*SELECT, "--export", "html=label.html", "--export", "csv=todo.csv").said.split())
    assert "--export html: 3 rows cannot be shown" in said
    found = data((tmp_path / "label.html").read_text())
    rows = {row["id"]: row for row in found["rows"]}
    assert {id_: row.get("fault") for id_, row in rows.items()} == {
        "a": None, "b": None, "c": "no such file", "d": "a path out of the table's folder",
        "e": rows["e"]["fault"]}  # fmt: skip
    assert [id_ for id_ in "abcde" if "picture" in rows[id_]] == ["a", "b"]
    assert rows["b"]["picture"].startswith("data:image/")
    assert found["classes"] == ["ant", "bee"]
    assert "passwd" in (tmp_path / "todo.csv").read_text()  # as before


@pytest.mark.usefixtures("items")
def test_the_page_has_the_classes_of_the_option_and_those_that_only_labels_have(altool: Callable[..., Any], tmp_path: Path) -> None:
    write(pa.table({"id": ["c", "d"], "label": ["cat", "ant"]}), tmp_path / "labels.parquet")
    arguments = [argument for argument in SELECT if argument not in ("--classes", "ant,bee")]
    for more, classes in ((("--classes", "ant,bee"), ["ant", "bee", "cat"]), ((), [])):
        altool(*arguments, *more, "--labels", "labels.parquet", "--export", "html=label.html", "--overwrite")
        assert data((tmp_path / "label.html").read_text())["classes"] == classes


@pytest.mark.usefixtures("items")
def test_a_page_or_a_folder_of_pages_is_replaced_and_nothing_else(altool: Callable[..., Any], tmp_path: Path) -> None:
    altool(*SELECT, "--export", "html=pages/")
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["index.html", "page-001.html"]
    assert "pages/ exists" in altool(*SELECT[:-1], "q2.parquet", "--export", "html=pages/", code=2).said
    (tmp_path / "pages" / "page-009.html").write_bytes((tmp_path / "pages" / "page-001.html").read_bytes())
    altool(*SELECT, "--export", "html=pages/", "--overwrite")
    assert not (tmp_path / "pages" / "page-009.html").exists()
    (tmp_path / "pages" / "answers.csv").write_text("mine")
    assert "is not labeling pages written by altool" in " ".join(
        altool(*SELECT, "--export", "html=pages/", "--overwrite", code=2).said.split()
    )
    assert (tmp_path / "pages" / "answers.csv").read_text() == "mine"
    (tmp_path / "mine.html").write_text("<!DOCTYPE html>\n<p>mine</p>\n")
    said = altool(*SELECT, "--export", "html=mine.html", "--overwrite", code=2).said
    assert "is not a labeling page written by altool" in " ".join(said.split())
    altool(*SELECT, "--export", "html=label.html", "--overwrite")
    altool(*SELECT, "--export", "html=label.html", "--overwrite")
    assert "names a folder" in altool(*SELECT, "--export", "csv=pages/", "--overwrite", code=2).said


@pytest.mark.usefixtures("items")
def test_a_heavy_page_is_reported_with_its_remedy(
    altool: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from altool.console import Console
    from altool.selection import pictures

    monkeypatch.setattr(pictures, "LARGE", 5000)
    tasks = [Task("a", 1, 3, image=picture(300, 300))]
    pictures.write_pages(html.FORMAT, tasks, ("ant",), str(tmp_path / "label.html"), Console())
    said = " ".join(capsys.readouterr().err.split())
    assert "opens slowly; select fewer rows, or write pages of fewer rows into a folder: --export html=DIR/" in said
