"""What the report's page says and shows, section by section."""

import base64
import csv
import io
import re

import numpy as np
import pytest
from conftest import Page
from report_made import full, line, outlook, report

from altool.metrics.forecast import LABELS, LEVEL, REACHED, UNKNOWN
from altool.reporting.pages import asked, confusions, downloads, found_problems, pool, top
from altool.reporting.pages.confusions import Measured
from altool.reporting.pages.report import page
from altool.reporting.pool_map import Map

STATES = [
    ([(0.9, 0.8, "proved"), (0.9, 0.8, "proved")], None, ["All targets are proved."]),
    ([(0.9, 0.8, "proved"), (0.9, 0.8, "estimate")], None, ["All targets are met: 1 proved, 1 by estimate."]),
    ([(0.9, 0.8, "estimate")], None, ["The target is met by estimate, not proved yet."]),
    (
        [(0.9, 0.8, "proved"), (0.9, 0.8, "estimate"), (0.5, 0.8, "not_yet"), (0.6, 0.8, "not_yet")],
        {"c0": REACHED, "c1": REACHED, "c2": LABELS, "c3": LABELS},
        [
            "2 of 4 classes meet their targets (1 proved, 1 by estimate).",
            "About 180 more labels (80 %: 120 to 300; about 1.8 h) bring the other 2 there.",
        ],
    ),
    (
        [(0.5, 0.8, "not_yet"), (0.5, 0.8, "not_yet"), (0.6, 0.8, "not_yet")],
        {"c0": LABELS, "c1": LEVEL, "c2": UNKNOWN},
        [
            "0 of 3 classes meet their targets.",
            "About 180 more labels (80 %: 120 to 300; about 1.8 h) bring 1 of the other 3 there.",
            "Of 1 it cannot be told yet.",
            "1 levels off below the target with this model.",
        ],
    ),
    (
        [(0.9, 0.8, "estimate"), (0.6, 0.8, "not_yet")],
        {"c0": REACHED, "c1": UNKNOWN},
        ["1 of 2 classes meets its target (0 proved, 1 by estimate).", "How many more labels the other needs cannot be told yet."],
    ),
]


@pytest.mark.parametrize(("classes", "states", "expected"), STATES)
def test_the_state_in_a_sentence(classes, states, expected):
    lines = [line(f"c{number}", *one) for number, one in enumerate(classes)]
    found = report(lines, forecast=outlook(states) if states else None)
    assert top.state(found) == expected


def test_the_state_without_targets_or_with_few_rounds():
    assert top.state(report([line("a", 0.5)])) == [
        "Macro-F1 is 0.750 (0.700 to 0.800) over 1 class, up 0.050 since the last round; no target is set."
    ]
    few = report([line("a", 0.5, 0.8, "not_yet")], forecast=outlook({"a": UNKNOWN}, rounds=2))
    assert top.state(few)[1] == "How many more labels the rest needs can be told from 4 rounds on; 2 rounds so far."


def test_four_tiles():
    lines = [line("a", 0.5, 0.8, "not_yet"), line("b", 0.9, 0.8, "proved")]
    found = report(lines, forecast=outlook({"a": LABELS, "b": REACHED}))
    assert top.tiles(found) == [
        ("Targets met", "1 of 2", ["1 proved, 0 by estimate"]),
        ("Labels so far", "20", ["5 of them in round 2", "40 held out to measure"]),
        ("Labels to come", "≈ 180", ["80 %: 120 to 300", "for 1 of 1 open class"]),
        ("macro-F1", "0.750", ["95 %: 0.700 to 0.800", "was 0.700"]),
    ]
    assert [name for name, _, _ in top.tiles(report([line("a", 0.5)]))] == [
        "macro-F1",
        "Labels so far",
        "accuracy",
        "macro recall",
    ]


def test_the_class_furthest_from_its_target_is_first():
    lines = [line("met", 0.9, 0.85, "estimate"), line("near", 0.8, 0.85, "not_yet"), line("far", 0.3, 0.85, "not_yet")]
    assert [one.name for one in top.ordered(report([*lines, line("none", 0.1)]))] == ["far", "near", "met", "none"]
    many = report([line(f"class {number:03d}", number / 200) for number in range(151)])
    shown, rest = top.strips(many).parts
    assert (shown[0][0], len(shown), len(rest)) == ("class 000", 20, 131)


