import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.kernels.top import order, top

SCORES = st.lists(st.sampled_from([-np.inf, -1.0, 0.0, -0.0, 0.5, 1.0, np.inf]), max_size=40).map(np.array)


@given(SCORES, st.integers(0, 50))
def test_top_is_the_head_of_a_sort_by_falling_score_then_position(scores: np.ndarray, count: int) -> None:
    reference = sorted(range(len(scores)), key=lambda position: (-scores[position], position))
    assert top(scores.astype(float), count).tolist() == reference[:count]
    assert order(scores.astype(float)).tolist() == reference


def test_nan_has_no_place_in_an_order() -> None:
    with pytest.raises(ValueError, match="NaN"):
        top(np.array([1.0, np.nan]), 1)
