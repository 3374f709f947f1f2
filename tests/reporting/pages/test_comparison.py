"""The page of a comparison: what its first lines say, by hand."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from browser import PROGRAM, Browser

from altool import seeds
from altool.reporting.adversaries import Learned
from altool.reporting.history import History, summarize
from altool.reporting.history_curves import Interval
from altool.reporting.history_series import Series, common_range
from altool.reporting.pages import comparison
from altool.reporting.pages.svg import color
from altool.reporting.suggestions import Right

SPREAD = np.array([-0.02, 0.0, 0.01, -0.01, 0.02])
CLASSES = ("ant", "bee")


def summary(heights: dict[str, float], baseline: str | None = "random", **options: object) -> History:
    """Curves from 0.1 to a height, at 100 and 200 labels, of five repeats; a quarter of the labels are of the first class."""
    found = []
    for number, (run, height) in enumerate(heights.items()):
        for repeat, more in enumerate(np.roll(SPREAD, number)):
            values = np.array([0.1, height + more])
            classes = np.stack([values, values / 2], axis=1)
            counts = np.array([[30, 70], [50, 150]])
            found.append(Series(run, repeat, np.array([100, 200]), values, classes, counts, np.array([50, 150]), None))
    return summarize(
        found, CLASSES, "macro_f1", common_range(found), baseline=baseline, generator=lambda: seeds.generator(0, "test"), **options
    )  # type: ignore[arg-type]


def read(page: bytes) -> str:
    """The words of the page before its first section."""
    header = page.decode().partition("<header>")[2].partition("</header>")[0]
    return " ".join(re.sub("<[^>]*>", " ", header).split())


def test_the_best_run_is_to_be_taken() -> None:
    page = comparison.render(summary({"random": 0.5, "good": 0.9, "bad": 0.2}), {})
    words = read(page)
    assert "Take good: best with probability over 0.99 (5 repeats)." in words
    assert "Better than random: good; worse: bad (5 repeats, 95 % at once)." in words
    assert "better than random 1 of 2 1 worse, 0 not told 5 repeats" in words
    saved = re.search(r"labels saved (\d+) % (\d+) % to (\d+) % to macro-F1 ([\d.]+): (\d+) instead of (\d+)", words)
    assert saved is not None
    share, low, high, _, own, other = (float(number) for number in saved.groups())
    assert share == pytest.approx(100 * (1 - own / other), abs=1)
    assert low < share < high


def test_several_good_runs_and_none_that_is_best() -> None:
    words = read(comparison.render(summary({"random": 0.5, "a": 0.9, "b": 0.9}), {}))
    assert re.search("Take (a or b|b or a): better than random, but which of them is best cannot be told.", words)


def test_no_run_can_be_told_from_random() -> None:
    words = read(comparison.render(summary({"random": 0.5, "a": 0.505, "b": 0.5}), {}))
    assert words.partition("repeats ")[2].startswith("None of the 2 runs can be told from random (5 repeats, 95 % at once)")


def test_what_the_sections_hold() -> None:
    text = comparison.render(summary({"random": 0.5, "good": 0.9, "bad": 0.2}, levels=[0.15]), {}).decode()
    assert re.findall(r'<section id="(\w+)">', text) == ["curves", "saved", "differences", "shares", "classes"]
    assert re.findall(r"<figcaption>([^<]+)<", text) == [
        "macro-F1",
        *("all classes", "points over random"),
        *("label imbalance", "label entropy"),
        *CLASSES,
    ]
    # labels to 0.15, means over repeats: 100 + 100 * 0.05 / (height - 0.1)
    good, random = (100 + 100 * 0.05 / (height - 0.1) for height in (0.9, 0.5))
    assert f"<td>{100 * (1 - good / random):.0f} %</td>" in text
    assert "ant, % 25" in text  # of the stacked bar
    assert "<td>25.0%</td>" in text


def rights(run: str) -> list[Right]:
    """Suggestions in two tiers and three rounds."""
    share = Interval(0.5, 0.4, 0.6)
    return [
        Right(run, tier, 5, 40, share, [1, 2, 3], [Interval(end, None, None) for end in (0.25, 0.5, 0.75)]) for tier in ("hard", "easy")
    ]


def test_what_vaal_has_learned() -> None:
    values = [Interval(0.25, None, None), Interval(-0.5, -0.75, -0.25)]
    learned = [Learned("good", "loss_correlation", [10, 20], values, [1, 2])]
    text = comparison.render(summary({"random": 0.5, "good": 0.9}), {}, None, (), learned).decode()
    assert '<section id="adversaries"><h2>VAAL</h2>' in text
    assert re.findall("good: [^<]* at [12]0 labels", text)[-2:] == ["good: 0.25 at 10 labels", "good: -0.5 at 20 labels"]
    assert "<td>-0.500</td>" in text


def test_what_happens_round_by_round() -> None:
    levels = [0.15, 0.16, 0.17]
    text = comparison.render(summary({"random": 0.5, "good": 0.9, "bad": 0.2}, levels=levels), {}, None, rights("good")).decode()
    assert re.findall(r'<section id="(\w+)">', text) == ["curves", "saved", "differences", "suggestions", "shares", "classes"]
    assert "good: 0.75 at 3 round" not in text  # a curve is called by its tier
    assert "hard: 0.75 at 3 round" in text
    assert '<td class="t">easy</td><td>40</td><td>0.500</td><td>0.40–0.60</td><td>0.250</td><td>0.750</td>' in text
    # the efficiency at 0.16, a geometric mean of equal curves: (100 + 100 x 0.06 / 0.4) / (100 + 100 x 0.06 / 0.8), nearly
    found = re.search(r"good: ([\d.]+) at 0.16 macro-F1", text)
    assert found is not None
    assert float(found.group(1)) == pytest.approx(115 / 107.5, abs=2e-3)
    assert "fewer labels to macro-F1, at each level" in text  # three tables are folded
    assert ">the pool</bdi>" in text  # a bar of its own
    assert "good: 40 at 200 labels" in text  # points over random: 0.9 against 0.5
    assert re.search(r"the pool: [\d.]+ at 100 labels", text)


@pytest.mark.parametrize("baseline", [None, "run 03"])
def test_many_runs(baseline: str | None) -> None:
    """The best ten are drawn, and the baseline; no table is cut."""
    found = summary({f"run {number:02d}": 0.3 + number / 50 for number in range(14)}, baseline)
    text = comparison.render(found, {}).decode()
    assert "the best 10 runs and the baseline, of 14" in text
    first = text.partition("</figure>")[0]
    assert [f'class="line {color(place)}"' in first for place in range(10)] == [True] * 10
    assert ('class="line cg dashed"' in first) == (baseline is not None)
    assert all(f"run {number:02d}" in text for number in range(14))


def test_runs_may_be_called_anything() -> None:
    names = ("random", '"><script>x</script>', "\u202eevil", "\x1b[31mred")
    text = comparison.render(summary({name: 0.3 + place / 5 for place, name in enumerate(names)}), {}).decode()
    assert text.count("<script") == 1
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "\\u202eevil" in text


HEIGHTS = {"random": 0.5, "good": 0.9, "bad": 0.2, "a long name of a run with_underscores and more of them": 0.6, "<b>x</b>": 0.7}


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")
def test_a_page_as_people_see_it(tmp_path: Path) -> None:
    """In headless Chromium: nothing is asked of a server, nothing fails, tables sort, nothing is cut or covered on a phone."""
    path = tmp_path / "page.html"
    path.write_bytes(comparison.render(summary(HEIGHTS, levels=[0.15, 0.16]), {"command": "compare"}, None, rights("good")))
    with Browser(tmp_path) as browser:
        browser.size(1280, 800)
        browser.open(path)
        column = "[...document.querySelectorAll('#curves tbody tr')].map((row) => row.cells[0].innerText.trim())"
        browser.click("#curves thead th:first-child button")
        assert browser.run(column) == sorted(browser.run(column), key=str.casefold)
        overlapping = """[...document.querySelectorAll("svg")].filter((svg) => {
          const boxes = [...svg.querySelectorAll("text")].map((text) => text.getBoundingClientRect());
          return boxes.some((a, i) => boxes.slice(i + 1).some((b) =>
            Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3));
        }).length"""
        assert browser.run(overlapping) == 0
        browser.run((files("axe_core_python") / "axe.min.js").read_text("utf-8") + "; null")
        found = browser.run("axe.run().then((found) => found.violations.map((one) => [one.impact, one.id]))")
        assert [one for one in found if one[0] in ("serious", "critical")] == []
        browser.size(390, 844, phone=True)
        assert browser.run("document.documentElement.scrollWidth") == 390
        assert browser.run(overlapping) == 0
        smallest = "Math.min(...[...document.querySelectorAll('svg text')].map((text) => text.getBoundingClientRect().height))"
        assert browser.run(smallest) >= 11
        assert browser.errors() == []
        asked = [event for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
        assert json.dumps(asked) == "[]"
