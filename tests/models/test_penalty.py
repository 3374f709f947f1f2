"""The penalty of `logistic`: the choice is that of a plain loop over folds and scikit-learn's fits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from altool import seeds
from altool.models import penalty, softmax

pytestmark = pytest.mark.slow


def data(rows: int, classes: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scaled features of overlapping classes, of which later ones are rarer."""
    draw = np.random.default_rng(seed)
    shares = 0.7 ** np.arange(classes)
    labels = np.concatenate([np.repeat(np.arange(classes), 2), draw.choice(classes, rows - 2 * classes, p=shares / shares.sum())])
    return softmax.scaled(draw.normal(size=(classes, 20))[labels] * spread + draw.normal(size=(rows, 20)))[0], labels


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of the folds that end at the optimum, not near it."""
    monkeypatch.setattr(penalty, "STEPS", 500)
    monkeypatch.setattr(penalty, "CLOSE", 1e-6)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("balance", ["none", "class-weight"])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_path_ends_where_scikit_learn_does(classes: int, balance: str) -> None:
    x, labels = data(90, classes, 1.0)
    counts = np.bincount(labels)
    weights = len(labels) / classes / counts[labels] if balance == "class-weight" else np.ones(len(labels))
    weighs = "balanced" if balance == "class-weight" else None
    for c, w in zip(penalty.GRID, penalty.path(x.astype(np.float32), labels, weights), strict=True):
        expected = LogisticRegression(C=c, tol=1e-8, max_iter=5000, class_weight=weighs).fit(x, labels).predict_proba(x)
        logits = x @ w[:-1] + w[-1]
        found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert found == pytest.approx(expected, abs=1e-3), c


def by_hand(x: np.ndarray, labels: np.ndarray, balance: str, seed: int) -> tuple[float, list[float]]:
    """The C, and the mean over the classes of the mean Brier score of their rows, for each C."""
    splits = StratifiedKFold(3, shuffle=True, random_state=seeds.integer(seed, "logistic", "folds"))
    rows: list[dict[int, float]] = []
    for c in penalty.GRID:
        found = {}
        for train, held in splits.split(x, labels):
            weighs = "balanced" if balance == "class-weight" else None
            machine = LogisticRegression(C=c, tol=1e-8, max_iter=5000, class_weight=weighs).fit(x[train], labels[train])
            likely = machine.predict_proba(x[held])
            if balance == "prior":
                likely /= np.bincount(labels[train])[machine.classes_]
                likely /= likely.sum(axis=1, keepdims=True)
            for row, of_row in zip(held, likely, strict=True):
                if labels[row] in machine.classes_:
                    found[row] = float(((of_row - (machine.classes_ == labels[row])) ** 2).sum())
        rows.append(found)
    there = sorted(rows[0])
    sizes = {int(k): sum(labels[row] == k for row in there) for k in labels[there]}
    share = {row: 1 / len(sizes) / sizes[labels[row]] for row in there}
    scores = [sum(share[row] * found[row] for row in there) for found in rows]
    best = scores.index(min(scores))

    def level(place: int) -> bool:
        gaps = {row: rows[place][row] - rows[best][row] for row in there}
        mean = sum(share[row] * gap for row, gap in gaps.items())
        return mean <= 2 * sum((share[row] * (gap - mean)) ** 2 for row, gap in gaps.items()) ** 0.5

    near = [place for place in range(len(scores)) if level(place)]
    return penalty.GRID[min(near, key=lambda place: abs(np.log10(penalty.GRID[place])))], scores


@pytest.mark.usefixtures("exact")
@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize(
    ("rows", "classes", "spread", "balance"),
    [(60, 2, 0.3, "none"), (250, 5, 0.4, "none"), (250, 5, 0.4, "class-weight"), (250, 5, 0.4, "prior"), (80, 3, 2.0, "none")],
)
def test_the_choice_is_that_of_a_plain_loop(rows: int, classes: int, spread: float, balance: str) -> None:
    x, labels = data(rows, classes, spread)
    expected, scores = by_hand(x, labels, balance, 7)
    chosen = penalty.choose(x, labels, balance, 7)
    assert chosen.options == {"c": expected}
    assert list(chosen.measured) == [f"{c:g}" for c in penalty.GRID]
    assert list(chosen.measured.values()) == pytest.approx(scores, abs=2e-3)


def test_the_fits_are_near_enough() -> None:
    """The choice of the quick fits is that of the exact ones, or beside it."""

    def choices() -> Iterator[int]:
        for seed in range(4):
            yield penalty.GRID.index(penalty.choose(*data(200, 4, 0.3 + 0.2 * (seed % 3), seed), "none", seed).options["c"])

    quick = [*choices()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(penalty, "STEPS", 500)
        patch.setattr(penalty, "CLOSE", 1e-6)
        assert np.abs(np.array(quick) - [*choices()]).max() <= 1
    assert len(set(quick)) > 1


def test_of_values_that_are_level_the_nearest_to_1_is_taken() -> None:
    """Four rows, each a quarter. 0.03 is best; 0.3 is worse by 0.1, 0, 0.1, 0: 0.05 on average, +- 0.025."""
    share, best = np.full(4, 0.25), np.array([0.2, 0.4, 0.1, 0.3])
    level = best + np.array([0.1, 0, 0.1, 0])
    far = best + np.array([0.3, 0.2, 0.3, 0.2])  # 0.25 +- 0.025
    places = {c: place for place, c in enumerate(penalty.GRID)}
    losses = np.stack([far, best, far, level, far, far])
    assert penalty.pick(losses, share) == places[0.3]
    losses[places[0.3]] += 0.001  # 0.051, and as far apart
    assert penalty.pick(losses, share) == places[0.03]
    losses[places[1.0]] = best
    assert penalty.pick(losses, share) == places[1.0]


@pytest.mark.parametrize(("counts", "tried"), [((4, 5), False), ((5, 5), True), ((1, 9), True), ((1, 1, 1), False), ((20, 1, 1, 1), True)])
def test_few_labels_leave_it_at_1(counts: tuple[int, ...], tried: bool) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    x = softmax.scaled(np.random.default_rng(0).normal(size=(len(labels), 3)) + labels[:, None])[0]
    chosen = penalty.choose(x, labels, "none", 0)
    assert bool(chosen.measured) == tried
    if not tried:
        assert chosen.options == {"c": 1.0}
        assert chosen.why == "fewer than 5 labels a class are too few to choose it"


def test_rows_that_are_all_alike() -> None:
    chosen = penalty.choose(np.zeros((30, 4)), np.repeat([0, 1], 15), "none", 0)
    assert chosen.options == {"c": 1.0}
    assert "no other C is clearly better" in chosen.why
