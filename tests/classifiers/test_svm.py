"""Support vector machines: the classes are those of scikit-learn's SVC, the probabilities those of the formula."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from altool.classifiers import svm
from altool.classifiers.svm import SVM
from altool.errors import InputError, UsageError
from altool.models import machines as pairs
from altool.models import registry

pytestmark = pytest.mark.slow

KERNELS = ("linear", "rbf", "poly")


def data(classes: int, rows: int, seed: int = 0, width: int = 6, offset: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = np.sort(np.concatenate([np.repeat(np.arange(classes), 2), draw.integers(0, classes, rows - 2 * classes)]))
    centres = draw.normal(size=(classes, width))
    return (centres[labels] + draw.normal(size=(rows, width)) + offset).astype(np.float32), labels


def reference(features: np.ndarray, labels: np.ndarray, model: SVM, weight: str | None = None) -> Any:
    """scikit-learn's own, with the C that was found, on the features as they are or, far from the origin, less their mean."""
    x = features.astype(float)
    machine = SVC(kernel=model.kernel, C=model.c, gamma=1 / (x.shape[1] * x.var()), class_weight=weight, decision_function_shape="ovo")
    return make_pipeline(StandardScaler(with_mean=bool(model.centre.any()), with_std=False), machine).fit(x, labels)


def seen(machine: Any, features: np.ndarray) -> np.ndarray:
    """(n, k, k): the decision between two classes as the first of them sees it, from scikit-learn's."""
    found = machine.decision_function(features.astype(float))
    classes = len(machine.classes_)
    if classes == 2:  # scikit-learn gives the second class's
        found = -found[:, None]
    result = np.full((len(features), classes, classes), np.nan)
    for column, (first, second) in enumerate(itertools.combinations(range(classes), 2)):
        result[:, first, second], result[:, second, first] = found[:, column], -found[:, column]
    return result


def by_formula(machine: Any, features: np.ndarray, model: SVM) -> np.ndarray:
    """The probabilities, row by row."""
    result = []
    for row, decided in zip(seen(machine, features), machine.predict(features.astype(float)), strict=True):
        logits = [model.smallest * np.nanmin(duels) + model.mean * np.nanmean(duels) for duels in row]
        winner, likeliest = list(machine.classes_).index(decided), int(np.argmax(logits))
        logits[winner], logits[likeliest] = logits[likeliest], logits[winner]
        powers = np.exp(np.array(logits) - max(logits))
        result.append(powers / powers.sum())
    return np.array(result)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("classes", "rows"), [(2, 30), (3, 60), (9, 80)])
@pytest.mark.parametrize("balance", ["none", "class-weight"])
def test_equals_scikit_learn(kernel: str, classes: int, rows: int, balance: str) -> None:
    features, labels = data(classes, rows)
    names = np.array([0, 2, 3, 5, 6, 7, 8, 10, 11])[labels]
    model, converged = svm.fit(features, names, 13, kernel=kernel, balance=balance)
    assert converged
    asked = np.concatenate([features, data(classes, 500, seed=1)[0]])
    machine = reference(features, names, model, "balanced" if balance == "class-weight" else None)
    found = model.probabilities(asked)
    assert found.dtype == np.float32
    assert np.array_equal(found.argmax(axis=1), machine.predict(asked.astype(float)))
    assert np.array_equal(model.decided(asked), machine.predict(asked.astype(float)))
    assert found[:, machine.classes_] == pytest.approx(by_formula(machine, asked, model), abs=2e-5)
    assert (np.delete(found, machine.classes_, axis=1) == 0).all()  # never seen
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7), st.sampled_from(KERNELS), st.sampled_from([0.0, 30.0, 1000.0]), st.booleans())
def test_near_ties_fall_as_they_do_for_scikit_learn(seed: int, classes: int, kernel: str, offset: float, half: bool) -> None:
    """Rows between two of another class, ever nearer to where the decided class changes."""
    draw = np.random.default_rng(seed)
    features, labels = data(classes, 4 * classes, seed=seed, width=3, offset=offset)
    features = features.astype(np.float16) if half else features
    model, _ = svm.fit(features, labels, classes, kernel=kernel, c=float(10 ** draw.uniform(-3, 3) / (1 + offset**2)))
    machine = reference(features, labels, model)
    x = features.astype(float)
    low, high = x[draw.integers(len(x), size=60)], x[draw.integers(len(x), size=60)]
    classes_low = machine.predict(low)
    asked = []
    for _ in range(24):
        middle = (low + high) / 2
        same = machine.predict(middle) == classes_low
        low, high = np.where(same[:, None], middle, low), np.where(same[:, None], high, middle)
        asked.append(middle.astype(np.float32))
    rows = np.concatenate(asked)
    # Nearer than what float64 itself is off, as poly far from the origin is, scikit-learn's own answer is chance.
    own = model._errors(np.linalg.norm(rows.astype(float), axis=1)) * 2.0**-28
    clear = np.nanmin(np.abs(seen(machine, rows)), axis=(1, 2)) > own
    assert clear.mean() > 0.9 or offset
    assert np.array_equal(model.probabilities(rows)[clear].argmax(axis=1), machine.predict(rows.astype(float))[clear])


