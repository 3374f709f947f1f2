"""What discriminators had learned, by hand."""

import pytest

from altool.metrics.adversary import MEASURES
from altool.reporting.adversaries import HEADS, read, summary_rows, table

ROWS = [  # run, metric, class, total, value
    ("vaal", "loss_correlation", None, 20, 0.1),
    ("vaal", "loss_correlation", None, 20, 0.3),
    ("vaal", "loss_correlation", None, 30, -0.5),
    ("vaal", "loss_correlation", "a", 20, 9.0),
    ("vaal", "macro_f1", None, 20, 0.7),
    ("vaal", "discriminator_loss", None, 20, 1.25),
    ("random", "macro_f1", None, 20, 0.6),
]
COLUMNS = dict(zip(("run", "metric", "class", "total", "value"), zip(*ROWS, strict=True), strict=True))


def test_means_at_each_number_of_labels() -> None:
    loss, correlation = read(COLUMNS, ["random", "vaal"])
    assert (loss.metric, loss.labels, loss.repeats) == ("discriminator_loss", [20], [1])
    assert (correlation.run, correlation.labels, correlation.repeats) == ("vaal", [20, 30], [2, 1])
    assert [(one.value, one.low, one.high) for one in correlation.values] == [(pytest.approx(0.2), 0.1, 0.3), (-0.5, None, None)]
    assert read(COLUMNS, ["random"]) == []


def test_cells_and_rows() -> None:
    found = read(COLUMNS, ["vaal"])
    assert len(HEADS) == len(MEASURES)
    assert table(found) == (["run", "labels", *HEADS], [("vaal", ["30", "1.250", "", "", "", "-0.500", "", "", ""])])
    rows = [(row["metric"], row["labels"], row["value"], row["interval"], row["repeats"]) for row in summary_rows(found)]
    assert rows == [
        ("discriminator_loss", 20, 1.25, None, 1),
        ("loss_correlation", 20, pytest.approx(0.2), "range", 2),
        ("loss_correlation", 30, -0.5, None, 1),
    ]
