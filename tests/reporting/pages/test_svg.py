"""Charts: where their marks lie, by hand, and that no axis overlaps or passes 1."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from altool.reporting.pages import svg
from altool.reporting.pages.svg import Curve, Interval, Outlook


def drawing(html):
    """The <svg> of a figure, as a tree."""
    return ElementTree.fromstring(re.search("<svg.*?</svg>", html, re.DOTALL)[0])


def texts(html):
    return [(float(one.get("x")), float(one.get("y")), one.get("text-anchor"), one.text) for one in drawing(html).iter("text")]


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 10, 6, [0, 2, 4, 6, 8, 10]),
        (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (30, 165, 4, [50, 100, 150]),
        (7, 7, 5, [7]),
        (-1, 2, 4, [-1, 0, 1, 2]),
        (0, 1_000_000, 3, [0, 500_000, 1_000_000]),
    ],
)
def test_ticks_are_round(low, high, most, expected):
    assert svg.ticks(low, high, most) == expected


@pytest.mark.parametrize("right", [1, 9, 165, 4_321, 120_000, 12_345_678])
def test_labels_below_an_axis_do_not_overlap_and_stay_inside(right):
    html = svg.curves("t", [Curve("a", [0, right], [0.1, 0.9])], across="labels")
    row = sorted((x, text) for x, y, anchor, text in texts(html) if anchor == "middle")
    ends = [(x - len(text) * svg.LETTER / 2, x + len(text) * svg.LETTER / 2) for x, text in row]
    assert len(row) >= 2
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    assert ends[0][0] >= 0
    assert ends[-1][1] <= svg.WIDTH


def test_an_axis_of_shares_ends_at_1_and_bands_stay_within():
    html = svg.curves("t", [Curve("a", [0, 10], [0.5, 0.98], [0.4, 0.9], [0.6, 1.07])], across="labels")
    shares = [text for _, _, anchor, text in texts(html) if anchor == "end" and text != "labels"]
    assert shares == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    (band,) = [path.get("d") for path in drawing(html).iter("path") if path.get("class") == "band c0"]
    heights = [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", band)]
    assert min(heights) == 12.0  # the top of the frame, which is 1
    assert svg.curves("t", [Curve("a", [0, 1], [0.91, 0.97])], across="labels").count("<text") == 5 + 1 + 6


def test_a_curve_by_hand():
    # The frame of an axis with the names 0 to 1 goes from 3 letters + 10 to 408, and from 12 down to 192.
    html = svg.curves("t", [Curve("a", [0, 100], [0.0, 1.0])], across="labels")
    (line,) = [path.get("d") for path in drawing(html).iter("path") if path.get("class") == "line c0"]
    assert line == "M31.9 192.0L408.0 12.0"


def test_what_is_to_come_by_hand():
    html = svg.curves("t", [Curve("a", [0, 100], [0.0, 0.5])], across="labels", target=1.0, outlook=Outlook(100, 0.5, 150, 200, 300, 1.0))
    shapes = {path.get("class"): path.get("d") for path in drawing(html).iter("path")}
    x = [31.9 + 376.1 * one / 300 for one in (100, 150, 200, 300)]
    assert shapes["span"] == f"M{x[0]:.1f} 102.0L{x[1]:.1f} 12.0H{x[3]:.1f}Z"
    assert shapes["middle"] == f"M{x[0]:.1f} 102.0L{x[2]:.1f} 12.0"
    assert shapes["target"] == "M31.9 12.0H408"


def test_gaps_and_single_points_are_drawn():
    html = svg.curves("t", [Curve("a", [0, 1, 2], [None, None, 0.5]), Curve("b", [1], [0.5], [0.4], [0.6])], across="round")
    assert html.count("<circle") == 2
    assert svg.curves("t", [], across="round").startswith("<figure")


def test_a_bar_by_hand():
    paths = [path.get("d") for path in drawing(svg.bar(0.5, 0.25, 0.75, 0.9, "bad", "said")).iter("path")]
    assert paths == ["M0 5h200v10H0z", "M0 5h100.0v10H0z", "M50.0 10H150.0M50.0 7v6M150.0 7v6", "M180.0 0v20"]


def test_parts_of_a_bar_by_hand():
    paths = [path.get("d") for path in drawing(svg.stack([(1, "c0", "seed"), (3, "c1", "explore")], 8)).iter("path")]
    assert paths == ["M0.0 3h25.0v14h-25.0z", "M25.0 3h75.0v14h-75.0z"]


def test_a_small_curve_by_hand():
    html = svg.spark([0.5, None, 1.0], 0.75, 0.5, "said")
    assert [path.get("d") for path in drawing(html).iter("path")] == ["M0 10.0h80", "M2.0 18.0L78.0 2.0"]


def test_differences_have_a_line_at_0():
    html = svg.intervals("t", [Interval("a", 2.0, 1.0, 3.0, "good"), Interval("b", -1.0)], across="points")
    marks = [(one.get("class"), float(one.get("cx"))) for one in drawing(html).iter("circle")]
    # From -1 to 3: 12 and 408, 99 units for each.
    assert marks == [("dot good", 309.0), ("dot cg", 12.0)]
    assert 'd="M111.0 4V74"' in html


def test_dots_of_a_kind_are_one_path():
    html = svg.scatter(np.array([[-1, -1], [1, 1], [0, 0.0]]), ["cg", "cg", "c1"], ["", "", "square"])
    assert html == '<path class="small cg" d="M10 410h0M410 10h0"/><path class="square c1" d="M210 210m-3-3h6v6h-6z"/>'


def test_names_are_text():
    name = '</title><script>"\u202e\x1b[31m'
    html = svg.curves(name, [Curve(name, [0, 1], [0, 1])], across=name) + svg.intervals(name, [Interval(name, 1, 0, 2)], across=name)
    html += svg.bar(0, 0, 0, None, "", name) + svg.spark([0.1], None, 0, name) + svg.stack([(1, "c0", name)], 1)
    assert "<script" not in html
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert not re.search(r"\sstyle=", html)  # the policy would refuse it
