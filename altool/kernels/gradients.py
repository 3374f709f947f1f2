"""Squared distances, plain and between gradient embeddings that are never built: fast in bulk, exact where it matters.

In bulk a distance is own + other - 2 cross, from float32 norms and products. How wrong that may be is bounded, so it can rule out which
pairs cannot be nearest (`contenders`); the few that are left are computed in float64 from differences, which knows no cancellation and
is exactly 0 for duplicates.

The gradient embedding of a row (Ash et al., 2020) is the gradient of its cross-entropy under its own predicted class with respect to the
weights of the last linear layer: up to the sign the outer product g = a h^T of its residual a = onehot(argmax p) - p (K,) and its
features h (D,). So g.g' = (a.a')(h.h') and |g| = |a||h|: K + D numbers say what K x D would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from altool.kernels.blocks import Matrix, double, host, inner, like, namespace

TINY = 1e-30  # far above what float32 products lose to underflow


def squares(rows: Matrix) -> Matrix:
    """The squared norm of each of `rows` (n, D), in their type."""
    return inner(rows, rows)


def slack(width: int) -> float:
    """How far rounding may move a distance, in units of own + other, when norms and products are float32 sums of `width` terms.

    Each sum is off by less than width 2^-24 times the sum of magnitudes, which Cauchy-Schwarz and 2 |x||y| <= |x|^2 + |y|^2 bound; the
    16 are for centring, for adding up and for comparing.
    """
    return 2.0**-23 * (width + 16)


def ceiling(own: Matrix, other: Matrix, cross: Matrix, width: int) -> Matrix:
    """An upper bound, float32 (n,), of each row's squared distance to its nearest centre: at most 8 slack (own + distance) beyond it.

    `own` (n,) and `other` (k,) are the squared norms of rows and centres, `cross` (k, n) their products, which are overwritten: float32
    sums of `width` terms.
    """
    return _ceiling(own, _low(other, cross, width), width)


def contenders(value: np.ndarray, own: Matrix, other: Matrix, cross: Matrix, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and centres (int64, int64) of the pairs that may be a row's nearest and nearer than its `value` (n,); about one a row.

    The other arguments are those of `ceiling`.
    """
    low = _low(other, cross, width)
    known = like(np.nextafter(value.astype(np.float32), np.float32(np.inf)), low)
    limit = namespace(low).minimum(known, _ceiling(own, low, width)) - own * (1 - slack(width)) + TINY
    centres, rows = namespace(low).where(~(low > limit))  # so that NaN, from an overflow, is a contender
    return host(rows), host(centres)


def _low(other: Matrix, cross: Matrix, width: int) -> Matrix:
    """Squared distance less its possible error, less own (1 - slack); in the place of `cross`."""
    cross *= -2
    cross += (other * (1 - slack(width)))[:, None]
    return cross


def _ceiling(own: Matrix, low: Matrix, width: int) -> Matrix:
    """From the smallest `low`; its centre's norm is at most the row's plus the distance, which makes own + other < 4 (own + distance)."""
    xp = namespace(low)
    least = xp.clip(xp.amin(low, 0) + own * (1 - slack(width)), 0, None)
    return least + 8 * slack(width) * (own + least) + TINY


def pieces(count: int, rows: Matrix) -> Iterator[slice]:
    """`range(count)` in slices for as many float64 pairs of `rows` (n, D) as stay near the processor."""
    step = max(1, (2**17 if isinstance(rows, np.ndarray) else 2**24) // rows.shape[1])
    return (slice(start, start + step) for start in range(0, count, step))


def residuals(probabilities: Matrix, classes: np.ndarray | None = None) -> Matrix:
    """onehot(class) - p of each row of `probabilities` (n, K), in their type.

    `classes` int64 (n,); None: the likeliest ones, a tie goes to the lower class.
    """
    residual = -probabilities
    own = probabilities.argmax(1) if classes is None else like(classes, residual)
    residual[like(np.arange(len(residual)), residual), own] += 1
    return residual


@dataclass(frozen=True)
class Gradients:
    """Gradient embeddings as their factors: `features` (n, D) and `residual` (n, K) in float32, and `own` (n,), their squared norms."""

    features: Matrix
    residual: Matrix
    own: Matrix

    @classmethod
    def of(cls, features: Matrix, probabilities: Matrix) -> Gradients:
        """Those of these rows, both float32."""
        residual = residuals(probabilities)
        return cls(features, residual, squares(features) * squares(residual))

    @property
    def width(self) -> int:
        """How many terms a product sums."""
        return self.features.shape[1] + self.residual.shape[1]

    def rows(self, positions: np.ndarray) -> Gradients:
        """Those at `positions` (int64)."""
        index = like(positions, self.own)
        return Gradients(self.features[index], self.residual[index], self.own[index])

    def on_host(self) -> Gradients:
        """The same on the host."""
        return Gradients(host(self.features), host(self.residual), host(self.own))

    def products(self, others: Gradients) -> Matrix:
        """The inner products (m, n) of the m `others` and these."""
        cross = others.features @ self.features.T
        cross *= others.residual @ self.residual.T
        return cross

    def ceiling(self, others: Gradients) -> Matrix:
        """`ceiling` of the distances to the nearest of `others`."""
        return ceiling(self.own, others.own, self.products(others), self.width)

    def approach(self, value: np.ndarray, others: Gradients) -> np.ndarray:
        """The smaller, float64 (n,), of `value` and the exact squared distance to the nearest of `others`."""
        value = value.copy()
        rows, columns = contenders(value, self.own, others.own, self.products(others), self.width)
        for some in pieces(len(rows), self.features):
            np.minimum.at(value, rows[some], separations(self.rows(rows[some]), others.rows(columns[some])))
        return value


def separations(these: Gradients, those: Gradients) -> np.ndarray:
    """The squared distance between the i-th of each, as float64 (n,), to its last digits.

    With sums and differences of the factors, a h^T - a' h'^T = ((a + a') (h - h')^T + (a - a') (h + h')^T) / 2.
    """
    h, a, other_h, other_a = (double(part) for part in (these.features, these.residual, those.features, those.residual))
    h_sum, h_gap, a_sum, a_gap = h + other_h, h - other_h, a + other_a, a - other_a
    total = squares(a_sum) * squares(h_gap) + squares(a_gap) * squares(h_sum)
    total += 2 * inner(a_sum, a_gap) * inner(h_sum, h_gap)
    return host(namespace(h).clip(total / 4, 0, None))
