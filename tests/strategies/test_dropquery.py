"""DropQuery against loops over rows and masks."""

from __future__ import annotations

import numpy as np
import pytest
from reference_herding import rows

from altool import seeds
from altool.kernels import herding
from altool.strategies import dropquery, kmeans

SEED = int(np.random.default_rng(0).integers(2**31))  # of the masks of a pick
HEAD = (
    np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32),
    np.random.default_rng(2).normal(size=4).astype(np.float32),
)


def changes(features: np.ndarray, masks: int, rate: float) -> list[int]:
    """How often a row's class changes, from the definition; the masks of 2,048 rows are drawn at once."""
    weights, bias = (part.astype(float) for part in HEAD)
    kept = [seeds.generator(SEED, "mask", mask, 0).random(features.shape, np.float32) >= rate for mask in range(masks)]

    def predicted(row: np.ndarray) -> int:
        return int(np.argmax([sum(w * x for w, x in zip(line, row, strict=True)) + b for line, b in zip(weights, bias, strict=True)]))

    return [
        sum(predicted(np.where(mask[place], row, 0)) != predicted(row) for mask in kept) for place, row in enumerate(features.astype(float))
    ]


def pick(features: np.ndarray, count: int, head: object = HEAD, **options: float) -> list[int]:
    found = dropquery.pick(features, count, np.random.default_rng(0), head, **options)  # type: ignore[arg-type]
    assert found.dtype == np.int64
    assert len(set(found.tolist())) == min(count, len(features))
    return found.tolist()


def clustered(features: np.ndarray, candidates: list[int], count: int, head: bool = True) -> list[int]:
    rng = np.random.default_rng(0)
    if head:
        rng.integers(2**31)  # the masks' seed
    return [candidates[place] for place in kmeans.pick(herding.unit(features[candidates]), count, rng)]


@pytest.mark.parametrize(("masks", "rate"), [(3, 0.75), (5, 0.4), (1, 0.9), (4, 0.5)])
def test_equals_the_loops(masks: int, rate: float) -> None:
    features = rows(150)
    changed = changes(features, masks, rate)
    assert dropquery.disagreement(features, HEAD, SEED, masks, rate).tolist() == changed
    often = [place for place, number in enumerate(changed) if number > masks / 2]
    assert len(often) > 8
    assert pick(features, 8, dropquery_masks=masks, dropquery_rate=rate) == clustered(features, often, 8)


def test_of_fewer_rows_that_disagree_those_that_do_most() -> None:
    features = rows(60)
    changed = changes(features, 3, 0.75)
    count = sum(number > 1 for number in changed) + 5
    first = sorted(sorted(range(60), key=lambda place: (-changed[place], place))[:count])
    assert pick(features, count) == clustered(features, first, count)


def test_without_a_model_all_rows_are_candidates() -> None:
    features = rows(90)
    assert pick(features, 10, None) == clustered(features, list(range(90)), 10, head=False)


def test_nothing_dropped_changes_nothing_and_all_dropped_leaves_the_bias() -> None:
    features = rows(40)
    assert not dropquery.disagreement(features, HEAD, SEED, 3, 0.0).any()
    own = (features @ HEAD[0].T + HEAD[1]).argmax(axis=1)
    assert dropquery.disagreement(features, HEAD, SEED, 3, 1.0).tolist() == (3 * (own != HEAD[1].argmax())).tolist()


def test_many_candidates_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropquery, "ROWS", 10)
    features = np.random.default_rng(0).normal(size=(5000, 5)).astype(np.float32)
    found = [set(pick(features, 6, head)) for head in (None, HEAD)]
    changed = dropquery.disagreement(features, HEAD, SEED, 3, 0.75)
    assert (changed[list(found[1])] > 1).all()


def test_adversaries() -> None:
    zeros = np.zeros((9, 5), np.float32)
    assert len(pick(zeros, 9)) == 9
    assert len(pick(np.repeat(rows(3), 20, axis=0), 30)) == 30
    assert pick(rows(1), 5) == [0]
    assert pick(rows(5), 0) == []
    assert len(pick(rows(40), 5, (HEAD[0][:1], HEAD[1][:1]))) == 5  # one class


def test_says_what_it_needs() -> None:
    assert dropquery.STRATEGY.tables == ("features",)
    assert dropquery.STRATEGY.cold_start
    assert {option.name: option.default for option in dropquery.STRATEGY.options} == {"dropquery_masks": 3, "dropquery_rate": 0.75}
