"""com: rows like the query rows, none served much more than others, against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from similar import *  # noqa: F403 (what is tested of every measure)
from similar import Pool, test_no_query_row_is_refused, test_the_gains_are_what_each_pick_adds_to_the_measure  # noqa: F401 (tests)

from altool.errors import InputError

NAME = "com"


def test_a_sum_of_cosines_without_a_logarithm() -> None:
    pool = Pool(np.random.default_rng(12), 3)
    pool.features[:], pool.labeled[:] = [1, 0, 0, 0, 0], [-1, 0, 0, 0, 0]
    with pytest.raises(InputError, match="cosines is -1 or less") as caught:
        pool.pick("com", 2, query_classes=[0], kernel="cosine")
    assert "--kernel shifted" in caught.value.hint


def test_concave_over_modular_with_raw_cosines() -> None:
    rng = np.random.default_rng(13)
    pool = Pool(rng, 15)
    pool.features = np.abs(pool.features) - 0.1
    pool.labeled = np.abs(pool.labeled)
    assert pool.pick("com", 9, query_classes=[0, 1], kernel="cosine").tolist() == (
        pool.greedy("com", 9, query_classes=[0, 1], kernel="cosine").tolist()
    )
