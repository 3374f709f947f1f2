"""The order of rows that tie, whatever the strategy and what is wrapped around it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool import seeds
from altool.strategies import registry
from altool.strategies.inputs import Vectors
from altool.wrappers.choose import Request, choose
from altool.wrappers.target_aware import candidate_labels

ROWS = 40
CERTAIN = np.eye(3, dtype=np.float32)[np.zeros(ROWS, int)]
FEATURES = np.random.default_rng(1).normal(size=(ROWS, 4)).astype(np.float32)


def request(name: str, count: int, seed: int = 0, **options: Any) -> Request:
    wraps = {key: options.pop(key) for key in ("diversify", "class_weights", "partitions") if key in options}
    return Request(registry.load(name), count, partial(seeds.generator, seed, "select", 1, name), options, **wraps)


def as_float32(value: float) -> float:
    return float(np.float32(value))


@given(
    st.lists(st.sampled_from([0.1, 0.1 + 1e-12, 0.1 - 1e-12, 0.3, 0.3 + 1e-9, 0.5, -0.0, 0.0, 1e-50]), min_size=2, max_size=40),
    st.integers(0, 45),
)
def test_rows_tie_by_the_score_that_is_written_and_go_by_place(scores: list[float], count: int) -> None:
    found = choose(request("margin", count), len(scores), {"scores": np.array(scores)})
    if len({as_float32(score) for score in scores}) == 1:
        assert found.tied == "have the same score"
        assert len(set(found.places.tolist())) == min(count, len(scores))
    else:
        assert found.places.tolist() == sorted(range(len(scores)), key=lambda row: (-as_float32(scores[row]), row))[:count]
        assert found.scores.tolist() == [as_float32(scores[row]) for row in found.places]
        assert not found.tied


def test_what_re_orders_a_queue_is_given_it_with_written_ties() -> None:
    scores = np.array([0.3, 0.3 + 1e-12, 0.1, 0.3 + 2e-12, 0.1 + 1e-12])  # as float32: 0.3, 0.3, 0.1, 0.3, 0.1
    likeliest = np.array([0, 1, 0, 0, 1])
    found = choose(request("entropy", 4, diversify=True), 5, {"scores": scores, "likeliest": likeliest})
    assert found.places.tolist() == [0, 1, 3, 4]  # the first of each class, then the second
    labels = candidate_labels(np.eye(2, dtype=np.float32)[likeliest], 0.5)
    aware = choose(request("entropy", 3, class_weights=np.array([0.0, 1.0])), 5, {"scores": scores, "candidate_labels": labels})
    assert aware.places.tolist() == [1, 4, 0]  # class 1 asks for both of its rows; the rest follows the queue


def test_ranks_beyond_float32_keep_their_order() -> None:
    ranks = np.array([2.0**24 + 1, 2.0**24, 2.0**24 + 2])
    assert choose(request("queue", 3), 3, {"ranks": ranks}).places.tolist() == [1, 0, 2]


@pytest.mark.parametrize("wraps", [{}, {"diversify": True}])
def test_equal_scores_come_in_a_seeded_random_order(wraps: dict[str, Any]) -> None:
    """Of 40 rows whose first half is one class, by place 10 of 10 were of it: by chance that happens once in 4,500 times."""
    arrays = {"scores": np.full(ROWS, -1 + 1e-12), "likeliest": np.zeros(ROWS, int)}
    found = [choose(request("margin", 10, seed, **wraps), ROWS, arrays).places for seed in (0, 0, 1, 2)]
    assert found[0].tolist() == found[1].tolist()
    assert found[0].tolist() != found[2].tolist()
    assert all(len(set(places.tolist())) == 10 for places in found)
    assert all(0 < (places < ROWS // 2).sum() < 10 for places in found)


PICKS = ["badge", "bait", "cluster-margin", "com", "flcg", "flcmi", "flqmi", "flvmi", "gccg", "gcmi", "logdetcg", "logdetcmi", "logdetmi"]


def arrays(probabilities: np.ndarray, features: np.ndarray = FEATURES) -> dict[str, Any]:
    return {
        "probabilities": probabilities,
        "features": features,
        "labeled_probabilities": probabilities[:6],
        "labeled_features": features[:6],
        "labels": np.arange(6) % 3,
        "likeliest": probabilities.argmax(axis=1),
        "confidence": probabilities.max(axis=1),
        "automatic": np.zeros(6, bool),
        "classes": 3,
        "vectors": Vectors(np.ones(len(features), bool), lambda places: (features[places], features[:6])),
    }


def classes(name: str) -> dict[str, list[int]]:
    return {key: value for key, value in {"query_classes": [0], "private_classes": [1]}.items() if key in registry.load(name).option_names}


def not_by_id(name: str, given_: dict[str, Any], **options: Any) -> None:
    found = [choose(request(name, 8, seed, **options, **classes(name)), ROWS, given_).places.tolist() for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0] != found[2]
    for places in found:
        assert len(set(places)) == 8
        assert places != list(range(8))
        assert max(places) >= ROWS // 2


@pytest.mark.slow
@pytest.mark.parametrize("name", PICKS)
@pytest.mark.parametrize("partitions", [None, 3])
def test_gradients_that_are_all_0_pick_at_random(name: str, partitions: int | None) -> None:
    given_ = arrays(CERTAIN)
    not_by_id(name, given_, partitions=partitions)
    if name != "cluster-margin":  # that has features to spread the rows by
        tied = choose(request(name, 8, partitions=partitions, **classes(name)), ROWS, given_).tied
        assert tied == "have probabilities of 0 and 1 only, and so gradients of 0"


@pytest.mark.parametrize(
    "name", [name for name in registry.names() if registry.load(name).shape == "pick" and name not in ("clarifier", "base", "auto")]
)
def test_equal_rows_are_picked_at_random(name: str) -> None:
    given_ = arrays(np.full((ROWS, 3), 1 / 3, np.float32), np.ones_like(FEATURES))
    not_by_id(name, given_)
    if "vectors" not in registry.load(name).takes:  # those are read by the strategy alone
        assert choose(request(name, 8, **classes(name)), ROWS, given_).tied.startswith("have the same features")


def test_the_row_to_begin_with_is_still_the_first() -> None:
    given_ = arrays(CERTAIN, np.ones_like(FEATURES))
    places = choose(request("coreset", 8, first=7), ROWS, given_).places.tolist()
    assert places[0] == 7
    assert len(set(places)) == 8


def test_features_still_count_where_they_alone_differ() -> None:
    """The measures on features do not care that the model is certain."""
    given_ = arrays(CERTAIN)
    by_features = choose(request("flqmi", 8, similarity="features", **classes("flqmi")), ROWS, given_)
    del given_["probabilities"], given_["labeled_probabilities"]
    assert by_features.places.tolist() == choose(request("flqmi", 8, **classes("flqmi")), ROWS, given_).places.tolist()
    assert not by_features.tied


def easy(seed: int) -> Sequence[int]:
    strategy = registry.load("clarifier", {"clarifier_budgets": (0, 0, 6), "clarifier_hard": "margin"})
    given_ = {**arrays(CERTAIN), "scores": np.zeros(ROWS)}
    options = {"clarifier_budgets": (0, 0, 6), "clarifier_easy": "global"}
    return choose(Request(strategy, 6, partial(seeds.generator, seed), options), ROWS, given_).places.tolist()


def test_equally_easy_rows_are_random_ones() -> None:
    assert easy(0) == easy(0) != easy(1)
    assert easy(0) != sorted(easy(0))


@pytest.mark.parametrize("name", ["direct", "galaxy"])
def test_asking_about_equal_rows_begins_anywhere_and_repeats(name: str) -> None:
    """Call by call it asks the same as an oracle would be asked at once; another seed asks others."""
    given_ = arrays(np.full((ROWS, 3), 1 / 3, np.float32))
    truth = np.random.default_rng(5).integers(0, 3, ROWS)
    whole = choose(request(name, 12), ROWS, {**given_, "answers": truth})
    assert whole.tied == "have the same probabilities"
    assert whole.round is not None
    rows = whole.round.asked.rows.tolist()
    assert len(set(rows)) == 12
    other = choose(request(name, 12, seed=1), ROWS, {**given_, "answers": truth}).round
    assert other is not None
    assert other.asked.rows.tolist() != rows
    answers = np.full(ROWS, registry.PENDING)
    asked: list[int] = []
    while len(now := choose(request(name, 12), ROWS, {**given_, "answers": answers}).places):
        asked += now.tolist()
        answers[now] = truth[now]
    assert asked == rows
