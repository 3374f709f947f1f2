import numpy as np

from altool.kernels.top import top
from altool.strategies import queue


def test_the_first_rank_comes_first_and_equal_ranks_in_id_order() -> None:
    assert top(queue.score(np.array([3, 1, 2, 1])), 4).tolist() == [1, 3, 2, 0]
