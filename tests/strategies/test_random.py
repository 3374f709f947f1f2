from collections import Counter

import numpy as np
from scipy import stats

from altool.kernels.top import top
from altool.strategies import random


def test_every_pair_is_equally_likely() -> None:
    rng = np.random.default_rng(1)
    pairs = Counter(tuple(sorted(top(random.score(5, rng), 2))) for _ in range(20_000))
    assert len(pairs) == 10
    assert stats.chisquare(list(pairs.values())).pvalue > 0.001
