"""The tables of a simulated run."""

import numpy as np
import pytest

from altool.metrics.evaluation import evaluate
from altool.simulation import records
from altool.simulation.from_model import Pool
from altool.simulation.replay import History, Round

HELD = np.array([0, 0, 1, 1])


def entry(number, labels, predicted):
    found = evaluate(HELD, np.eye(2)[predicted], [0.9] * 2, None)
    return Round(number, np.array([labels // 2, labels - labels // 2]), labels, np.zeros(3, int), np.nan, found)


def test_agreement_is_with_the_last_round_of_clearly_fewer_labels():
    rounds = [entry(0, 10, [0, 0, 0, 0]), entry(1, 12, [1, 1, 1, 1]), entry(2, 16, [0, 1, 1, 1]), entry(3, 24, [0, 0, 1, 1])]
    pool = Pool(np.zeros((4, 1)), HELD, np.zeros((4, 1)), HELD, ("a", "b"))
    table = records.rounds(History(rounds), "x", 0, pool).to_pylist()
    found = {row["round"]: (row["value"], row["support"], row["class"]) for row in table if row["metric"] == "agreement"}
    # 12 labels are too near 10; round 2 (16) is compared with round 0, round 3 (24) with round 2
    assert found == {2: (pytest.approx(0), 4, None), 3: (pytest.approx((0.75 - 0.5) / 0.5), 4, None)}
