"""The labeling page in headless Chromium: keys are pressed, and what is downloaded is imported."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import PROGRAM, Browser
from conftest import predictions, write
from PIL import Image

from altool import documents
from altool.formats import html
from altool.labels.exchange import Task
from altool.tables.write import cell, csv_line

pytestmark = pytest.mark.slow

HEBREW = "שלום עולם, זהו טקסט בעברית."
IDS = ("=1+1", "+2", "-3", "@x", "\ttab", 'say "no", it\'s', "line\nbreak\r\nand\rmore", "\u202e\u05d0\u200f", "</script><b>",
       "'=quoted", " ＝ wide", "\u2212minus", "plain", "😀", "\u3164=", "'plain")  # fmt: skip
CLASSES = ("=sum", "-1 negative", 'a "b", c', "</script>", "line\nbreak", HEBREW, "\u202e=", " padded ", "'=")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("no Chromium on this machine")
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Browser]:
    """The browser, as wide as a desk; nothing went wrong in it in the end."""
    browser.size(1280, 800)
    browser.events.clear()
    yield browser
    assert browser.errors() == []


def tasks(texts: Sequence[str], suggested: str | None = None) -> list[Task]:
    return [Task(f"r-{rank}", rank, 3, text=text, suggested_label=suggested) for rank, text in enumerate(texts, 1)]


def opened(page: Browser, path: Path, asked: Sequence[Task], classes: Sequence[str]) -> None:
    path.write_bytes(html.write(asked, classes)[""])
    page.open(path)


def sheet(page: Browser) -> tuple[Path, list[dict[str, str]]]:
    """What "Download answers" gives: the file and its rows."""
    for old in page.folder.glob("answers*.csv"):
        old.unlink()
    page.click("#download")
    path = page.downloaded("answers*.csv")
    return path, list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def said(page: Browser) -> list[tuple[str, str]]:
    """(label, status) of every row in the sheet."""
    return [(row["label"], row["status"]) for row in sheet(page)[1]]


def selected(altool: Callable[..., Any], folder: Path, columns: dict[str, Any], classes: Sequence[str]) -> list[str]:
    """Select these rows in a first round, with a suggestion for each, and export the page; returns their ids in rank order."""
    ids = columns["id"]
    write(pa.table(columns), folder / "items.parquet")
    chances = np.full((len(ids), len(classes)), 0.2 / (len(classes) - 1), np.float32)
    chances[:, 1] = 0.8
    write(predictions(chances, ids, classes), folder / "p.parquet")
    altool("select", "--strategy", "random", "--budget", len(ids), "--predictions", "p.parquet", "--suggest", "--items", "items.parquet",
           "--export", "html=label.html", "-o", "q.parquet")  # fmt: skip
    return pq.read_table(folder / "q.parquet").column("id").to_pylist()


def imported(altool: Callable[..., Any], folder: Path, answers: Path) -> dict[str, tuple[str | None, str, str | None]]:
    """{id: (label, status, annotator)}, the latest of the log after the import."""
    done = altool("import-labels", answers, "--labels", "labels", "--queries", "q.parquet", "--strict", "--json")
    assert json.loads(done.text)["refused"] == {}
    log = sorted(pq.read_table(folder / "labels").to_pylist(), key=lambda row: row["labeled_at"])
    assert all(row["seconds"] is not None and row["labeled_at"] is not None and row["round"] == 0 for row in log)
    return {row["id"]: (row["label"], row["status"], row["annotator"]) for row in log}


def test_hostile_ids_and_classes_come_back_as_they_were(page: Browser, altool: Callable[..., Any], tmp_path: Path) -> None:
    ids = selected(altool, tmp_path, {"id": list(IDS), "text": [f"{HEBREW}\n<b>{number}" for number in range(len(IDS))]}, CLASSES)
    page.open(tmp_path / "label.html")
    assert page.run("getComputedStyle(document.getElementById('text')).direction") == "rtl"
    assert page.text("#text").startswith(f"{HEBREW}\n<b>")
    page.run("document.getElementById('name').value = '=kim'")
    expected: dict[str, tuple[str | None, str, str | None]] = {}
    for place, id_ in enumerate(ids):
        key = ["Enter", " ", *"123456789"][place % 11]
        page.press(key)
        label = {"Enter": CLASSES[1], " ": None}.get(key, CLASSES[int(key) - 1] if key.isdigit() else "")
        expected[id_] = (label, "skipped" if label is None else "labeled", "=kim")
    path, rows = sheet(page)
    lines = [csv_line(html.COLUMNS)]
    for rank, (id_, row) in enumerate(zip(ids, rows, strict=True), 1):
        label, status, who = expected[id_]
        lines.append(csv_line([*map(cell, (id_, 0, rank, label, status)), row["seconds"], row["labeled_at"], cell(who)]))
    assert path.read_bytes().decode() == "".join(lines)  # byte for byte as altool's own CSV
    assert path.name == "answers-round-000-kim.csv"
    assert imported(altool, tmp_path, path) == expected


def test_a_round_of_pictures_with_a_reload_an_undo_and_a_correction(page: Browser, altool: Callable[..., Any], tmp_path: Path) -> None:
    images = []
    for shade in range(8):
        stream = io.BytesIO()
        Image.new("L", (8, 8), shade * 30).save(stream, "PNG")
        images.append(stream.getvalue())
    classes = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    ids = selected(altool, tmp_path, {"id": [f"d{number}" for number in range(8)], "image": images}, classes)
    page.open(tmp_path / "label.html")
    page.run("document.getElementById('image').decode()")
    assert page.run("document.getElementById('image').naturalWidth") == 8
    assert page.run("document.getElementById('image').classList.contains('tiny')")
    assert page.text(".suggested span") == "one"
    page.press("a", "Enter", " ")  # nine, one, skip
    page.reload()  # again, in the middle
    assert page.text("#count") == "3 of 8 answered, 1 skipped, 5 open"
    assert page.text("#place") == "Row 4 of 8"
    page.press("3", "u", "4")  # two is taken back, three
    page.press("z", control=True)
    page.press("ArrowRight", "5", "ArrowLeft", "ArrowLeft")  # row 5 is four; back to row 4, which is open
    assert page.text("#place") == "Row 4 of 8"
    page.press("6")  # row 4 is five
    page.click("#back")
    page.press("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "7")  # row 1 is six, not nine
    page.press("1", "2", "8")
    assert "All rows are answered" in page.text("#said")
    path, _ = sheet(page)
    labels = ["six", "one", None, "five", "four", "zero", "one", "seven"]
    expected = {id_: (label, "skipped" if label is None else "labeled", None) for id_, label in zip(ids, labels, strict=True)}
    assert imported(altool, tmp_path, path) == expected
    page.click("#back")
    page.press("9")  # a second thought on row 7
    assert imported(altool, tmp_path, sheet(page)[0]) == {**expected, ids[6]: ("eight", "labeled", None)}
    done = altool("import-labels", path, "--labels", "labels", "--queries", "q.parquet")
    assert "no change (8 known)" in done.said + done.text


class Model:
    """What the keys are to do, without a browser."""

    def __init__(self, rows: int, classes: Sequence[str], suggested: str) -> None:
        self.rows, self.classes, self.suggested, self.place = rows, classes, suggested, 0
        self.answers: dict[int, tuple[int, str | None]] = {}  # when, and what
        self.done: list[tuple[int, dict[int, tuple[int, str | None]]]] = []
        self.clock = 0

    def open_row(self, start: int) -> int:
        around = [(start + step) % self.rows for step in range(1, self.rows + 1)]
        return next((row for row in around if row not in self.answers), -1)

    def answer(self, label: str | None) -> None:
        before = {self.place: self.answers.pop(self.place)} if self.place in self.answers else {}
        self.done.append((self.place, before))
        self.clock += 1
        self.answers[self.place] = (self.clock, label)
        found = self.open_row(self.place)
        self.place = found if found >= 0 else self.place

    def press(self, key: str) -> None:
        if key.isdigit():
            self.answer(self.classes[int(key) - 1])
        elif key == " ":
            self.answer(None)
        elif key == "Enter" and self.place not in self.answers:
            self.answer(self.suggested)
        elif key == "Enter":
            found = self.open_row(self.place)
            self.place = found if found >= 0 else min(self.place + 1, self.rows - 1)
        elif key == "u" and self.done:
            self.place, before = self.done.pop()
            self.answers.pop(self.place)
            self.answers |= before
        elif key.startswith("Arrow"):
            self.place = min(max(self.place + (1 if key == "ArrowRight" else -1), 0), self.rows - 1)
        elif key == "reload":
            self.done = [(row, {}) for row in sorted(self.answers, key=self.answers.__getitem__)]
            self.place = max(self.open_row(self.rows - 1), 0)


@pytest.mark.parametrize("seed", range(3))
def test_random_keys_do_what_a_model_says(page: Browser, tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    classes = ("ant", "bee", "cat")
    opened(page, tmp_path / "p.html", tasks([f"{seed} {row}" for row in range(9)], suggested="bee"), classes)
    model = Model(9, classes, "bee")
    chances = {"1": 6, "2": 6, "3": 6, " ": 6, "Enter": 6, "u": 12, "ArrowLeft": 12, "ArrowRight": 6, "reload": 1}
    for key in draw.choice(list(chances), 150, p=np.array(list(chances.values())) / sum(chances.values())):
        model.press(str(key))
        page.reload() if key == "reload" else page.press(str(key))
        assert page.text("#place") == f"Row {model.place + 1} of 9", key
    labels = [model.answers[row][1] if row in model.answers else "" for row in range(9)]
    expected = [(label or "", "skipped" if label is None else label and "labeled") for label in labels]
    assert said(page) == expected


def test_three_hundred_classes_are_searched(page: Browser, tmp_path: Path) -> None:
    classes = [f"{word} {number}" for word in ("Ähre", "bean", "carrot") for number in range(100)]
    opened(page, tmp_path / "p.html", tasks("abcdefgh", suggested="carrot 77"), classes)
    assert page.run("document.querySelectorAll('#found li').length") == 300
    assert page.text("#found li") == "carrot 77\nsuggested"
    page.press("Enter")  # the suggestion
    page.type("bean 4")
    page.press("Enter")  # the one that is called so, not 40
    page.type("ahre 99")  # without its dots
    page.press("Enter")
    page.type("carrot 1")
    page.press("ArrowDown", "Enter")  # the second
    page.type("no such class")
    page.press("Enter")
    assert page.text("#said") == "No class is called so."
    page.press("Escape", " ")
    page.type("rot 5")
    page.click("#found li")
    page.press("ArrowLeft", "ArrowLeft")
    page.press("z", control=True)
    assert page.text("#place") == "Row 6 of 8"
    assert said(page) == [
        ("carrot 77", "labeled"), ("bean 4", "labeled"), ("Ähre 99", "labeled"), ("carrot 10", "labeled"), ("", "skipped"),
        ("", ""), ("", ""), ("", "")]  # fmt: skip


def test_classes_are_typed_only_where_none_are_known(page: Browser, tmp_path: Path) -> None:
    opened(page, tmp_path / "p.html", tasks("abcdefg"), ())
    page.type(" cat ")
    page.press("Enter")
    page.press("1", "n")
    page.type("CAT")  # but for its case it is there
    page.press("Enter", "n")
    page.type("Skip")  # which import-labels takes for a skip
    page.press("Enter")
    assert "stands for a skip" in page.text("#said")
    page.run("document.getElementById('added').value = ''")
    page.type("dog")
    page.press("Enter")
    page.reload()
    page.press("2")
    assert said(page) == [("cat", "labeled")] * 3 + [("dog", "labeled")] * 2 + [("", "")] * 2
    page.press("u", "u")
    assert page.run("document.querySelectorAll('#choices button').length") == 1  # a typo goes with its answer
    opened(page, tmp_path / "closed.html", tasks("ab"), ("cat", "dog"))
    assert page.run("document.getElementById('adding').hidden")


def test_classes_that_are_called_like_a_key_have_it(page: Browser, tmp_path: Path) -> None:
    opened(page, tmp_path / "p.html", tasks("abcd"), [*map(str, range(10)), "ten"])
    page.press("0", "9", "1", "a")
    assert said(page) == [("0", "labeled"), ("9", "labeled"), ("1", "labeled"), ("ten", "labeled")]


def test_a_finger_on_a_phone_is_enough(page: Browser, tmp_path: Path) -> None:
    page.size(390, 844, phone=True)
    opened(page, tmp_path / "p.html", tasks(["long " * 400, HEBREW, "x" * 500, "d"], suggested="bee"), ("ant", "bee"))
    assert page.run("document.documentElement.scrollWidth") == 390
    assert page.run("document.getElementById('text').scrollHeight > document.getElementById('text').clientHeight")
    assert page.run("[...document.querySelectorAll('main button')].filter(one => one.offsetParent && one.offsetHeight < 44).length") == 0
    page.click("#choices button:nth-child(2)")
    page.click("#skip")
    page.click("#choices button:nth-child(1)")
    page.click("#undo")
    page.click("#back")
    page.click("#open")
    assert page.text("#place") == "Row 3 of 4"
    assert said(page) == [("bee", "labeled"), ("", "skipped"), ("", ""), ("", "")]
    assert page.text("#said").endswith("2 rows are still open: go on, and download again. Type your name at the top to sign your answers.")


def test_a_button_with_the_focus_is_pressed_and_the_answer_field_is_not(page: Browser, tmp_path: Path) -> None:
    opened(page, tmp_path / "p.html", tasks("abc", suggested="bee"), ("ant", "bee"))
    page.run("document.querySelector('#choices button').focus()")
    page.press(" ")  # not a skip
    page.run("document.getElementById('name').focus()")
    page.press("1", " ", "2", "Enter")  # a name
    page.press("Enter")
    page.run("document.getElementById('keys').click()")
    page.press("1")  # single keys are switched off
    assert page.run("document.getElementById('name').value") == "1 2"
    assert said(page) == [("ant", "labeled"), ("bee", "labeled"), ("", "")]
    page.run("document.getElementById('keys').click()")
    page.run("localStorage.removeItem('altool:annotator')")


def test_time_runs_while_the_page_is_seen_and_not_for_ever(page: Browser, tmp_path: Path) -> None:
    opened(page, tmp_path / "p.html", tasks("abcd"), ("ant", "bee"))
    page.run("performance.now = () => window.clock; window.clock = performance.timeOrigin; 0")
    page.press("1")
    look = "Object.defineProperty(document, 'visibilityState', {{value: '{}', configurable: true}}); clock += {};"
    event = "document.dispatchEvent(new Event('visibilitychange'));"
    page.run(f"clock += 5000; {look.format('hidden', 0)} {event} {look.format('visible', 100000)} {event} clock += 2000")
    page.press("1")
    page.run("clock += 1e9")
    page.press("1")
    page.run("clock += 1500")
    page.press("ArrowLeft")
    page.run("clock += 7000")
    page.press("ArrowRight")
    page.run("clock += 1500")
    page.press("1")
    assert [row["seconds"] for row in sheet(page)[1]][1:] == ["7.0", "600.0", "3.0"]


def test_what_the_browser_kept_is_checked(page: Browser, tmp_path: Path) -> None:
    opened(page, tmp_path / "p.html", tasks("abcde"), ("ant", "bee"))
    page.press("1", "2")
    key = page.run("'altool:' + document.getElementById('data').dataset.digest")
    good = json.loads(page.run(f"localStorage.getItem('{key}')"))["answers"]
    at = good[0][3]
    bad = [
        [9, "ant", 1, at, ""],
        [2, "wasp", 1, at, ""],
        [2, "ant", -1, at, ""],
        [2, "ant", 1, "today", ""],
        [2, "ant", 1, at, 7],
        [2],
        None,
    ]
    page.reload(**{key: json.dumps({"version": 1, "answers": [*good, *bad]})})
    assert "7 answers that this browser kept cannot be read" in page.text("#notice")
    assert said(page)[:3] == [("ant", "labeled"), ("bee", "labeled"), ("", "")]
    for broken in ("{", "null", "[]", '{"version": 1, "answers": 3}', '{"version": 9, "answers": []}'):
        page.reload(**{key: broken})
        assert "cannot be read" in page.text("#notice")
        assert page.text("#count") == "0 of 5 answered, 5 open"
    opened(page, tmp_path / "p.html", [Task("r-1", 1, 4, text="a")], ("ant", "bee"))  # the next round
    assert page.text("#count") == "0 of 1 answered, 1 open"


def test_a_row_that_cannot_be_shown_says_so(page: Browser, tmp_path: Path) -> None:
    opened(page, tmp_path / "p.html", [Task("r-1", 1, 3, fault="no such file"), *tasks("b")], ("ant", "bee"))
    assert page.text("#fault") == "This row cannot be shown (no such file). Skip it if you cannot tell."
    page.press(" ")
    assert page.run("document.getElementById('fault').hidden")
    assert said(page) == [("", "skipped"), ("", "")]


def test_a_round_without_rows_says_so(page: Browser, tmp_path: Path) -> None:
    opened(page, tmp_path / "p.html", [], ("ant", "bee"))
    page.press("1", " ", "Enter", "ArrowRight")
    assert page.text("#notice") == "This round has no rows."


def test_the_policy_stops_scripts_that_are_not_the_page_s(browser: Browser, tmp_path: Path) -> None:
    content = html.write(tasks("a"), ("ant",))[""].decode()
    more = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\"><style>body { color: red }</style>"
    (tmp_path / "p.html").write_text(content.replace("</main>", f"</main>{more}"))
    browser.events.clear()
    browser.open(tmp_path / "p.html")
    assert browser.run("document.title") == "Round 3"
    assert browser.run("getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
    end = time.monotonic() + 5
    while len([error for error in browser.errors() if "Content Security Policy" in error]) < 3:
        assert time.monotonic() < end
        browser.run("0")


def test_axe_finds_nothing(page: Browser, tmp_path: Path) -> None:
    pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    axe = (files("axe_core_python") / "axe.min.js").read_text("utf-8")
    few, many = ("ant", "bee"), [f"class {number}" for number in range(30)]
    for width, dark, classes in ((1280, False, few), (390, True, few), (390, False, many), (1280, True, many), (768, False, ())):
        page.size(width, 844, phone=width == 390, dark=dark)
        opened(page, tmp_path / "p.html", [*tasks([HEBREW * 50], suggested="bee"), Task("x", 2, 3, fault="no such file")], classes)
        page.run("document.querySelector('details').open = true")
        page.run(axe + "; 0")
        found = page.run("axe.run().then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.html)]))")
        assert found == [], (width, dark, len(classes))


def test_no_key_is_told_that_is_not_there() -> None:
    """The letters after the digits leave out those of the other keys."""
    (keys,) = re.findall(r'const KEYS = "(\w+)"', documents.source("altool.formats", "labeling_page", "page.js"))
    assert len(set(keys)) == 20
    assert not set(keys) & set("nuz")
