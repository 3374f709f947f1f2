"""Out-of-fold predictions: every labeled row is scored by a model that did not see it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from altool.models.shape import Deep, Model


def assign(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """int16 fold number of each row, stratified over the class numbers `labels` int64 (n,).

    A class with fewer rows than folds is spread over as many folds as it has rows. No more folds are made than the largest
    class has rows. Raises ValueError where no class has two.
    """
    from sklearn.model_selection import StratifiedKFold

    most = int(np.bincount(labels).max())
    if most < 2:
        raise ValueError("out-of-fold predictions need a class with two labels")
    result = np.empty(len(labels), np.int16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a class has fewer rows than folds: said above
        splits = StratifiedKFold(min(folds, most), shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels)
        for fold, (_, held) in enumerate(splits):
            result[held] = fold
    return result


def predict(
    rows: np.ndarray, labels: np.ndarray, fold: np.ndarray, fit: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]
) -> np.ndarray:
    """float32 (n, K) probabilities of each of `rows` (features (n, D) or texts (n,)) by the model that `fit` makes of the other folds."""
    parts = []
    for number in range(int(fold.max()) + 1):
        held = fold == number
        parts.append((held, fit(rows[~held], labels[~held])(rows[held])))
    result = np.empty((len(labels), parts[0][1].shape[1]), np.float32)
    for held, probabilities in parts:
        result[held] = probabilities
    return result


def outputs(
    rows: np.ndarray, labels: np.ndarray, fold: np.ndarray, fit: Callable[[np.ndarray, np.ndarray], Model]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Probabilities float32 (n, K) as `predict` gives them, and the losses float32 (n,) that the models predict, None without rankers."""
    ranked = False

    def predictor(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        nonlocal ranked
        model = fit(x, y)
        if not (isinstance(model, Deep) and model.has_ranker):
            return model.probabilities
        ranked = True

        def both(held: np.ndarray) -> np.ndarray:
            found = model.outputs(held)
            return np.column_stack([found.probabilities, *([] if found.predicted_loss is None else [found.predicted_loss])])

        return both

    matrix = predict(rows, labels, fold, predictor)
    return (np.ascontiguousarray(matrix[:, :-1]), matrix[:, -1]) if ranked else (matrix, None)


def losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float (n,): the cross-entropy of each row's `probabilities` (n, K), whose class number is that of `labels` (n,)."""
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-30))
