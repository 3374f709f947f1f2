"""UHerding (Bae, Oliveira and Sutherland 2025): MaxHerding weighted by uncertainty, with a radius that follows the labels."""

from __future__ import annotations

import math

import numpy as np

from altool.errors import InputError
from altool.kernels import herding
from altool.kernels.blocks import Matrix, host, walk
from altool.options import Option
from altool.strategies import entropy, least_confidence, margin
from altool.strategies.inputs import Vectors
from altool.strategies.maxherding import cover
from altool.strategies.registry import Strategy

SCORES = {"margin": lambda rows: 1 + margin.score(rows), "entropy": entropy.score, "least-confidence": least_confidence.score}


def pick(
    vectors: Vectors,
    count: int,
    rng: np.random.Generator,
    margin: np.ndarray | None,
    probabilities: Matrix | None,
    labels: np.ndarray | None,
    *,
    uherding_uncertainty: str = "margin",
    uherding_temperature: float = 1.0,
    uherding_radius: float | None = None,
) -> np.ndarray:
    """Int64 (min(count, n),) places: always the row of largest gain in mean_x u(x) max_s k(x, s), s labeled or picked, x all candidates.

    k is MaxHerding's, with the smallest positive distance of two labeled rows as its radius (1 where there is none), or
    `uherding_radius`. u(x) is 1 - (p1 - p2), the entropy or 1 - p1 of `probabilities` (n, K) at a temperature T, p^(1/T) made to sum to
    1; of `margin` (n,), p1 - p2, alone where there are no probabilities. Without a label, or without either, it is 1 for all.
    """
    own = uherding_uncertainty, uherding_temperature
    if probabilities is None and margin is not None and own != ("margin", 1.0):
        raise InputError(
            "--uherding-uncertainty and --uherding-temperature need the probabilities", "give --predictions, or leave them out"
        )
    uncertainty = None
    if labels is not None and len(labels):
        if probabilities is not None:
            uncertainty = uncertainties(probabilities, *own)
        elif margin is not None:
            uncertainty = np.maximum(1 - margin, 0)
    return cover(vectors, uncertainty, count, rng, lambda labeled, points, cosines: uherding_radius or spacing(labeled))


def uncertainties(probabilities: Matrix, kind: str, temperature: float) -> np.ndarray:
    """The uncertainty u of each row of `probabilities` (n, K), float64 (n,), as `pick` says."""
    found = np.empty(len(probabilities))

    def work(part: slice, block: Matrix) -> None:
        rows = host(block)
        if temperature != 1:
            rows = rows.astype(np.float64) ** (1 / temperature)
            rows /= rows.sum(axis=1, keepdims=True)
        found[part] = SCORES[kind](rows)

    for _ in walk(work, probabilities):
        pass
    return np.maximum(found, 0)


def spacing(labeled: Matrix) -> float:
    """The smallest positive distance of two unit rows of `labeled` (m, D); 1 where there is none."""
    cosine = herding.closest(labeled)
    return math.sqrt(2 - 2 * cosine) if cosine > -math.inf else 1.0


STRATEGY = Strategy(
    name="uherding",
    shape="pick",
    function=pick,
    takes=("vectors", "count", "rng"),
    optional=("margin", "probabilities", "labels"),
    summary="the rows that together cover best what the model is unsure of",
    paper="Bae, Oliveira and Sutherland 2025",
    cold_start=True,
    options=(
        Option(
            "uherding_uncertainty", default="margin", choices=tuple(SCORES), metavar="NAME", help="margin, entropy or least-confidence."
        ),
        Option("uherding_temperature", float, 1.0, "Probabilities are softened by it before.", above=0),
        Option(
            "uherding_radius",
            float,
            low=0.001,
            shown="the smallest distance of two labeled rows",
            help="Distance at which a row covers another by 1/e.",
        ),
    ),
)
