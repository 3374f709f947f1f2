"""Per-class and overall metrics against scikit-learn."""

import time

import numpy as np
import pytest
from sklearn import metrics as reference

from altool import seeds
from altool.metrics.evaluation import evaluate
from altool.metrics.gaps import Aims
from altool.metrics.intervals import wilson
from altool.metrics.recall_at_precision import cuts, recall_at_precision, required


def make(rows, classes, seed=0, sharpness=1.0):
    rng = np.random.default_rng(seed)
    true = rng.integers(classes, size=rows)
    logits = rng.normal(size=(rows, classes)) + sharpness * np.eye(classes)[true]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return true, probabilities.astype(np.float32)


def run(true, probabilities, precision=0.9):
    return evaluate(true, probabilities, [precision] * probabilities.shape[1], seeds.generator(0, "test"))


@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (40, 3), (500, 7), (60, 30)])
def test_equals_sklearn(rows, classes):
    true, probabilities = make(rows, classes)
    found = run(true, probabilities)
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, support = reference.precision_recall_fscore_support(true, predicted, labels=range(classes), zero_division=0)
    assert found.support.tolist() == support.tolist()
    assert found.predicted.tolist() == predicted.tolist()
    np.testing.assert_allclose(found.metrics["precision"].value, precision)
    np.testing.assert_allclose(found.metrics["recall"].value, recall)
    np.testing.assert_allclose(found.metrics["f1"].value, f1)
    assert found.overall["accuracy"][0] == pytest.approx(reference.accuracy_score(true, predicted))
    assert found.overall["macro_f1"][0] == pytest.approx(f1.mean())
    assert found.overall["macro_recall"][0] == pytest.approx(recall.mean())
    for code in np.flatnonzero(support):
        assert found.metrics["accuracy"].value[code] == pytest.approx(reference.accuracy_score(true == code, predicted == code))
        curve = reference.precision_recall_curve(true == code, probabilities[:, code])
        best = max((r for p, r in zip(*curve[:2], strict=True) if p >= 0.9 - 1e-12), default=0)
        assert found.metrics["recall_at_precision"].value[code] == pytest.approx(best)
    for estimates in found.metrics.values():
        assert (estimates.low <= estimates.value).all()
        assert (estimates.value <= estimates.high).all()
        assert ((estimates.low >= 0) & (estimates.high <= 1)).all()
    for value, low, high in found.overall.values():
        assert 0 <= low <= value <= high <= 1


METRICS = ("f1", "recall", "precision", "accuracy", "recall_at_precision")


@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (60, 5), (40, 9)])
def test_shortfall_equals_a_loop(rows, classes):
    """The value, and the interval from the same draws: each is measured again, classes that it misses are left out."""
    true, probabilities = make(rows, classes, sharpness=2.0)
    true[true == classes - 1] = 0  # one class has no row: it is at 0 in every draw
    aims = Aims(
        tuple(METRICS[code % 5] for code in range(classes)), np.linspace(0.5, 1, classes), np.arange(classes, dtype=float), (0.9,) * classes
    )

    def missing(true, probabilities, absent):
        found = evaluate(true, probabilities, aims.at_precision, None)
        counted = [code for code in range(1, classes) if absent[code] or found.support[code]]  # class 0 has priority 0
        values = [found.metrics[aims.metrics[code]].value[code] for code in counted]
        return sum(max(aims.targets[code] - value, 0) for code, value in zip(counted, values, strict=True)) / max(len(counted), 1)

    absent = np.bincount(true, minlength=classes) == 0
    found = evaluate(true, probabilities, aims.at_precision, seeds.generator(0, "test"), aims).overall["shortfall"]
    value = missing(true, probabilities, np.ones(classes, bool))
    assert found[0] == pytest.approx(value)
    draws = seeds.generator(0, "test").integers(rows, size=(1000, rows))
    low, high = np.quantile([missing(true[draw], probabilities[draw], absent) for draw in draws], [0.025, 0.975])
    assert found[1:] == (pytest.approx(min(low, value)), pytest.approx(max(high, value)))
    assert list(evaluate(true, probabilities, aims.at_precision, None, aims).overall) == [
        "accuracy",
        "macro_f1",
        "macro_recall",
        "shortfall",
    ]


def test_class_without_rows_has_estimate_0():
    true, probabilities = make(50, 4)
    true = true % 3
    found = run(true, probabilities)
    for estimates in found.metrics.values():
        assert (estimates.value[3], estimates.low[3], estimates.high[3]) == (0, 0, 1)
    assert found.support[3] == 0
    assert found.threshold[3] == np.inf
    assert found.overall["macro_f1"][0] == pytest.approx(found.metrics["f1"].value[:3].sum() / 4)


def test_class_that_is_never_predicted():
    found = run(np.array([0, 1, 1]), np.array([[0.9, 0.1]] * 3, np.float32))
    assert found.metrics["precision"].value[1] == 0
    assert found.metrics["precision"].high[1] == 1  # nothing is known of it
    assert found.metrics["recall"].high[1] < 1


