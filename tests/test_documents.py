"""Pages of one file: what the templates are given is text, and nothing else runs or is loaded."""

import base64
import hashlib
import re
from importlib.resources import files

import pytest

from altool import documents
from altool.reporting.pages import document

PAGES = [("altool.formats", "labeling_page"), ("altool.reporting.pages", "templates")]


@pytest.mark.parametrize(("package", "folder"), PAGES)
def test_no_file_of_a_page_names_anything_outside(package, folder):
    for file in (files(package) / folder).iterdir():
        text = file.read_text("utf-8")
        assert not re.search(r"https?://|@import|url\(", text)
        assert not re.search(r"\sstyle=|\son\w+=|innerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_the_policy_has_the_hashes_of_what_is_inlined():
    page = documents.render("altool.formats", "labeling_page", "index.html", title="<t>\u202e", links=[], rows="1 row").decode()
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src &#39;sha256-{digest}&#39;; script-src &#39;none&#39;" in page
    assert "<title>&lt;t&gt;\\u202e</title>" in page


def test_names_have_their_own_direction_and_are_cut():
    assert document.bdi("a_b<") == '<bdi dir="auto">a_b&lt;</bdi>'
    long = '<bdi dir="auto">a_<wbr>name/<wbr>that_<wbr>is-<wbr>long_<wbr>enough&lt;</bdi>'
    assert document.bdi("a_name/that_is-long_enough<") == long
    assert document.bdi("x" * 61) == f'<bdi dir="auto" title="{"x" * 61}">{"x" * 24}<wbr>{"x" * 24}<wbr>{"x" * 11}…</bdi>'
    assert document.bdi("\u202e\x1b") == '<bdi dir="auto">\\u202e\\x1b</bdi>'


def test_a_table_folds_what_is_more_than_its_first_rows():
    rows = [(str(number), []) for number in range(10)]
    table = document.Table(["a"], rows, "c", first=7, noun=("class", "classes"))
    assert (len(table.parts[0]), table.more) == (7, "3 more classes")
    assert document.Table(["a"], rows, "c", first=8).parts == (rows, [])  # 2 more are no reason to fold
    assert document.Table(["a"], rows, "c").parts == (rows, [])


def test_provenance_counts_long_lists():
    found = document.made({"command": "report", "options": {"classes": [f"class {n}" for n in range(151)], "round": 3}, "seed": 0})
    assert found == [("command", "report"), ("options, classes", "151 entries"), ("options, round", "3"), ("seed", "0")]