def test_the_batch_is_what_is_open_in_the_last_round():
    rows = [{"id": n, "round": n // 3, "rank": 9 - n, "strategy": "margin", "source": "exploit", "tier": None} for n in range(6)]
    rows[5] |= {"suggested_label": "a", "suggested_probability": 0.634, "target_class": "b"}
    found = asked.last_batch(rows, {0: "a", 4: None}, {})
    assert ([card.id for card in found.cards], found.open, found.title) == ([5, 3], True, "Ask next")
    assert found.said == "2 rows of the 3 of round 1 to label, the most useful first"
    assert found.cards[0].facts == [("suggested", "a (63%)"), ("for class", "b")]
    assert found.cards[0].why == "margin, exploit"
    done = asked.last_batch(rows, {3: "a", 4: None, 5: "b"}, {})
    assert ([card.answer for card in done.cards], done.title) == (["b", "", "a"], "Asked last")
    assert done.said == "all 3 rows of round 1 are answered"
    assert asked.last_batch([], {}, {}) is None


def test_confusions_by_hand():
    true, predicted = np.array([0, 0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 0, 2, 0])
    sure = np.array([0.9, 0.6, 0.8, 0.5, 0.7, 0.9, 0.4])
    found = confusions.confusions(["a", "b", "c"], Measured(list("tuvwxyz"), true, predicted, sure))
    assert [(pair.label, pair.predicted, pair.rows, pair.share) for pair in found.pairs] == [
        ("a", "b", 2, 2 / 3),
        ("b", "a", 1, 0.5),
        ("c", "a", 1, 0.5),
    ]
    assert found.pairs[0].first == [("v", 0.8), ("u", 0.6)]
    assert (found.wrong, found.rows, found.different) == (4, 7, 3)
    assert found.wanted == ["v", "x", "z", "u"]
    assert [(cell.rows, cell.key, cell.shade) for cell in found.heat[0][1]] == [(1, "", "r3"), (2, "cell-0-1", "w6"), (0, "", "")]


def test_confusions_of_many_classes_and_of_none():
    true = np.arange(40)
    found = confusions.confusions([str(n) for n in range(40)], Measured(true.tolist(), true, (true + 1) % 40, np.ones(40)))
    assert found.heat is None
    assert (len(found.shown), len(found.folded)) == (10, 30)
    right = confusions.confusions(["a"], Measured([1], np.array([0]), np.array([0]), np.ones(1)))
    assert (right.pairs, right.wrong) == ([], 0)


def test_problems_are_grouped_in_their_order():
    rows = [{"id": n, "problem": ("outlier", "leak", "mine")[n % 3], "other_id": None} for n in range(40)]
    found = found_problems.problems(rows)
    assert [(one.name, one.rows, one.left) for one in found] == [("leak", 13, 1), ("outlier", 14, 2), ("mine", 13, 1)]
    assert found_problems.wanted(found[2:]) == list(range(2, 38, 3))


def test_downloads_are_csv_and_no_formulas():
    found = report([line("=1+1", 0.5, 0.8, "not_yet"), line("b", 0.9)])
    measured = Measured(["@x", "ok"], np.array([0, 1]), np.array([1, 1]), np.array([0.75, 0.5]))
    classes, wrong = downloads.files(found, measured, None, [], 3_000_000)
    rows = list(csv.reader(io.StringIO(base64.b64decode(wrong.uri.partition(",")[2]).decode())))
    assert rows == [["id", "label", "predicted", "probability"], ["'@x", "'=1+1", "b", "0.7500"]]
    first = next(csv.DictReader(io.StringIO(base64.b64decode(classes.uri.partition(",")[2]).decode())))
    assert (first["class"], first["value"], first["target"], first["state"]) == ("'=1+1", "0.5", "0.8", "not_yet")
    assert downloads.files(found, measured, None, [], 100)[0].uri == ""


def test_the_map_marks_what_is_held_out():
    drawn = Map(
        np.zeros((3, 2)), ["p", "t", "h"], np.array([-1, 0, 0]), np.array([False, False, True]), np.array([True, False, False]), "c"
    )
    html = pool.draw(drawn, ["a"], [2], {}, {"h": "predicted as b"})
    assert [re.search(f'class="{mark}', html) is not None for mark in ("small cg", "dot c0", "square c0", "ring ck")] == [True] * 4
    assert "predicted as b" in html
    assert pool.wanted(drawn, {"h"})[0] == 2


def test_a_page_with_everything(tmp_path):
    found, shown = full(tmp_path, ["ant", "bee", "cat"], pictures=True)
    text, note = page(found, shown, {"command": "report", "seed": 0})
    html = text.decode()
    whole = Page(html)
    titles = re.findall("<h2>(.*?)</h2>", html)
    assert titles == [
        "Classes",
        "Ask next",
        "Where it goes wrong",
        "Curve",
        "Problems in the data",
        "Map of the pool",
        "All numbers",
        "Downloads",
    ]
    assert note == ""
    assert html.count('<img class="tiny" src="data:image/') == 6 + 10 + 2  # the batch, the wrong rows, the two of the leak
    assert "labels up to 2026-07-14" in whole.text
    assert page(found, shown, {"command": "report", "seed": 0})[0] == text


def test_a_page_keeps_its_size(tmp_path):
    found, shown = full(tmp_path, ["ant", "bee", "cat"], [f"word {n} " * 60 for n in range(60)], size=80_000)
    text, note = page(found, shown, {})
    assert len(text) <= 80_000
    assert re.fullmatch(r"\d+ rows shown without picture or text", note)
    assert note[:4] in text.decode()


def test_tables_are_cut_for_the_size(tmp_path):
    found, shown = full(tmp_path, [f"class {number:03d}" for number in range(151)], size=150_000)
    text, note = page(found, shown, {})
    assert len(text) <= 150_000
    most = int(re.match(r"tables have (\d+) rows at most", note)[1])
    assert 30 <= most < 151
    assert f"{151 - most} classes left out for the page&#39;s size" in text.decode()


HOSTILE = ["<script>alert(1)</script>", '" onload="x', "\u202eevil", "\x1b[31mred", "שלום_עולם", "{{ 7*7 }}", "a&amp;b", "n" * 400, "'"]


def test_hostile_names_ids_and_texts_are_text(tmp_path):
    found, shown = full(tmp_path, HOSTILE, HOSTILE)
    html = page(found, shown, {"options": {"classes": [*HOSTILE, "\ud800"]}})[0].decode()
    whole = Page(html)
    assert whole.tags.count("script") == 1
    assert not [name for name, _ in whole.attributes if name.startswith("on") or name == "style"]
    assert not set("\u202e\x1b") & set(html)
    assert "{{ 7*7 }}" in html
    ids = [value for name, value in whole.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in whole.attributes if name == "href" and value.startswith("#")} <= set(ids)
