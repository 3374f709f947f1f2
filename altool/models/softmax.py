"""A softmax on one linear layer: the model of the linear classifiers, and the head of all others that have one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from altool.models.chosen import Chosen
from altool.models.tensors import take, take_classes

BLOCK = 1024  # rows per matrix product: always the same, so that a row's probabilities do not depend on how many share its batch


@dataclass(frozen=True)
class Softmax:
    """softmax(features @ weights.T + bias), with probability 0 for the classes that training never saw.

    `weights` float32 (k, D) and `bias` float32 (k,) are those of the k classes numbered in `trained` (int64 (k,)), of `count` in all.
    `chosen` is what its fit chose, None once loaded.
    """

    weights: np.ndarray
    bias: np.ndarray
    trained: np.ndarray
    count: int
    chosen: Chosen | None = None

    @property
    def width(self) -> int:
        """The features' width D."""
        return self.weights.shape[1]

    @property
    def head(self) -> Softmax:
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


def from_tensors(tensors: Mapping[str, np.ndarray], count: int) -> Softmax:
    """The model that `tensors()` came from, for `count` classes. Raises ValueError where they do not fit together."""
    trained = take_classes(tensors, count)
    weights = take(tensors, "weights", "f", (len(trained), None))
    return Softmax(weights, take(tensors, "bias", "f", (len(trained),)), trained, count)


def certain(trained: np.ndarray, width: int, count: int) -> Softmax:
    """The model of one class (`trained` int64 (1,)) alone: it gets probability 1."""
    return Softmax(np.zeros((1, width), np.float32), np.zeros(1, np.float32), trained, count)


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


def unscaled(weights: np.ndarray, bias: np.ndarray, mean: np.ndarray, scale: float, trained: np.ndarray, count: int) -> Softmax:
    """The model of features as they are, from the weights (k, D) and bias (k,) of `scaled` ones."""
    weights = weights / scale
    return Softmax(weights.astype(np.float32), (bias - weights @ mean).astype(np.float32), trained, count)
