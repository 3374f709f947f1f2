"""CLARIFIER against the paper's algorithm and the authors' rules, written row by row on explicit similarity matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from extra import torch
from hypothesis import given
from hypothesis import strategies as st
from reference_submodular import value, vectors

from altool.errors import InputError, UsageError
from altool.metrics.tiers import TIERS
from altool.options import flag
from altool.strategies import clarifier

Hard = Callable[[np.ndarray, int], np.ndarray]
RNG = np.random.default_rng(0)


class Pool:
    """A pool of `count` rows in `classes` classes, and labeled rows, some of them labeled automatically."""

    def __init__(self, seed: int, count: int = 40, classes: int = 4, known: int = 14, kind: str = "") -> None:
        rng = np.random.default_rng(seed)
        self.classes = classes
        self.features = rng.normal(size=(count, 5)).astype(np.float32)
        self.probabilities = rng.dirichlet(np.full(classes, 0.4), count).astype(np.float32)
        self.labeled_features = rng.normal(size=(known, 5)).astype(np.float32)
        self.labeled_probabilities = rng.dirichlet(np.full(classes, 0.4), known).astype(np.float32)
        self.labels = rng.integers(0, classes + 1, known)  # the last class has no column
        self.automatic = rng.random(known) < 0.3
        if kind == "copies":
            source = rng.integers(0, count // 4, count)
            self.features, self.probabilities = self.features[source], self.probabilities[source]
        self.likeliest = self.probabilities.argmax(axis=1).astype(np.int32)
        self.confidence = self.probabilities.max(axis=1)

    def pick(self, budgets: tuple[int, int, int], hard: Hard | None = None, **options: Any) -> tuple[list[int], dict[str, np.ndarray]]:
        """CLARIFIER; the hard rows are by default the last ones."""
        positions, marks = clarifier.pick(
            self.likeliest,
            self.confidence,
            self.classes,
            hard or (lambda places, count: places[::-1][:count]),
            np.random.default_rng(0),
            *(self.features, self.labeled_features, self.labels, self.automatic, self.probabilities, self.labeled_probabilities),
            clarifier_budgets=budgets,
            **options,
        )
        assert positions.dtype == np.int64
        return positions.tolist(), marks

    def expected(
        self,
        budgets: tuple[int, int, int],
        measure: str = "logdetmi",
        *,
        balanced: bool = True,
        use_auto: bool = False,
        gradient: bool = True,
        kernel: str = "cosine",
        eta: float = 1.0,
        ridge: float = 1.0,
    ) -> list[tuple[str, int, int]]:
        """(tier, row, suggested class) of every chosen row, by tier."""
        rest = list(range(len(self.features)))
        ranked = sorted(rest, key=lambda row: (-float(self.confidence[row]), row))
        easy: list[int] = []
        for class_ in range(self.classes) if balanced else [None]:
            share = budget_of(budgets[2], class_, self.classes) if class_ is not None else budgets[2]
            easy += [row for row in ranked if class_ in (None, self.likeliest[row])][:share]
        easy.sort(key=ranked.index)
        rest = [row for row in rest if row not in easy]

        features, probabilities = self.labeled_features, self.labeled_probabilities
        labels = [-1 if auto and not use_auto else label for label, auto in zip(self.labels.tolist(), self.automatic, strict=True)]
        if use_auto:
            features = np.concatenate([features, self.features[easy]])
            probabilities = np.concatenate([probabilities, self.probabilities[easy]])
            labels += [int(self.likeliest[row]) for row in easy]
        width = max(self.classes, *labels) + 1
        # Rows without a label take part in no similarity; class 0 stands in for theirs.
        u = vectors(self.features[rest], self.probabilities[rest] if gradient else None, self.likeliest[rest], width)
        w = vectors(features, probabilities if gradient else None, np.maximum(labels, 0), width)
        sim = (lambda a, b: a @ b.T) if kernel == "cosine" else (lambda a, b: (1 + a @ b.T) / 2)
        wanted = sorted({label for label in labels if label >= 0})
        choices: dict[int, list[tuple[float, int, int]]] = {}
        for number, class_ in enumerate(wanted):
            q = w[np.array(labels) == class_]
            given = (sim(u, u), sim(u, q), np.empty((len(u), 0)), sim(q, q), np.empty((0, 0)), np.empty((len(q), 0)))
            chosen: list[int] = []

            def worth(rows: list[int], given: tuple[np.ndarray, ...] = given) -> float:
                return value(measure, rows, *given, eta=eta, ridge=ridge)

            for turn in range(min(budget_of(budgets[1], number, len(wanted)), len(rest))):
                gains = [worth([*chosen, row]) - worth(chosen) if row not in chosen else -np.inf for row in range(len(rest))]
                row = next(row for row, gain in enumerate(gains) if gain >= max(gains) - 1e-12 * max(1, abs(max(gains))))
                chosen.append(row)
                choices.setdefault(rest[row], []).append((gains[row], turn, class_))
        middle = []
        for row, wants in choices.items():
            kept = wants[0]
            for other in wants[1:]:  # in the order of classes
                if other[0] >= kept[0] - 1e-12 * max(1, abs(kept[0])):
                    kept = other
            middle.append((kept[1:], row))
        middle.sort()
        rest = [row for row in rest if row not in choices]
        found = [("hard", row, int(self.likeliest[row])) for row in rest[::-1][: budgets[0]]]
        found += [("intermediate", row, class_) for (_, class_), row in middle]
        return found + [("easy", row, int(self.likeliest[row])) for row in easy]


def budget_of(budget: int, number: int, classes: int) -> int:
    return budget * (number + 1) // classes - budget * number // classes


def rows(positions: list[int], marks: dict[str, np.ndarray]) -> list[tuple[str, int, int]]:
    tiers = [TIERS[tier] for tier in marks["tier"]]
    return list(zip(tiers, positions, marks["suggested"].tolist(), strict=True))


@given(st.integers(0, 500), st.integers(1, 40))
def test_class_budgets(budget: int, classes: int) -> None:
    shares = clarifier.class_budgets(budget, classes)
    assert shares.tolist() == [budget_of(budget, number, classes) for number in range(classes)]
    assert shares.sum() == budget
    assert shares.max() - shares.min() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("measure", list(clarifier.MEASURES))
@pytest.mark.parametrize("kind", ["", "copies"])
def test_equals_the_algorithm(measure: str, kind: str) -> None:
    for seed in range(6):
        pool = Pool(seed, kind=kind)
        options: dict[str, Any] = {"kernel": "shifted"} if measure == "com" or seed % 3 == 2 else {"kernel": "cosine"}
        if measure == "logdetmi":
            options["ridge"] = [1.0, 0.5][seed % 2]
        if measure != "gcmi":
            options["eta"] = [1.0, 0.5][seed % 2]
        budgets = [(5, 9, 6), (0, 12, 0), (4, 3, 11)][seed % 3]
        use_auto, balanced, gradient = seed % 2 == 1, seed % 3 != 1, seed % 4 != 3
        found = pool.pick(
            budgets,
            clarifier_measure=measure,
            clarifier_use_auto=use_auto,
            clarifier_easy="balanced" if balanced else "global",
            similarity="gradient" if gradient else "features",
            **options,
        )
        assert rows(*found) == pool.expected(budgets, measure, balanced=balanced, use_auto=use_auto, gradient=gradient, **options)


def test_the_defaults_are_gradients_raw_cosines_logdetmi_and_weights_of_1() -> None:
    for seed in range(4):
        pool = Pool(20 + seed)
        assert rows(*pool.pick((6, 10, 8))) == pool.expected((6, 10, 8))


def test_a_row_of_two_classes_goes_where_its_gain_is_larger_and_a_tie_to_the_later_class() -> None:
    def search(*found: tuple[int, float]) -> Callable[[int], Any]:
        return lambda count: tuple(map(np.array, zip(*found[:count], strict=True)))

    searches = [(2, search((7, 0.5), (3, 0.25))), (4, search((7, 0.75), (1, 0.5))), (9, search((3, 0.25), (7, 0.125)))]
    positions, classes = clarifier.intermediate(searches, np.array([2, 2, 2]))
    # 7 stays with 4 (0.75), 3 moves to 9 (equal), and 2 is left with nothing: four of six wishes
    assert list(zip(positions.tolist(), classes.tolist(), strict=True)) == [(7, 4), (3, 9), (1, 4)]


def test_easy_rows_by_hand() -> None:
    likeliest, confidence = np.array([0, 0, 0, 1, 0, 2]), np.array([0.9, 0.99, 0.99, 0.6, 0.8, 0.5])
    assert clarifier.easiest(likeliest, confidence, 3, None, RNG).tolist() == [1, 2, 0]
    assert clarifier.easiest(likeliest, confidence, 3, 3, RNG).tolist() == [1, 3, 5]
    # of 5 over 4 classes the last has 2, and nobody is predicted to be in it: a shortfall of 2
    assert clarifier.easiest(likeliest, confidence, 5, 4, RNG).tolist() == [1, 3, 5]
    assert clarifier.easiest(likeliest, confidence, 99, None, RNG).tolist() == [1, 2, 0, 4, 3, 5]


def test_classes_without_a_persons_label_leave_their_share_to_the_others() -> None:
    pool = Pool(1)
    pool.labels, pool.automatic = np.array([1, 1, 3, 3, 0] + [2] * 9), np.array([False] * 4 + [True] * 10)
    found = rows(*pool.pick((0, 8, 0)))
    assert {class_ for _, _, class_ in found} <= {1, 3}
    assert found == pool.expected((0, 8, 0))
    assert {class_ for _, _, class_ in rows(*pool.pick((0, 8, 0), clarifier_use_auto=True))} == {0, 1, 2, 3}


def test_tiers_share_no_row_and_are_never_more_than_the_pool() -> None:
    for budgets in [(3, 4, 5), (40, 40, 40), (0, 0, 40), (40, 0, 0), (0, 0, 0), (1, 60, 0)]:
        for partitions in (None, 1, 3, 50):
            pool = Pool(2)
            positions, marks = pool.pick(budgets, partitions=partitions)
            assert len(set(positions)) == len(positions) == len(marks["tier"])
            counts = np.bincount(marks["tier"], minlength=3)
            assert (counts <= budgets).all()
            assert counts[0] == min(budgets[0], 40 - counts[1] - counts[2])


def test_the_confidence_is_the_probability_of_the_suggestion() -> None:
    pool = Pool(3)
    positions, marks = pool.pick((5, 12, 5))
    padded = np.concatenate([pool.probabilities, np.zeros((40, 1), np.float32)], axis=1)  # of the class that the model does not know
    assert marks["confidence"].tolist() == padded[positions, marks["suggested"]].tolist()
    assert (marks["suggested"] == 4).any()


def test_parts_share_every_class_and_the_whole_budget() -> None:
    pool = Pool(4, count=60, known=40)
    pool.automatic[:] = False
    pool.labels = np.arange(40) % 4
    called: list[tuple[int, list[int], list[int]]] = []

    def pick_part(places: np.ndarray, codes: np.ndarray, budgets: np.ndarray) -> Any:
        called.append((len(places), codes.tolist(), budgets.tolist()))
        return places[: budgets.sum()], np.repeat(codes, budgets)

    found, classes = clarifier.in_parts(pick_part, np.arange(60), np.arange(4), 10, 3, np.random.default_rng(0))
    # shares of 10 are 2, 3, 2, 3: the slots 0 0 1 1 1 2 2 3 3 3 are dealt to three parts of 20 rows
    assert called == [(20, [0, 1, 2, 3], [1, 1, 1, 1]), (20, [0, 1, 3], [1, 1, 1]), (20, [1, 2, 3], [1, 1, 1])]
    assert np.bincount(classes).tolist() == [2, 3, 2, 3]
    assert len(set(found.tolist())) == 10
    assert rows(*pool.pick((2, 10, 3), partitions=1)) == rows(*pool.pick((2, 10, 3)))


def test_tensors_and_halves_give_the_same() -> None:
    for dtype in (np.float32, np.float16):
        pool = Pool(5)
        pool.features, pool.labeled_features = pool.features.astype(dtype), pool.labeled_features.astype(dtype)
        expected = [rows(*pool.pick((4, 9, 4), clarifier_use_auto=auto)) for auto in (False, True)]
        for name in ("features", "probabilities", "labeled_features", "labeled_probabilities"):
            setattr(pool, name, torch.from_numpy(getattr(pool, name)))
        assert [rows(*pool.pick((4, 9, 4), clarifier_use_auto=auto)) for auto in (False, True)] == expected


def test_what_cannot_work_is_refused() -> None:
    pool = Pool(6)
    with pytest.raises(UsageError, match="--eta has no effect with --clarifier-measure gcmi"):
        clarifier.rules({"clarifier_measure": "gcmi", "eta": 1.0}, flag)
    pool.automatic[:] = True
    with pytest.raises(InputError, match="compares with human labels"):
        pool.pick((1, 1, 1))
    assert pool.pick((1, 0, 1))[1]["tier"].tolist() == [0, 2]  # without an intermediate tier no label is needed
    bare = (pool.likeliest, pool.confidence, 4, lambda places, count: places[:count], np.random.default_rng(0))
    with pytest.raises(InputError, match="there are none"):
        clarifier.pick(*bare, clarifier_budgets=(1, 1, 1))
    assert clarifier.pick(*bare, clarifier_budgets=(1, 0, 1))[0].shape == (2,)
