"""Linear support vector machines: the classes are those of scikit-learn's LinearSVC, sharpened by one number."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from altool import seeds
from altool.classifiers import linear_svm
from altool.errors import UsageError
from altool.models import registry


def data(classes: int = 4, rows: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = np.sort(draw.integers(0, classes, rows))
    return (np.random.default_rng(9).normal(size=(classes, 5))[labels] + draw.normal(size=(rows, 5)) + 3).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("balance", ["none", "class-weight"])
def test_equals_scikit_learn_on_scaled_features(classes: int, balance: str) -> None:
    features, labels = data(classes)
    model, converged = linear_svm.fit(features, labels * 2, 9, balance=balance, c=0.1)
    assert converged
    x = features.astype(float) - features.mean(axis=0, dtype=float)
    x /= np.sqrt((x**2).mean())
    state = seeds.integer(0, "train", "linear-svm")
    machine = LinearSVC(C=0.1, class_weight="balanced" if balance == "class-weight" else None, random_state=state).fit(x, labels)
    decisions = machine.decision_function(x)
    decisions = np.stack([-decisions, decisions], axis=1) / 2 if classes == 2 else decisions
    found = model.probabilities(features)[:, np.arange(classes) * 2].astype(float)
    assert np.array_equal(found.argmax(axis=1), machine.predict(x))
    ratio = np.log(found[:, 1:] / found[:, :1]) / (decisions[:, 1:] - decisions[:, :1])  # one temperature for all
    assert ratio.min() > 0
    assert ratio == pytest.approx(np.median(ratio), rel=1e-2)


def test_probabilities_are_calibrated() -> None:
    features, labels = data(rows=300)
    asked, truth = data(rows=3000, seed=1)
    found = linear_svm.fit(features, labels, 4)[0].probabilities(asked)
    likeliest = found.max(axis=1)
    right = found.argmax(axis=1) == truth
    assert abs(likeliest.mean() - right.mean()) < 0.05
    assert -np.log(found[np.arange(3000), truth]).mean() < 0.9  # all alike: 1.39


def test_prior_divides_by_the_shares_of_the_labels() -> None:
    """Of labels of which one class is rare, balanced ones are predicted better."""
    features, labels = data(3, 400)
    kept = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:12], np.flatnonzero(labels == 2)])
    asked, truth = data(3, 3000, seed=1)
    found = {
        balance: linear_svm.fit(features[kept], labels[kept], 3, balance=balance, c=0.1)[0].probabilities(asked)
        for balance in ("none", "prior")
    }
    ratio = np.log(found["prior"].astype(float) / found["none"])
    assert (ratio[:, 1] > ratio[:, 0]).all()
    recall = {balance: (matrix.argmax(axis=1) == truth)[truth == 1].mean() for balance, matrix in found.items()}
    assert recall["prior"] > recall["none"] + 0.1


@pytest.mark.parametrize("counts", [(2, 2, 2), (1, 1, 1), (1, 1), (5, 1, 2), (3,), (1,)])
def test_a_few_labels_are_enough(counts: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(len(counts)) * 2, counts)
    draw = np.random.default_rng(0)
    features = (draw.normal(size=(len(labels), 4)) + labels[:, None]).astype(np.float32)
    model, _ = linear_svm.fit(features, labels, 6)
    found = model.probabilities(draw.normal(2, 3, size=(50, 4)).astype(np.float32))
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (np.delete(found, np.unique(labels), axis=1) == 0).all()


def test_the_solver_may_not_converge() -> None:
    assert not linear_svm.fit(*data(), 4, c=1e6, iterations=1)[1]
    with pytest.raises(UsageError, match="--linear-svm-c"):
        registry.own_of_command(linear_svm.CLASSIFIER, {"linear_svm_c": -1.0})
