"""Multinomial logistic regression on features, fitted by scikit-learn and kept as one linear head."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from altool.engines.local import limited
from altool.errors import UsageError
from altool.models.tensors import take, take_classes

NAME = "logistic"
READS = "features"
FILES = ()
HEAD = True
BLOCK = 1024  # rows per matrix product: always the same, so that a row's probabilities do not depend on how many share its batch


@dataclass(frozen=True)
class Logistic:
    """softmax(features @ weights.T + bias), with probability 0 for the classes that training never saw.

    `weights` float32 (k, D) and `bias` float32 (k,) are those of the k classes numbered in `trained` (int64 (k,)), of `count` in all.
    """

    weights: np.ndarray
    bias: np.ndarray
    trained: np.ndarray
    count: int

    @property
    def width(self) -> int:
        """The features' width D."""
        return self.weights.shape[1]

    @property
    def head(self) -> Logistic:
        """The softmax itself."""
        return self

    def vectors(self, features: np.ndarray) -> np.ndarray:
        """What the softmax sees: the features."""
        return features

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The features, and their probabilities."""
        return features, self.probabilities(features)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float32 (n, count) for `features` float (n, D). Bit for bit the same for a row in whatever company it comes."""
        result = np.zeros((len(features), self.count), np.float32)
        block = np.zeros((BLOCK, self.width), np.float32)
        for start in range(0, len(features), BLOCK):
            rows = features[start : start + BLOCK]
            block[: len(rows)] = rows
            logits = (block @ self.weights.T + self.bias)[: len(rows)].astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            np.exp(logits, out=logits)
            result[start : start + len(rows), self.trained] = logits / logits.sum(axis=1, keepdims=True)
        return result

    def tensors(self) -> dict[str, np.ndarray]:
        """What `from_tensors` needs to make the model again."""
        return {"weights": self.weights, "bias": self.bias, "trained": self.trained}


def from_tensors(tensors: Mapping[str, np.ndarray], count: int) -> Logistic:
    """The model that `tensors()` came from, for `count` classes. Raises ValueError where they do not fit together."""
    trained = take_classes(tensors, count)
    weights = take(tensors, "weights", "f", (len(trained), None))
    return Logistic(weights, take(tensors, "bias", "f", (len(trained),)), trained, count)


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    count: int,
    *,
    balance: str = "none",
    seed: int = 0,
    c: float = 1.0,
    iterations: int = 1000,
) -> tuple[Logistic, bool]:
    """Fit on `features` float (n, D) and class numbers `labels` int64 (n,) of `count` classes; also says whether it converged.

    The features are centred and divided by one number, their root mean square, so that `c` (scikit-learn's inverse strength of
    the L2 penalty) means the same for any embedding; one number rather than one per column, which a few labels cannot estimate.
    `balance`: "class-weight" weighs classes by 1 / frequency; "prior" takes the logarithm of each class's share off its bias,
    which makes the posterior that of balanced classes (Menon et al. 2021, logit adjustment). One class alone gets probability 1.
    Nothing is drawn: `seed` changes nothing. Raises UsageError where `c` is not above 0.
    """
    if c <= 0:
        raise UsageError("--logistic-c must be above 0")
    trained, codes = np.unique(labels, return_inverse=True)
    if len(trained) == 1:
        return certain(trained, features.shape[1], count), True
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x, mean, scale = scaled(features)
    estimator = LogisticRegression(C=c, max_iter=iterations, class_weight="balanced" if balance == "class-weight" else None)
    # One BLAS thread: the solver's products are small, and a BLAS that splits them can take twenty times as long on a busy machine.
    with warnings.catch_warnings(record=True) as caught, limited(1):
        warnings.simplefilter("always", ConvergenceWarning)
        estimator.fit(x, codes)
    weights, bias = both(estimator.coef_, estimator.intercept_)
    if balance == "prior":
        bias = bias - np.log(np.bincount(codes) / len(codes))
    head = unscaled(weights, bias, mean, scale, trained, count)
    return head, not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


def certain(trained: np.ndarray, width: int, count: int) -> Logistic:
    """The model of one class (`trained` int64 (1,)) alone: it gets probability 1."""
    return Logistic(np.zeros((1, width), np.float32), np.zeros(1, np.float32), trained, count)


def scaled(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """`features` float (n, D) as float64, less their mean (D,), over one number, their root mean square; and these."""
    x = features.astype(np.float64)
    mean = x.mean(axis=0)
    x -= mean
    scale = float(np.sqrt(np.mean(x**2))) or 1.0
    x /= scale
    return x, mean, scale


def both(weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias, a row per class, of scikit-learn's, which keeps one for two: the softmax of -z/2 and z/2 is its sigmoid of z."""
    if len(weights) > 1:
        return weights, bias
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2


def unscaled(weights: np.ndarray, bias: np.ndarray, mean: np.ndarray, scale: float, trained: np.ndarray, count: int) -> Logistic:
    """The model of features as they are, from the weights (k, D) and bias (k,) of `scaled` ones."""
    weights = weights / scale
    return Logistic(weights.astype(np.float32), (bias - weights @ mean).astype(np.float32), trained, count)
