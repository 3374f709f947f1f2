"""vaal: the rows that its discriminator takes for unlabeled ones."""

from __future__ import annotations

import numpy as np
from random_subset import *  # noqa: F403 (what is tested of every learned score)
from random_subset import request

from altool import seeds
from altool.strategies import vaal
from altool.wrappers.choose import choose

STRATEGY, COLUMN, SIGN = vaal.STRATEGY, "labeled_probability", 1


def test_the_sample_is_uniform() -> None:
    values = np.zeros(30, np.float32)
    drawn = [choose(request(STRATEGY, 3, seed, subset_factor=1), 30, {"labeled_probability": values}).places for seed in range(2000)]
    counts = np.bincount(np.concatenate(drawn), minlength=30)
    assert ((counts - 200) ** 2 / 200).sum() < 58.3  # chi square with 29 degrees of freedom: p = 0.001


def test_wrappers_see_the_subset_alone() -> None:
    draw = np.random.default_rng(0)
    values, likeliest = draw.random(200, np.float32), draw.integers(0, 3, 200).astype(np.int32)
    arrays = {"labeled_probability": values, "likeliest": likeliest, "candidate_labels": (np.arange(201), likeliest.astype(np.int16))}
    subset = seeds.generator(0, "subset").choice(200, 50, replace=False)
    best = sorted(subset.tolist(), key=lambda row: values[row])
    aware = choose(request(STRATEGY, 5, class_weights=np.array([0.0, 0, 1])), 200, arrays)
    assert aware.places.tolist() == [row for row in best if likeliest[row] == 2][:5]
    assert aware.target_class.tolist() == [2] * 5
    diverse = choose(request(STRATEGY, 5, diversify=True), 200, arrays)
    first = [next(row for row in best if likeliest[row] == class_) for class_ in range(3)]
    assert diverse.places[:3].tolist() == sorted(first, key=lambda row: values[row])


def test_the_least_likely_labeled_come_first() -> None:
    assert vaal.score(np.array([0.25, 1, 0], np.float32)).tolist() == [-0.25, -1, 0]
