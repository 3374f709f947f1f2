"""The suggestions that were right, by hand."""

import pytest

from altool.reporting.suggestions import of_counts, summary_rows, table


def row(run, repeat, round_, tier, right, of):
    return {"run": run, "repeat": repeat, "round": round_, "tier": tier, "right_sum": right, "right_count": of}


COUNTS = [
    row("a", 0, 2, "easy", 3, 4),
    row("a", 0, 1, "easy", 1, 4),
    row("a", 1, 1, "easy", 4, 4),  # its second round has none
    row("a", 0, 1, "hard", 0, 1),
    row("b", 0, 1, None, 1, 2),
]


def test_shares_by_hand():
    found = of_counts(COUNTS, ["b", "a", "c"])
    assert [(one.run, one.tier, one.repeats, one.suggested) for one in found] == [
        ("b", None, 1, 2),
        ("a", "hard", 1, 1),
        ("a", "easy", 2, 12),
    ]
    easy = found[2]
    assert (easy.share.value, easy.share.low, easy.share.high) == (0.75, 0.5, 1)  # of 4 of 8, and 4 of 4
    assert (easy.rounds, [share.value for share in easy.shares]) == ([1, 2], [pytest.approx(0.625), 0.75])
    assert (easy.shares[0].low, easy.shares[1].low) == (0.25, None)


def test_cells_and_rows():
    found = of_counts(COUNTS, ["a", "b"])
    head, lines = table(found)
    assert head == ["run", "tier", "suggested", "right", "interval", "first round", "last round"]
    assert lines[1:] == [("a", ["easy", "12", "0.750", "0.50–1.00", "0.625", "0.750"]), ("b", ["", "2", "0.500", "", "0.500", "0.500"])]
    rows = summary_rows(found, "macro_f1")
    assert [(one["tier"], one["round"], one["value"], one["interval"]) for one in rows if one["run"] == "a"][2:] == [
        ("easy", None, 0.75, "range"),
        ("easy", 1, pytest.approx(0.625), "range"),
        ("easy", 2, 0.75, None),
    ]
