"""Support vector machines, one for every two classes (Cortes & Vapnik 1995): fitted by scikit-learn's SVC, kept and predicted as arrays.

The decided class is that of SVC.predict on the same rows: the one with most votes of the k(k - 1) / 2 machines, ties to the lower class.
Features that lie far from the origin have their mean taken off first: that changes no machine but those of `poly`, and without it LIBSVM,
which keeps kernel values as float32, would not come to an end.

Prediction is own code, beside SVC.predict, because that computes every machine's kernel values one row and one support vector at a time:
of 201,000 rows and 100 classes it took 121 s where this takes 20 (benchmarks/svm.py: 6 times, and less memory), and because a stored SVC
could only be read back by running code. Decisions are computed in float32; where the rounding errors, bounded by `_errors`, could change
the decided class, in float64. If scikit-learn changes what an SVC keeps (`dual_coef_`, `n_support_`, the signs of two classes) or how it
breaks ties, tests/classifiers/test_svm.py, which compares with SVC.predict, fails. Once SVC.predict works at blocks of rows, this can go.

An SVC has no probabilities. (Its `probability=True` fits one sigmoid per machine on five random folds, which two labels in a class
do not carry, and may contradict the decided class.) Here they are a softmax over the classes of

    a min_j f_cj + b mean_j f_cj

where f_cj is the decision between c and j, seen from c: a class holds if it wins against every other, so the one that it wins against
least clearly counts most. a and b (none below 0) are fitted by log-loss on decisions out of fold, of the folds that chose C: two numbers
for all classes, which few labels can estimate. Where a class other than the decided one would get the largest probability, the two change
places. Nothing can be fitted where no class has two labels: then a = 1 and b = 0, so that a row on the margin between two classes is
of its class with probability 1 / (1 + exp(-2)) = 0.88.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from altool.engines.local import limited
from altool.errors import InputError
from altool.models import cross_validation
from altool.models.cross_validation import Choice
from altool.models.machines import DEGREE, Machines, kernel_values, machines, pairwise
from altool.models.shape import Classifier
from altool.models.tensors import take, take_classes
from altool.options import Option

KERNELS = ("linear", "rbf", "poly")
COSTS = (0.01, 0.1, 0.5, 2, 10, 100)  # times 1 / variance of the kernel, so that they mean the same for any features
FOLDS = 5
SETTINGS = ("kernel", "gamma", "c", "smallest", "mean")
FAR = 100  # times their standard deviation from the origin; LIBSVM copes with ten times that
STEPS = 10_000_000  # of LIBSVM's solver, which has this limit of its own; scikit-learn takes it away
ELEMENTS = 1 << 23  # decisions of a block


@dataclass(frozen=True)
class SVM:
    """`support` float64 (S, D), less the `centre` float64 (D,) as every row is, those of the first of the k trained classes first (`sizes`
    int64 (k,)), with `coefficients` float64 (S, k - 1) against each of the other classes, in order; `intercepts` float64
    (k (k - 1) / 2,) of the pairs in order. `trained` int64 (k,) numbers the classes among `count`. `kernel` with `gamma`; `c` is the
    cost that it was fitted with. Calibration: `smallest` and `mean` are a and b; `priors` float64 (k,), for `--balance prior`, are
    taken off what the softmax sees.
    """

    centre: np.ndarray
    support: np.ndarray
    coefficients: np.ndarray
    sizes: np.ndarray
    intercepts: np.ndarray
    trained: np.ndarray
    priors: np.ndarray
    kernel: str
    gamma: float
    c: float
    smallest: float
    mean: float
    count: int

    head = None

    @property
    def width(self) -> int:
        """The features' width D."""
        return self.support.shape[1]

    def vectors(self, features: np.ndarray) -> np.ndarray:
        """What the machines see: the features."""
        return features

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The features, and their probabilities."""
        return features, self.probabilities(features)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float32 (n, count) for `features` float (n, D). Bit for bit the same for a row in whatever company it comes."""
        result = np.zeros((len(features), self.count), np.float32)
        if len(self.trained) == 1:
            result[:, self.trained] = 1
            return result
        logits, decided, sure = self._logits(features, np.dtype(np.float32))
        unsure = np.flatnonzero(~sure)
        if len(unsure):
            logits[unsure], decided[unsure], _ = self._logits(features[unsure], np.dtype(np.float64))
        plain = not self.priors.any()
        for start in range(0, len(features), 1024):
            part = slice(start, start + 1024)
            result[part, self.trained] = _softmax(logits[part], decided[part], self.priors, plain)
        return result

    def decided(self, features: np.ndarray) -> np.ndarray:
        """int64 (n,): the class numbers that most machines vote for. `--balance prior` does not change them."""
        if len(self.trained) == 1:
            return np.full(len(features), self.trained[0])
        return self.trained[self._logits(features, np.dtype(np.float64))[1]]

    def tensors(self) -> dict[str, np.ndarray]:
        """What `from_tensors` needs to make the model again."""
        settings = [KERNELS.index(self.kernel), self.gamma, self.c, self.smallest, self.mean]
        arrays = {
            "centre": self.centre,
            "vectors": self.support,
            "coefficients": self.coefficients,
            "sizes": self.sizes,
            "intercepts": self.intercepts,
        }
        return {**arrays, "trained": self.trained, "priors": self.priors, "settings": np.array(settings, np.float64)}

    @cached_property
    def _machines(self) -> dict[np.dtype[Any], Machines]:
        double = machines(self.coefficients, self.sizes, self.intercepts)
        return {np.dtype(np.float64): double, np.dtype(np.float32): double.single()}

    @cached_property
    def _supports(self) -> dict[np.dtype[Any], np.ndarray]:
        return {np.dtype(np.float64): self.support, np.dtype(np.float32): self.support.astype(np.float32)}

    def _logits(self, features: np.ndarray, dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n, k): what the softmax sees; (n,) the places of the classes decided; and whether these are sure, as they all are in float64."""
        classes, single = len(self.trained), dtype == np.float32
        rows = _block_rows(classes)
        machines_, vectors = self._machines[dtype], self._supports[dtype]
        squares = np.einsum("sd,sd->s", self.support, self.support)
        logits = np.empty((len(features), classes), dtype)
        decided = np.empty(len(features), np.int64)
        sure = np.ones(len(features), bool)
        block = np.zeros((rows, self.width), dtype)
        space = np.empty((classes, classes, rows), dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # in float32: such rows are not sure
            for start in range(0, len(features), rows):
                part = slice(start, start + rows)
                size = len(features[part])
                block[:size] = features[part] - self.centre
                lengths = np.einsum("nd,nd->n", block, block, dtype=np.float64)
                values = kernel_values(self.kernel, self.gamma, vectors @ block.T, squares, lengths)
                smallest, votes = pairwise(machines_, values, space, votes=not single)
                found = self.smallest * smallest
                if self.mean:
                    found += self.mean * machines_.means(values)
                logits[part] = np.clip(found.T[:size], -1e30, 1e30)  # float32 holds them
                if votes is not None:
                    decided[part] = votes.argmax(axis=0)[:size]
                else:
                    decided[part] = smallest.argmax(axis=0)[:size]
                    sure[part] = (smallest.max(axis=0) > self._errors(np.sqrt(lengths)))[:size]
        return logits, decided, sure

    def _errors(self, lengths: np.ndarray) -> np.ndarray:
        """(n,): what a decision in float32 is off at most, for rows of these lengths.

        A product of n terms is off by n roundings of its terms' absolute values; the kernel and the sum over support vectors add theirs.
        """
        unit = 2.0**-24
        furthest, terms = self._longest, self.width + 7
        if self.kernel == "rbf":
            reach = np.ones(len(lengths))
            error = 2 * terms * self.gamma * (lengths + furthest) ** 2 + 4
        else:
            degree = 1 if self.kernel == "linear" else DEGREE
            reach = ((self.gamma if degree > 1 else 1) * lengths * furthest) ** degree
            error = degree * terms * reach
        double = self._machines[np.dtype(np.float64)]
        return 1.01 * unit * (double.largest * (error + (double.terms + 4) * reach) + 3 * np.abs(self.intercepts).max())

    @cached_property
    def _longest(self) -> float:
        return float(np.sqrt(np.einsum("sd,sd->s", self.support, self.support).max(initial=0)))


def _block_rows(classes: int) -> int:
    """Rows that are worked on at a time: a power of two, the same for every call, so that a row's bits depend on no other row."""
    return 1 << min(10, max(5, (ELEMENTS // classes**2).bit_length() - 1))


def _softmax(logits: np.ndarray, decided: np.ndarray, priors: np.ndarray, plain: bool) -> np.ndarray:
    """float32 (n, k) probabilities; the decided class, before `priors` are taken off, gets the largest. `plain`: there are none."""
    logits = logits.astype(np.float64)
    rows = np.arange(len(logits))
    likeliest = logits.argmax(axis=1)
    logits[rows, likeliest], logits[rows, decided] = logits[rows, decided], logits[rows, likeliest]
    logits -= priors
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    result = (logits / logits.sum(axis=1, keepdims=True)).astype(np.float32)
    if plain:
        tied = np.flatnonzero(result.argmax(axis=1) != decided)  # with a lower class, once rounded
        result[tied, decided[tied]] = np.nextafter(result[tied, decided[tied]], np.float32(2))
    return result


def from_tensors(tensors: Mapping[str, np.ndarray], count: int) -> SVM:
    """The model that `tensors()` came from, for `count` classes. Raises ValueError where they do not fit together."""
    trained = take_classes(tensors, count)
    classes = len(trained)
    vectors = take(tensors, "vectors", "f", (None, None))
    coefficients = take(tensors, "coefficients", "f", (len(vectors), classes - 1))
    sizes = take(tensors, "sizes", "i", (classes,), 0, len(vectors))
    intercepts = take(tensors, "intercepts", "f", (classes * (classes - 1) // 2,))
    centre, priors = take(tensors, "centre", "f", vectors.shape[1:]), take(tensors, "priors", "f", (classes,))
    settings = take(tensors, "settings", "f", (len(SETTINGS),))
    if sizes.sum() != len(vectors):
        raise ValueError(f"tensor 'sizes' does not sum to the {len(vectors):,} rows of 'vectors'")
    if settings[0] not in range(len(KERNELS)):
        raise ValueError("tensor 'settings' names no kernel")
    kernel, (gamma, c, smallest, mean) = KERNELS[int(settings[0])], settings[1:].tolist()
    return SVM(centre, vectors, coefficients, sizes, intercepts, trained, priors, kernel, gamma, c, smallest, mean, count)


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    count: int,
    *,
    balance: str = "none",
    seed: int = 0,
    kernel: str = "linear",
    c: float | str = "auto",
) -> tuple[SVM, bool]:
    """Fit on `features` float (n, D), as they are unless they lie `FAR` from the origin, and class numbers `labels` int64 (n,) of `count`
    classes; returns the model and whether LIBSVM converged within `STEPS`.

    `kernel` is linear, rbf or poly (degree 3), with scikit-learn's gamma, `scale`. `c` is scikit-learn's; `auto` takes the one of
    `COSTS`, divided by the variance of the kernel over the rows, with the smallest log-loss out of fold; where no class has two labels,
    the largest. `balance`: "class-weight" weighs classes by 1 / frequency, in the fit and out of fold; "prior" divides the
    probabilities by the classes' shares of the labels ("thresholding", Buda et al. 2018), which may change the likeliest class; the
    shares are part of the calibration then, see `cross_validation.choose`. One class alone gets probability 1.

    Raises InputError for features too large for LIBSVM.
    """
    fixed = cross_validation.fixed(c)
    trained, codes = np.unique(labels, return_inverse=True)
    classes, width = len(trained), features.shape[1]
    if classes == 1:
        none = np.zeros(width), np.zeros((0, width)), np.zeros((0, 0)), np.zeros(1, np.int64), np.zeros(0)
        return SVM(*none, trained, np.zeros(1), kernel, 1.0, fixed or 1.0, 1.0, 0.0, count), True
    x = features.astype(np.float64)
    variance = float(x.var())
    gamma = 1 / (width * variance) if variance else 1.0
    centre = x.mean(axis=0)
    if kernel == "poly" or np.linalg.norm(centre) <= FAR * np.sqrt(x.var(axis=0).sum()):
        centre = np.zeros(width)
    x -= centre
    weight = "balanced" if balance == "class-weight" else None
    with limited(1):
        choice = _choose(x, codes, kernel, gamma, fixed, balance, seed)
        machine = _fitted(x, codes, kernel=kernel, gamma=gamma, C=choice.c, class_weight=weight)
    vectors, sizes = x[machine.support_], machine.n_support_.astype(np.int64)
    coefficients, intercepts = _coefficients(machine)
    if kernel == "linear":
        vectors, coefficients, sizes = _merged(vectors, coefficients, sizes)
    priors = choice.taken_off(np.bincount(codes) / len(codes)) if balance == "prior" else np.zeros(classes)
    arrays = (centre, vectors, coefficients, sizes, intercepts, trained, priors)
    smallest, mean = choice.weights.tolist()
    return SVM(*arrays, kernel, gamma, choice.c, smallest, mean, count), not machine.fit_status_


def _fitted(x: np.ndarray, codes: np.ndarray, **options: Any) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import SVC

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # few labels of many classes are meant
        warnings.simplefilter("ignore", ConvergenceWarning)  # `fit_status_` says it
        try:
            return SVC(**options, max_iter=STEPS, random_state=0).fit(x, codes)  # without a state numpy's global one moves
        except ValueError as error:
            text = f"features: {len(x):,} rows of up to {np.abs(x).max():.3g} are too much for a support vector machine ({error})"
            raise InputError(text, "scale them, or use --classifier linear-svm") from error


def _coefficients(machine: Any) -> tuple[np.ndarray, np.ndarray]:
    """(S, k - 1) and (k (k - 1) / 2,) of a fitted SVC, all as LIBSVM has them: for two classes scikit-learn turns their signs."""
    sign = -1.0 if len(machine.n_support_) == 2 else 1.0
    return np.ascontiguousarray(sign * machine.dual_coef_.T), sign * machine.intercept_


def _merged(vectors: np.ndarray, coefficients: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same linear machines with at most k - 1 vectors per class: where there are more, one normal vector per other class."""
    most = coefficients.shape[1]
    parts = []
    for own, beta in zip(*(np.split(array, np.cumsum(sizes)[:-1]) for array in (vectors, coefficients)), strict=True):
        parts.append((beta.T @ own, np.eye(most)) if len(own) > most else (own, beta))
    lengths = np.array([len(own) for own, _ in parts], np.int64)
    return np.concatenate([own for own, _ in parts]), np.concatenate([beta for _, beta in parts]), lengths


def _choose(x: np.ndarray, codes: np.ndarray, kernel: str, gamma: float, c: float | None, balance: str, seed: int) -> Choice:
    """C, if none is given, and the calibration, by cross-validation on one matrix of kernel values."""
    rows = cross_validation.sample(codes, seed)
    labels = np.unique(codes[rows], return_inverse=True)[1]
    squares = np.einsum("nd,nd->n", x[rows], x[rows])
    gram = kernel_values(kernel, gamma, x[rows] @ x[rows].T, squares, squares)
    variance = float(np.trace(gram) / len(gram) - gram.mean())
    costs = [c] if c else [factor / variance if variance > 0 else factor for factor in COSTS]
    weight = "balanced" if balance == "class-weight" else None

    def decide(cost: float, train: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, bool]:
        machine = _fitted(gram[np.ix_(train, train)], labels[train], kernel="precomputed", C=cost, class_weight=weight)
        coefficients, intercepts = _coefficients(machine)
        model = machines(coefficients, machine.n_support_, intercepts)
        values = gram[np.ix_(np.flatnonzero(train)[machine.support_], held)]
        classes, limits = len(machine.n_support_), cost * machine.class_weight_
        found = np.empty((2, classes, values.shape[1]))
        step = _block_rows(classes)
        for start in range(0, values.shape[1], step):
            part = np.ascontiguousarray(values[:, start : start + step])
            found[0, :, start : start + step] = pairwise(model, part, np.empty((classes, classes, part.shape[1])), votes=False)[0]
            found[1, :, start : start + step] = model.means(part)
        bounded = np.abs(coefficients).max(axis=1) >= np.repeat(limits, machine.n_support_) * (1 - 1e-9)
        return found.transpose(2, 1, 0), bool(bounded.any())

    return cross_validation.choose(costs, labels, balance, seed, FOLDS, decide) or Choice(costs[-1], np.array([1.0, 0.0]))


CLASSIFIER = Classifier(
    name="svm",
    summary="Support vector machines, one for every two classes, for few labels.",
    reads="features",
    options=(
        Option("kernel", str, "linear", "Kernel: linear, rbf or poly.", choices=KERNELS),
        Option("c", float, "auto", "Cost of a row on the wrong side; auto: by cross-validation.", above=0, words=("auto",), metavar="C"),
    ),
    fit=fit,
    from_tensors=from_tensors,
    head=False,
)
