"""flcmi: rows that cover the candidates like the query rows and unlike the private rows, against its formula."""

from __future__ import annotations

import numpy as np
from similar import *  # noqa: F403 (what is tested of every measure)
from similar import Pool, test_no_query_row_is_refused  # noqa: F401 (tests)

NAME = "flcmi"


def test_no_private_row_is_mutual_information() -> None:
    pool = Pool(np.random.default_rng(9), 30)
    assert pool.pick(NAME, 9, query_classes=[0], private_classes=[]).tolist() == pool.pick("flvmi", 9, query_classes=[0]).tolist()
