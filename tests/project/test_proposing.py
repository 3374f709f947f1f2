"""How many labels a new project asks for, and what its held-out rows are said to tell."""

from __future__ import annotations

import pytest

from altool.project import proposing

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("rows", "classes", "budget", "why"),
    [
        (10_000, 10, 50, "about 5 labels a class"),
        (10_000, 2, 20, "about 10 labels a class"),
        (10_000, 151, 200, "about 1 label a class"),
        (10_000, None, 50, "as the classes are unknown"),
        (200, 10, 20, "a tenth of the rows"),
        (7, None, 1, "a tenth of the rows"),
    ],
)
def test_a_budget(rows: int, classes: int | None, budget: int, why: str) -> None:
    assert proposing.budget(rows, classes) == (budget, why)


@pytest.mark.parametrize(
    ("rows", "classes", "held_out"),
    [(10_000, 10, 300), (100_000, 1, 50), (100_000, 151, 1000), (100_000, None, 200), (200, 10, 40), (4, 2, 0)],
)
def test_held_out_rows(rows: int, classes: int | None, held_out: int) -> None:
    assert proposing.held_out(rows, classes) == held_out


def test_what_they_tell() -> None:
    """Of 20 rows with 18 right the Wilson interval is 0.699 to 0.972, and half of that 0.137."""
    assert proposing.told(200, 10) == (
        "about 20 rows a class if the classes are equally frequent: a share of 0.90 is known to ±0.14; "
        "proving 0.90 takes about 457 rows of a class whose true share is 0.95"
    )
    assert proposing.told(200, None).startswith("a share of 0.90 is known to ±0.04; proving")
    assert (
        proposing.told(10, 10, target=1.0) == "about 1 row a class if the classes are equally frequent: a share of 1.00 is known to ±0.40"
    )


def test_a_surer_proof_takes_more_rows() -> None:
    rows = [int(proposing.told(200, 10, 0.8, confidence).split("takes about ")[1].split(" ")[0]) for confidence in (0.9, 0.95, 0.99)]
    assert rows == sorted(set(rows))
