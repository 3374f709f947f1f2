"""Of near copies one a batch: against a slow walk down the queue, over every strategy."""

from __future__ import annotations

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
from altool.wrappers.unique import Likeness, choose_unique

pytestmark = pytest.mark.slow

NOBODY = np.empty((0, 2))


def request(name: str, count: int, **facts: Any) -> Request:
    wraps = {key: facts.pop(key) for key in ("diversify", "class_weights", "partitions") if key in facts}
    return Request(registry.load(name, facts, str), count, partial(seeds.generator, 0, "select", 1, name), facts, **wraps)


def likeness(vectors: np.ndarray, labeled: np.ndarray = NOBODY, threshold: float = 0.98, present: np.ndarray | None = None) -> Likeness:
    there = np.ones(len(vectors), bool) if present is None else present
    return Likeness(threshold, Vectors(there, lambda places: (vectors[places], labeled)))


def cosine(left: np.ndarray, right: np.ndarray) -> float:
    lengths = np.sqrt(float(left @ left)) * np.sqrt(float(right @ right))
    return float(left @ right) / lengths if lengths else 0.0


def slow(queue: list[int], vectors: np.ndarray, labeled: np.ndarray, count: int, threshold: float) -> tuple[list[int], int, int]:
    """The walk down the queue as the guide has it: what is kept, and how many copies of labeled rows and of chosen ones are left out."""
    kept: list[int] = []
    of_labeled = of_chosen = 0
    for row in queue:
        if len(kept) == count:
            break
        if any(cosine(vectors[row], other) >= threshold - 1e-9 for other in labeled):
            of_labeled += 1
        elif any(cosine(vectors[row], vectors[other]) >= threshold - 1e-9 for other in kept):
            of_chosen += 1
        else:
            kept.append(row)
    return kept, of_labeled, of_chosen


ANGLES = st.lists(st.integers(0, 40), min_size=1, max_size=40)


@given(ANGLES, st.lists(st.integers(0, 40), max_size=3), st.integers(1, 45), st.sampled_from([0.5, 0.98, 1.0]))
def test_it_goes_on_down_the_queue(angles: list[int], labeled: list[int], count: int, threshold: float) -> None:
    turn = np.radians(np.array(angles) * 3.0)
    vectors = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    turn = np.radians(np.array(labeled) * 3.0)
    known = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    scores = np.random.default_rng(len(angles)).permutation(len(angles)).astype(float)
    found, left_out = choose_unique(request("margin", count), len(angles), {"scores": scores}, likeness(vectors, known, threshold))
    queue = np.argsort(-scores).tolist()
    assert (found.places.tolist(), left_out.labeled, left_out.batch) == slow(queue, vectors, known, count, threshold)
    assert found.scores.tolist() == scores[found.places].tolist()


def test_equal_contents_are_copies_whatever_their_vectors() -> None:
    contents = [b"a", b"b", b"a", None, None, b"c"]
    alike = Likeness(0.98, contents=lambda places: ([contents[place] for place in places], [b"c"]))
    found, left_out = choose_unique(request("margin", 6), 6, {"scores": np.arange(6.0, 0, -1)}, alike)
    assert found.places.tolist() == [0, 1, 3, 4]
    assert (left_out.batch, left_out.labeled) == (1, 1)


def test_rows_without_a_vector_and_vectors_without_a_length_are_no_copies() -> None:
    vectors = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    present = np.array([True, True, True, False, True])
    found, _ = choose_unique(request("margin", 5), 5, {"scores": np.arange(5.0, 0, -1)}, likeness(vectors, present=present))
    assert found.places.tolist() == [0, 1, 2, 3]
    nothing = likeness(vectors, present=np.zeros(5, bool))
    assert len(choose_unique(request("margin", 5), 5, {"scores": np.arange(5.0)}, nothing)[0].places) == 5


