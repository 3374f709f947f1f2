"""What the report says of proofs."""

import pytest

from altool.metrics.proof import Look
from altool.reporting.proof import Proof, about


@pytest.mark.parametrize(
    ("round_", "past", "look"),
    [
        (None, [], Look(1, False)),
        (0, [], Look(1, False)),
        (3, [], Look(4, True)),  # nothing tells whether the holdout has grown
        (3, [350, 350], Look(4, False)),  # round 0 was a look, too, or may have been
        (3, [300, 350], Look(4, True)),
        (3, [None, 350], Look(4, True)),
        (None, [350] * 4, Look(5, False)),
        (2, [350] * 4, Look(5, False)),
    ],
)
def test_the_look(round_, past, look):
    assert Proof.of("holdout", 350, round_, past, 0.95).look == look


@pytest.mark.parametrize("measured_on", ["out-of-fold", "all"])
def test_no_holdout(measured_on):
    found = Proof.of(measured_on, 350, 3, [350], 0.95)
    assert found.look is None
    assert found.lines([("ant", 35, "estimate", None)]) == [f"no target is proved: {found.reason}"]
    assert found.remedy == found.reason
    assert "--source holdout" in found.reason


def test_lines():
    found = Proof.of("holdout", 350, 3, [350], 0.9)
    assert found.lines([("ant", 35, "proved", None)]) == ["proved: at 90 % confidence over all looks at the holdout, this is look 4"]
    assert Proof.of("holdout", 350, 3, [300], 0.95).lines([])[0].endswith("look 4, of a holdout that has grown")
    assert Proof.of("holdout", 350, 3, [], 0.95).lines([])[0].endswith("look 4, of a holdout taken as grown for lack of --history")
    targets = [("ant", 35, "estimate", 318), ("b\n", 20, "estimate", 77), ("cat", 9, "not_yet", None), ("dog", 35, "estimate", None)]
    assert found.lines(targets)[1:] == [
        "held-out rows to prove: class b\\n about 77 (now 20), class ant about 320 (now 35)",
        "not to be proved at this estimate: dog (no more than the target, at each threshold fixed in advance)",
    ]
    many = found.lines([(f"class {number:02d}", 5, "estimate", 100 + number) for number in range(12)])[1]
    assert many.endswith("class 09 about 110 (now 5) and 2 classes more")


def test_about():
    assert [about(rows) for rows in (7, 99, 100, 101, 1999, 551_853)] == ["7", "99", "100", "110", "2,000", "560,000"]
