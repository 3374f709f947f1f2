"""The report's page in headless Chromium: nothing goes wrong, nothing is fetched; it filters, sorts and unfolds."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from browser import PROGRAM, Browser
from report_made import full

from altool.reporting.pages.report import page

pytestmark = pytest.mark.slow

NAMES = [
    "=1+1",
    "<script>fail()</script>",
    '" onerror="fail()',
    "\u202eevil",
    "\x1b[31mred",
    "שלום עולם",
    "a very_long-name/" * 9,
    "b&amp;c",
]
NAMES += [f"class {number:02d}" for number in range(22)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("no Chromium on this machine")
    folder = tmp_path_factory.mktemp("browser")
    report, shown = full(folder, NAMES, NAMES[:8], batch=40)
    (folder / "page.html").write_bytes(page(report, shown, {"command": "report", "options": {"classes": NAMES}})[0])
    with Browser(folder) as found:
        found.call("Network.enable")
        found.size(1280, 800)
        found.open(folder / "page.html")
        yield found


def rows(browser: Browser, selector: str = "#classes table") -> list[str]:
    return browser.run(
        f"[...document.querySelector('{selector}').tBodies[0].rows].filter(one => !one.hidden).map(one => one.cells[0].innerText)"
    )


def test_nothing_goes_wrong_and_nothing_is_fetched(browser: Browser) -> None:
    assert browser.errors() == []
    asked = [event["params"]["request"]["url"] for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
    assert browser.run("typeof fail") == "undefined"
    assert browser.run("[...document.querySelectorAll('bdi')].some(one => one.innerText.includes('\\\\u202eevil'))")


def test_a_table_sorts_by_a_click_and_says_so(browser: Browser) -> None:
    assert len(rows(browser)) == 20
    browser.click("#classes thead th:nth-of-type(2) button")
    values = browser.run("[...document.querySelector('#classes table').tBodies[0].rows].map(one => parseFloat(one.cells[2].innerText))")
    assert len(values) == 30  # what was folded is sorted too
    assert values == sorted(values, reverse=True) or values == sorted(values)
    assert browser.run("document.querySelectorAll('#classes [aria-sort]').length") == 1
    browser.run("document.querySelector('#classes thead th button').focus()")
    browser.press("Enter")
    names = rows(browser)
    assert [name for name in names if name.startswith("class ")] == [f"class {number:02d}" for number in range(22)]
    browser.press("Enter")
    assert rows(browser) == names[::-1]


def test_a_table_is_searched(browser: Browser) -> None:
    browser.run("document.querySelector('#classes .find input').focus()")
    browser.type("CLASS 1")
    assert rows(browser) == sorted((f"class {number}" for number in range(10, 20)), reverse=True)
    assert browser.text("#classes .find span") == "10 of 30"


def test_cards_are_chosen_by_suggestion(browser: Browser) -> None:
    assert browser.run("document.querySelectorAll('#ask .find select').length") == 2  # all have one class to ask for
    browser.run("{ const one = document.querySelector('#ask select'); one.value = 'class 03'; one.dispatchEvent(new Event('change')); }")
    assert browser.run("[...document.querySelectorAll('#ask .card')].filter(one => one.offsetParent).length") == 1
    assert browser.text("#ask .find span") == "1 of 40"


def test_a_click_on_a_confusion_shows_its_rows(browser: Browser) -> None:
    key = browser.run("document.querySelector('.heat a').hash.slice(1)")
    assert not browser.run(f"document.getElementById('{key}').closest('details').open")
    browser.click(".heat a")
    assert browser.run(f"document.getElementById('{key}').closest('details').open")
    assert browser.run(f"document.getElementById('{key}').closest('details').querySelector('.card .text').offsetHeight > 0")


def test_axe_finds_nothing_serious(browser: Browser, tmp_path: Path) -> None:
    pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    report, shown = full(tmp_path, NAMES[:4], NAMES[:8], rows=24)
    (tmp_path / "small.html").write_bytes(page(report, shown, {"command": "report"})[0])
    browser.size(390, 844, phone=True, dark=True)
    browser.open(tmp_path / "small.html")
    assert browser.run("document.documentElement.scrollWidth") == 390
    browser.run((files("axe_core_python") / "axe.min.js").read_text("utf-8") + "; 0")
    serious = "found.violations.filter(one => ['serious', 'critical'].includes(one.impact))"
    shown_ = "one => [one.id, one.nodes.slice(0, 3).map(node => node.html.slice(0, 200))]"
    found: list[Any] = browser.run(f"axe.run().then(found => {serious}.map({shown_}))")
    assert found == []
    browser.size(1280, 800)
    assert browser.run(f"axe.run({{runOnly: ['color-contrast']}}).then(found => {serious}.map({shown_}))") == []


def test_all_is_there_without_script(browser: Browser, tmp_path: Path) -> None:
    browser.size(1280, 800)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(browser.folder / "page.html")
        assert browser.run("document.querySelectorAll('button, input, select').length") == 0
        assert browser.run("document.querySelectorAll('#classes tbody tr').length") == 30
        assert browser.run("document.querySelectorAll('#ask .card').length") == 40
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