def test_a_batch_of_several_blocks() -> None:
    draw = np.random.default_rng(0)
    vectors = np.repeat(draw.normal(size=(1500, 8)), 2, axis=0)
    scores = draw.permutation(3000).astype(float)
    found, left_out = choose_unique(request("margin", 1400), 3000, {"scores": scores}, likeness(vectors, threshold=0.999999))
    groups = (np.argsort(-scores) // 2).tolist()
    assert (found.places // 2).tolist() == list(dict.fromkeys(groups))[:1400]
    assert left_out.batch == len(groups[: groups.index(list(dict.fromkeys(groups))[1399])]) - 1399


def arrays(rows: int) -> tuple[dict[str, Any], np.ndarray]:
    """Groups of four copies of the same vector and the same probabilities."""
    draw = np.random.default_rng(3)
    features = np.repeat(draw.normal(size=(rows // 4, 6)), 4, axis=0).astype(np.float32)
    probabilities = np.repeat(draw.dirichlet(np.ones(3), rows // 4), 4, axis=0).astype(np.float32)
    labeled = draw.normal(size=(6, 6)).astype(np.float32)
    given = {
        "probabilities": probabilities,
        "features": features,
        "labeled_probabilities": draw.dirichlet(np.ones(3), 6).astype(np.float32),
        "labeled_features": labeled,
        "labels": np.arange(6) % 3,
        "automatic": np.zeros(6, bool),
        "likeliest": probabilities.argmax(axis=1).astype(np.int32),
        "confidence": probabilities.max(axis=1),
        "margin": -np.diff(np.sort(probabilities)[:, -2:])[:, 0].astype(float),
        "clusters": np.arange(rows) // 4,
        "mutual_information": probabilities[:, 0],
        "predicted_loss": probabilities[:, 1],
        "labeled_probability": probabilities[:, 2],
        "ranks": np.arange(rows, dtype=float),
        "head": (draw.normal(size=(3, 6)), np.zeros(3)),
        "classes": 3,
        "vectors": Vectors(np.ones(rows, bool), lambda places: (features[places], labeled)),
        "candidate_labels": candidate_labels(probabilities, 0.5),
    }
    return given, features


@pytest.mark.parametrize("wraps", [{}, {"class_weights": np.array([1.0, 2.0, 0.0])}])
@pytest.mark.parametrize("name", [name for name in registry.names() if registry.load(name).shape != "ask"])
def test_no_copies_over_any_strategy(name: str, wraps: dict[str, Any]) -> None:
    given, features = arrays(80)
    names = registry.load(name).option_names
    own: dict[str, Any] = {key: value for key, value in {"query_classes": [0], "private_classes": [1]}.items() if key in names}
    own |= {"clarifier_budgets": (4, 3, 2)} if name == "clarifier" else {}
    asked = request(name, 9, **own, **wraps)
    found, _ = choose_unique(asked, 80, given, likeness(features, given["labeled_features"]))
    fixed = found.explored if "explored" in asked.strategy.marks else np.zeros(len(found.places), bool)
    groups = (found.places // 4)[~fixed].tolist()
    assert len(set(groups)) == len(groups)
    assert not set(groups) & set((found.places // 4)[fixed].tolist())
    assert len(found.places) == len(set(found.places.tolist())) == 9
    assert not (found.explored & ~fixed).any()
    again, _ = choose_unique(asked, 80, given, likeness(features, given["labeled_features"]))
    assert again.places.tolist() == found.places.tolist()


@pytest.mark.parametrize("name", ["margin", "badge", "kmeans", "random", "coreset"])
def test_without_copies_it_is_the_same_batch(name: str) -> None:
    given, features = arrays(80)
    some = np.arange(0, 80, 4)
    given = {key: value[some] if isinstance(value, np.ndarray) and len(value) == 80 else value for key, value in given.items()}
    plain = choose(request(name, 6), 20, given)
    found, left_out = choose_unique(request(name, 6), 20, given, likeness(features[some], threshold=1.0))
    assert found.places.tolist() == plain.places.tolist()
    assert found.scores.tolist() == plain.scores.tolist()
    assert left_out.batch == left_out.labeled == 0


def test_tiers_are_filled_each_by_itself() -> None:
    given, features = arrays(80)
    asked = request("clarifier", 9, clarifier_budgets=(4, 3, 2))
    found, _ = choose_unique(asked, 80, given, likeness(features))
    assert found.marks["tier"].tolist() == [0] * 4 + [1] * 3 + [2] * 2