def test_argmax_ties_go_to_the_smaller_class():
    assert run(np.array([1]), np.array([[0.2, 0.4, 0.4]], np.float32)).predicted.tolist() == [1]


def test_one_class():
    found = run(np.array([0, 0]), np.ones((2, 1), np.float32))
    assert found.metrics["f1"].value.tolist() == [1]
    assert found.metrics["recall_at_precision"].value.tolist() == [1]


def test_value_equal_to_the_decimal_target():
    # tp 9, fp 1, fn 1: F1, precision and recall are the very float 0.9
    true = np.array([0] * 10 + [1] * 10)
    predicted = np.array([0] * 9 + [1] * 10 + [0])
    found = run(true, np.eye(2, dtype=np.float32)[predicted])
    for name in ("f1", "precision", "recall"):
        assert found.metrics[name].value[0] == 0.9


@pytest.mark.slow
def test_interval_of_recall_at_precision_covers_the_choice_of_threshold():
    """The truth is the recall at the threshold that is precise enough in a huge sample."""

    def draw(rng, rows):
        positive = rng.random(rows) < 0.3
        return positive, 1 / (1 + np.exp(-(rng.normal(size=rows) + 2.2 * positive - 1.1)))

    def measure(positive, scores, seed):
        found = evaluate(
            (~positive).astype(np.int64), np.stack([scores, 1 - scores], axis=1), [0.8, 0.8], seeds.generator(seed, "test")
        ).metrics["recall_at_precision"]
        return found.value[0], found.low[0], found.high[0]

    rng = np.random.default_rng(0)
    positive, scores = draw(rng, 100_000)
    truth = recall_at_precision(cuts(positive, scores), required(0.8, 100_000))[0] / positive.sum()
    inside = [low <= truth <= high for _, low, high in (measure(*draw(rng, 200), seed) for seed in range(60))]
    assert np.mean(inside) >= 0.9


@pytest.mark.slow
def test_macro_intervals_equal_a_plain_bootstrap():
    true, probabilities = make(120, 3)
    predicted = probabilities.argmax(axis=1)
    rng = np.random.default_rng(7)
    draws = [rng.integers(120, size=120) for _ in range(300)]
    for name, measure in (("macro_f1", reference.f1_score), ("macro_recall", reference.recall_score)):
        low, high = np.quantile([measure(true[draw], predicted[draw], average="macro") for draw in draws], [0.025, 0.975])
        assert run(true, probabilities).overall[name][1:] == pytest.approx((low, high), abs=0.02)


def test_few_positives_prove_little():
    true = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    found = run(true, np.eye(2, dtype=np.float32)[true]).metrics["recall_at_precision"]
    assert found.value[0] == 1
    assert found.low[0] == pytest.approx(3 / (3 + 1.96**2), abs=1e-3)  # Wilson of 3 of 3


def test_same_generator_same_intervals_and_inputs_unchanged():
    true, probabilities = make(200, 5)
    before = true.copy(), probabilities.copy()
    first, second = (run(true, probabilities) for _ in range(2))
    assert (first.metrics["recall_at_precision"].low == second.metrics["recall_at_precision"].low).all()
    assert first.overall == second.overall
    assert (before[0] == true).all()
    assert (before[1] == probabilities).all()


def test_chunks_change_nothing(monkeypatch):
    true, probabilities = make(300, 4)
    whole = run(true, probabilities)
    monkeypatch.setattr("altool.metrics.evaluation.CHUNK", 300 * 37)
    parts = run(true, probabilities)
    assert whole.overall == parts.overall
    for name in whole.metrics:
        assert (whole.metrics[name].low == parts.metrics[name].low).all()


@pytest.mark.slow
def test_100_classes_of_10_000_rows_take_seconds():
    true, probabilities = make(10_000, 100, sharpness=4)
    start = time.process_time()
    run(true, probabilities)
    assert time.process_time() - start < 6


def test_specificity_is_measured_where_a_target_is_on_it() -> None:
    """One less the false positive rate: of the 4 rows of others 3 are not taken for class 0, of the 3 of others 2 not for class 1."""
    true = np.array([0, 0, 1, 1, 1, 2])
    likely = np.eye(3)[[0, 1, 0, 1, 1, 2]] * 0.7 + 0.1
    assert "specificity" not in evaluate(true, likely, [0.9] * 3, None).metrics
    aims = Aims(("specificity", "f1", "specificity"), np.array([0.9, 0.5, 0.5]), np.ones(3), (0.9,) * 3)
    found = evaluate(true, likely, [0.9] * 3, np.random.default_rng(0), aims)
    own = found.metrics["specificity"]
    assert own.value == pytest.approx([3 / 4, 2 / 3, 1])
    assert own.low == pytest.approx(wilson(np.array([3, 2, 5]), np.array([4, 3, 5]))[0])
    value, low, high = found.overall["shortfall"]
    assert value == pytest.approx((0.9 - 0.75) / 3)
    assert 0 <= low <= value <= high < 0.5
