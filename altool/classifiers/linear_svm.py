"""Linear support vector machines, one per class against all others, by scikit-learn's LinearSVC: for more labels than `svm` can take.

A softmax on the decisions, whose temperature is fitted on decisions out of fold, makes them probabilities: one number for all classes,
and the likeliest class is LinearSVC's own. So the model is one linear head, as that of `logistic` is.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from altool import seeds
from altool.engines.local import limited
from altool.models import cross_validation, softmax
from altool.models.cross_validation import Choice
from altool.models.shape import Classifier
from altool.models.softmax import Softmax
from altool.options import Option

COSTS = (0.01, 0.1, 1, 10)  # divided by the features' width
FOLDS = 3


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    count: int,
    *,
    balance: str = "none",
    seed: int = 0,
    c: float | str = "auto",
    iterations: int = 1000,
) -> tuple[Softmax, bool]:
    """Fit on `features` float (n, D) and class numbers `labels` int64 (n,) of `count` classes; also says whether it converged.

    The features are centred and divided by their root mean square, as for `logistic`. `c` is scikit-learn's on these; `auto` takes the
    one of `COSTS`, divided by D, with the smallest log-loss out of fold; 1 / D where no class has two labels. `balance`:
    "class-weight" weighs classes by 1 / frequency; "prior" is that of `svm`. One class alone gets probability 1.
    """
    fixed = cross_validation.fixed(c)
    trained, codes = np.unique(labels, return_inverse=True)
    if len(trained) == 1:
        return softmax.certain(trained, features.shape[1], count), True
    x, mean, scale = softmax.scaled(features)
    width = x.shape[1]

    def decisions(c: float, rows: np.ndarray, y: np.ndarray, **solver: Any) -> tuple[np.ndarray, np.ndarray, bool]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC

        weight = "balanced" if balance == "class-weight" else None
        state = seeds.integer(seed, "train", "linear-svm")
        machine = LinearSVC(C=c, class_weight=weight, max_iter=iterations, random_state=state, **solver)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            machine.fit(rows, y)
        weights, bias = softmax.both(machine.coef_, machine.intercept_)
        return weights, bias, not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)

    sample = cross_validation.sample(codes, seed)
    rows, known = x[sample], np.unique(codes[sample], return_inverse=True)[1]

    def decide(c: float, train: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, bool]:
        weights, bias, _ = decisions(c, rows[train], known[train], dual=True, tol=0.01)  # near enough to choose, and quicker
        return (rows[held] @ weights.T + bias)[:, :, None], True

    with limited(1):
        costs = [fixed] if fixed else [factor / width for factor in COSTS]
        choice = cross_validation.choose(costs, known, balance, seed, FOLDS, decide)
        choice = choice or Choice(fixed or 1 / width, np.ones(1))
        weights, bias, converged = decisions(choice.c, x, codes)
    weights, bias = weights * choice.weights, bias * choice.weights
    if balance == "prior":
        bias = bias - choice.taken_off(np.bincount(codes) / len(codes))
    return softmax.unscaled(weights, bias, mean, scale, trained, count), converged


CLASSIFIER = Classifier(
    name="linear-svm",
    summary="A linear support vector machine per class, for more labels than svm can take.",
    reads="features",
    options=(
        Option("c", float, "auto", "Cost of a row on the wrong side, on scaled features.", above=0, words=("auto",), metavar="C"),
        Option("iterations", int, 1000, "Most steps of the solver.", low=1, metavar="N"),
    ),
    fit=fit,
    from_tensors=softmax.from_tensors,
    head=True,
)
