"""What the next labels bring, in words."""

from altool.metrics.stopping import Gain
from altool.reporting.stopping import Stopping


def said(gain, step):
    return Stopping("accuracy", gain, None, (), held_out=True, classes=2, step=step).lines("accuracy")[0]


def test_a_round_as_large_as_the_last_is_on_the_same_line():
    """10 points a doubling, from 100 labels: 100 more are one doubling, 300 two."""
    text = said(Gain(0.1, 0.01, 5, 10, 100, 0.5), 300)
    assert text.startswith("the next 100 labels bring 10.0 points of accuracy [8.0, 12.0]")
    assert text.endswith("; a round of 300, as large as the last, 20.0 [16.0, 24.0]")


def test_it_is_left_out_where_the_line_would_go_on_beyond_1_or_the_round_is_unknown():
    assert "as large as the last" not in said(Gain(0.1, 0.01, 5, 10, 100, 0.85), 300)
    assert "as large as the last" not in said(Gain(0.1, 0.01, 5, 10, 100, 0.5), 0)