@pytest.mark.parametrize("kernel", KERNELS)
def test_features_as_they_are_get_the_same_classes(kernel: str) -> None:
    features, labels = data(5, 60)
    model, _ = svm.fit(features, labels, 5, kernel=kernel)
    machine = SVC(kernel=kernel, C=model.c).fit(features.astype(float), labels)
    rows = data(5, 400, seed=2)[0]
    assert np.array_equal(model.decided(rows), machine.predict(rows.astype(float)))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_origin_does_not_matter(kernel: str) -> None:
    features, labels = data(3, 60, offset=0)
    near, far = (svm.fit(features.astype(float) + offset, labels, 3, kernel=kernel, c=2.0)[0] for offset in (0, 2.0**15))
    if kernel == "linear":  # gamma is of the features as they are
        assert np.allclose(near.probabilities(features.astype(float)), far.probabilities(features.astype(float) + 2.0**15), atol=5e-3)
    assert (far.decided(features.astype(float) + 2.0**15) == labels).mean() > 0.3


def test_says_whether_it_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = data(3, 60)
    assert svm.fit(features, labels, 3)[1]
    monkeypatch.setattr(svm, "STEPS", 1)
    assert not svm.fit(features, labels, 3)[1]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_the_errors_of_float32_are_bounded(kernel: str, size: float) -> None:
    features, labels = data(5, 60, offset=3)
    model, _ = svm.fit(features * np.float32(size), labels, 5, kernel=kernel)
    rows = (data(5, 400, seed=2, offset=3)[0] * size * 2).astype(np.float32)
    lengths = np.linalg.norm(rows.astype(float), axis=1)
    decisions = {}
    for dtype in (np.float32, np.float64):
        support = model.support.astype(dtype)
        values = pairs.kernel_values(kernel, model.gamma, support @ rows.astype(dtype).T, (model.support**2).sum(axis=1), lengths**2)
        machines = model._machines[np.dtype(dtype)]
        decisions[dtype] = pairs.pairwise(machines, values, np.empty((5, 5, 400), dtype), votes=False)[0]
    assert (np.abs(decisions[np.float32] - decisions[np.float64]) <= model._errors(lengths)).all()


def test_linear_machines_with_many_vectors_keep_their_normals() -> None:
    features, labels = data(3, 300)
    model, _ = svm.fit(features, labels, 3, c=0.01)
    assert model.support.shape == (6, 6)  # three classes, two others each
    assert np.array_equal(model.decided(features), reference(features, labels, model).predict(features.astype(float)))
    assert len(svm.fit(features, labels, 3, kernel="rbf", c=0.01)[0].support) > 100


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_row_has_the_same_probabilities_in_any_company(kernel: str) -> None:
    model, _ = svm.fit(*data(4, 60), 4, kernel=kernel)
    many = np.random.default_rng(1).normal(2, 1, size=(3000, 6)).astype(np.float32)
    assert not model._logits(many, np.dtype(np.float32))[2].all()  # some are decided in float64
    whole = model.probabilities(many)
    shuffle = np.random.default_rng(2).permutation(3000)
    assert np.array_equal(model.probabilities(many[shuffle]), whole[shuffle])
    for rows in (1, 3, 1023, 1025):
        assert np.array_equal(model.probabilities(many[:rows]), whole[:rows])


def test_prior_divides_by_the_shares_of_the_labels() -> None:
    features, labels = data(3, 90)
    kept = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:5], np.flatnonzero(labels == 2)[:9]])
    features, labels = features[kept], labels[kept]
    model, _ = svm.fit(features, labels, 3, balance="prior")
    shares = np.bincount(labels) / len(labels)
    part = model.priors / np.log(shares)
    assert part == pytest.approx(np.full(3, part[0]))
    assert 0.5 < part[0] <= 1
    plain = replace(model, priors=np.zeros(3)).probabilities(features).astype(float)
    expected = plain / shares ** part[0]
    expected /= expected.sum(axis=1, keepdims=True)
    assert model.probabilities(features) == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(model.decided(features), plain.argmax(axis=1))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("counts", [(2, 2, 2), (1, 1, 1), (1, 1), (5, 1, 2), (12, 1), (3,), (1,)])
