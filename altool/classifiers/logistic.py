"""Multinomial logistic regression on features, fitted by scikit-learn and kept as one linear head."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from altool.engines.local import limited
from altool.models import penalty, softmax
from altool.models.shape import Classifier
from altool.models.softmax import Softmax
from altool.options import Option


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

    The features are centred and divided by one number, their root mean square, so that `c` (scikit-learn's inverse strength of
    the L2 penalty) means the same for any embedding; one number rather than one per column, which a few labels cannot estimate.
    `auto` chooses it by predictions out of fold (`penalty.choose`); with fewer than 5 labels a class it is 1.
    `balance`: "class-weight" weighs classes by 1 / frequency; "prior" takes the logarithm of each class's share off its bias,
    which makes the posterior that of balanced classes (Menon et al. 2021, logit adjustment). One class alone gets probability 1.
    Only the folds of `auto` are drawn, from `seed`.
    """
    trained, codes = np.unique(labels, return_inverse=True)
    if len(trained) == 1:
        return softmax.certain(trained, features.shape[1], count), True
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x, mean, scale = softmax.scaled(features)
    chosen = None
    if isinstance(c, str):
        with limited(1):
            chosen = penalty.choose(x, codes, balance, seed)
        c = chosen.options["c"]
    estimator = LogisticRegression(C=c, max_iter=iterations, class_weight="balanced" if balance == "class-weight" else None)
    # One BLAS thread: the solver's products are small, and a BLAS that splits them can take twenty times as long on a busy machine.
    with warnings.catch_warnings(record=True) as caught, limited(1):
        warnings.simplefilter("always", ConvergenceWarning)
        estimator.fit(x, codes)
    weights, bias = softmax.both(estimator.coef_, estimator.intercept_)
    if balance == "prior":
        bias = bias - np.log(np.bincount(codes) / len(codes))
    head = replace(softmax.unscaled(weights, bias, mean, scale, trained, count), chosen=chosen)
    return head, not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


CLASSIFIER = Classifier(
    name="logistic",
    summary="Logistic regression on features.",
    reads="features",
    options=(
        Option("c", float, "auto", "Inverse strength of the L2 penalty.", above=0, words=("auto",), metavar="C"),
        Option("iterations", int, 1000, "Most steps of the solver.", low=1, metavar="N"),
    ),
    fit=fit,
    from_tensors=softmax.from_tensors,
    head=True,
)
