import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from altool.classifiers import logistic
from altool.models import folds, softmax


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    labels = np.repeat([0, 2, 3], [40, 12, 5])
    return (draw.normal(size=(57, 6)) + labels[:, None] * 0.7 + 3).astype(np.float32), labels


def reference(features: np.ndarray, labels: np.ndarray, **options: object) -> np.ndarray:
    x = features.astype(float) - features.mean(axis=0, dtype=float)
    x /= np.sqrt((x**2).mean())
    return LogisticRegression(max_iter=1000, **options).fit(x, labels).predict_proba(x)


@pytest.mark.parametrize("balance", ["none", "class-weight"])
@pytest.mark.parametrize("keep", [(0, 2, 3), (0, 3)])
def test_equals_scikit_learn_on_scaled_features(data: tuple[np.ndarray, np.ndarray], balance: str, keep: tuple[int, ...]) -> None:
    rows = np.isin(data[1], keep)
    features, labels = data[0][rows], data[1][rows]
    model, converged = logistic.fit(features, labels, 5, balance=balance, c=1.0)
    assert converged
    found = model.probabilities(features)
    expected = reference(features, labels, class_weight="balanced" if balance == "class-weight" else None)
    assert found[:, list(keep)] == pytest.approx(expected, abs=2e-4)
    assert (found[:, [1, 4]] == 0).all()  # never seen: a column of zeros
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("balance", ["none", "class-weight", "prior"])
def test_auto_is_the_fit_with_the_c_that_it_chose(data: tuple[np.ndarray, np.ndarray], balance: str) -> None:
    noisy = np.random.default_rng(1).normal(size=(len(data[1]), 30)).astype(np.float32)
    model, converged = logistic.fit(noisy, data[1], 5, balance=balance)
    assert converged
    assert model.chosen is not None
    assert model.chosen.options["c"] < 1
    assert model.chosen.measured
    fixed, _ = logistic.fit(noisy, data[1], 5, balance=balance, c=model.chosen.options["c"])
    assert fixed.chosen is None
    assert all(np.array_equal(value, fixed.tensors()[name]) for name, value in model.tensors().items())


def test_prior_gives_the_posterior_of_balanced_classes(data: tuple[np.ndarray, np.ndarray]) -> None:
    plain = logistic.fit(*data, 5, c=1.0)[0].probabilities(data[0])[:, [0, 2, 3]].astype(float)
    adjusted = plain / (np.array([40, 12, 5]) / 57)
    adjusted /= adjusted.sum(axis=1, keepdims=True)
    assert logistic.fit(*data, 5, c=1.0, balance="prior")[0].probabilities(data[0])[:, [0, 2, 3]] == pytest.approx(adjusted, abs=1e-5)


def test_a_row_has_the_same_probabilities_in_any_company(data: tuple[np.ndarray, np.ndarray]) -> None:
    model = logistic.fit(*data, 5)[0]
    many = np.random.default_rng(1).normal(size=(5000, 6)).astype(np.float32)
    whole = model.probabilities(many)
    shuffle = np.random.default_rng(2).permutation(5000)
    assert np.array_equal(model.probabilities(many[shuffle]), whole[shuffle])
    for size in (1, 3, 1023, 1025):
        assert np.array_equal(model.probabilities(many[:size]), whole[:size])


def test_saturated_logits_stay_probabilities() -> None:
    model = softmax.Softmax(np.array([[1e4], [-1e4]], np.float32), np.zeros(2, np.float32), np.array([0, 1]), 2)
    assert model.probabilities(np.array([[1e4], [-1e4], [0]], np.float32)).tolist() == [[1, 0], [0, 1], [0.5, 0.5]]


def test_folds_spread_every_class_and_leave_no_row_out() -> None:
    labels = np.repeat([0, 1, 2], [20, 3, 1])
    fold = folds.assign(labels, 5, seed=0)
    assert fold.dtype == np.int16
    assert set(fold[:20]) == {0, 1, 2, 3, 4}
    assert all(np.sum(fold[:20] == number) == 4 for number in range(5))
    assert len(set(fold[20:23])) == 3  # three rows of a class go to three folds
    assert np.array_equal(folds.assign(labels, 5, seed=0), fold)
    with pytest.raises(ValueError, match="two labels"):
        folds.assign(np.array([0, 1, 2]), 5, seed=0)


def test_every_row_is_predicted_by_a_model_that_did_not_see_it() -> None:
    features, labels = np.arange(6, dtype=np.float32)[:, None], np.array([0, 0, 0, 1, 1, 1])
    fold = np.array([0, 1, 2, 0, 1, 2], np.int16)

    def fit(x: np.ndarray, y: np.ndarray) -> object:
        return lambda rows: np.tile([float(row in x) for row in features], (len(rows), 1))  # which rows the model has seen

    seen = folds.predict(features, labels, fold, fit)  # type: ignore[arg-type]
    assert np.array_equal(seen, (fold[:, None] != fold[None, :]).astype(float))
