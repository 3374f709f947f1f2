import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from altool.wrappers.diversify import diversify
from altool.wrappers.suggest import predicted


def passes(queue: list[int], pseudo_class: list[int], count: int) -> list[int]:
    """alamp-div as printed: passes over the sorted list, at most one row per pseudo class in each."""
    left, chosen = list(queue), []
    while left and len(chosen) < count:
        seen = set()
        for row in list(left):
            if pseudo_class[row] not in seen and len(chosen) < count:
                seen.add(pseudo_class[row])
                chosen.append(row)
                left.remove(row)
    return chosen


@given(st.data())
def test_equals_the_printed_loop(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 30))
    group = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    queue = data.draw(st.permutations(range(count)))
    budget = data.draw(st.integers(0, 35))
    assert diversify(np.array(queue, np.int64), np.array(group, np.int32), budget).tolist() == passes(queue, group, budget)


def test_by_hand() -> None:
    # queue 4 2 0 1 3 of classes a a a b b: the first pass takes 4 and 1, the second 2 and 3, the third 0
    assert diversify(np.array([4, 2, 0, 1, 3]), np.array([0, 1, 0, 1, 0]), 5).tolist() == [4, 1, 2, 3, 0]


def test_a_tie_is_predicted_as_the_lower_class() -> None:
    codes, values = predicted(np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]], np.float32))
    assert codes.tolist() == [0, 2]
    assert values.tolist() == [np.float32(0.4), np.float32(0.7)]