@pytest.mark.parametrize("balance", ["none", "class-weight", "prior"])
def test_a_few_labels_are_enough(kernel: str, counts: tuple[int, ...], balance: str) -> None:
    labels = np.repeat(np.arange(len(counts)) * 2, counts)
    draw = np.random.default_rng(0)
    features = (draw.normal(size=(len(labels), 4)) + labels[:, None]).astype(np.float32)
    model, _ = svm.fit(features, labels, 6, kernel=kernel, balance=balance)
    asked = draw.normal(2, 3, size=(50, 4)).astype(np.float32)
    found = model.probabilities(asked)
    assert np.isfinite(found).all()
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (np.delete(found, np.unique(labels), axis=1) == 0).all()
    if len(counts) > 1 and balance != "prior":
        machine = reference(features, labels, model, "balanced" if balance == "class-weight" else None)
        assert np.array_equal(found.argmax(axis=1), machine.predict(asked.astype(float)))
    if max(counts) == 1 and len(counts) > 1:
        assert (model.smallest, model.mean) == (1, 0)  # nothing to calibrate on
    elif len(counts) > 1:
        assert 0 < model.smallest + model.mean < np.inf


def test_rows_that_are_all_the_same() -> None:
    features, labels = np.ones((6, 3), np.float32), np.array([0, 0, 0, 0, 1, 1])
    for kernel in KERNELS:
        found = svm.fit(features, labels, 2, kernel=kernel)[0].probabilities(features)
        assert np.isfinite(found).all()
        assert found.argmax(axis=1).tolist() == [0] * 6 or kernel == "poly"


def test_features_beyond_float32_are_decided_in_float64() -> None:
    features, labels = data(3, 30)
    model, _ = svm.fit(features, labels, 3)
    asked = features.astype(float) * 1e200
    found = model.probabilities(asked)
    assert np.array_equal(found.argmax(axis=1), reference(features, labels, model).predict(asked))
    assert found.sum(axis=1) == pytest.approx(1)


def test_the_decided_class_is_the_likeliest_even_where_they_tie_in_float32() -> None:
    probabilities = svm._softmax(
        np.array([[1.0, 1.0, 0.0], [1.0, 1 + 1e-12, 0.0], [0.0, 0.0, 0.0]]), np.array([1, 1, 2]), np.zeros(3), True
    )
    assert probabilities.argmax(axis=1).tolist() == [1, 1, 2]
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-6)
    swapped = svm._softmax(np.array([[3.0, 1.0, 2.0]]), np.array([1]), np.zeros(3), True)
    assert swapped == pytest.approx(np.exp([[1.0, 3.0, 2.0]]) / np.exp([1, 2, 3]).sum(), abs=1e-6)


def test_auto_takes_the_cost_of_smallest_loss_out_of_fold() -> None:
    from altool import seeds
    from altool.models import cross_validation, folds

    features, labels = data(3, 70)
    x = features.astype(float)
    fold = folds.assign(labels, svm.FOLDS, seeds.integer(5, "cross-validation"))
    variance = ((x - x.mean(axis=0)) ** 2).sum() / len(x)
    losses = []
    for cost in np.array(svm.COSTS) / variance:
        scores = np.empty((70, 3, 2))
        for number in range(svm.FOLDS):
            held = fold == number
            machine = SVC(kernel="linear", C=cost, decision_function_shape="ovo").fit(x[~held], labels[~held])
            duels = seen(machine, x[held])
            scores[held] = np.stack([np.nanmin(duels, axis=2), np.nanmean(duels, axis=2)], axis=2)
        losses.append(cross_validation.calibrate(scores, np.ones((70, 3), bool), labels, np.ones(70)))
    best = int(np.argmin([loss for _, _, loss in losses]))
    model, _ = svm.fit(features, labels, 3, seed=5)
    assert model.c == pytest.approx(svm.COSTS[best] / variance)
    assert (model.smallest, model.mean) == pytest.approx(losses[best][0], abs=1e-3)


def test_features_that_are_too_large_to_fit() -> None:
    features, labels = data(3, 30)
    with pytest.raises(InputError, match="too much for a support vector machine"):
        svm.fit(features * np.float32(1e30), labels, 3, c=1)


def test_c_means_the_same_for_features_of_any_size() -> None:
    features, labels = data(3, 60)
    for kernel in ("linear", "rbf"):
        one, other = (svm.fit(features * factor, labels, 3, kernel=kernel)[0] for factor in (np.float32(1), np.float32(64)))
        assert np.array_equal(one.decided(features), other.decided(features * 64))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"svm_kernel": "sigmoid"}, "--svm-kernel: expected linear, rbf or poly"),
        ({"svm_c": 0.0}, "--svm-c"),
        ({"svm_c": "much"}, "--svm-c"),
    ],
)
def test_wrong_options(options: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        registry.own_of_command(svm.CLASSIFIER, options)
