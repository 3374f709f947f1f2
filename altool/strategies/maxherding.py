"""MaxHerding (Bae, Noh and Sutherland 2024): greedily the rows that raise generalized coverage most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from altool.kernels import herding
from altool.kernels.blocks import Matrix, double, host, namespace, take, totals
from altool.kernels.gradients import squares
from altool.kernels.top import top
from altool.options import Option
from altool.strategies.inputs import Vectors
from altool.strategies.registry import Strategy

SAMPLE = 16_384  # rows that coverage is measured on, and candidates for it; more for more picks
PER_PICK = 4, 2  # candidates, and rows to be covered, at least so many for each pick
PART = 10_000  # picks from one sample: its table of 40,000 candidates and 20,000 rows takes 3 GiB
LONG = 100  # a vector that is so many times as long as most has no part in the mean: it would hide what tells the others apart
CERTAIN = 0.1, 0.05  # where fewer than such a share of rows has more than so much uncertainty, rows to be covered are drawn by it


def pick(vectors: Vectors, count: int, rng: np.random.Generator, *, maxherding_radius: float = 1.0) -> np.ndarray:
    """Int64 (min(count, n),) places: always the row of largest gain in mean_x max_s k(x, s), s labeled or picked, x all rows.

    k(x, s) = exp(-d^2 / radius^2), d the distance of the vectors less their mean and each over its length; ties go to the smaller place.
    Of many rows samples are read, as `cover` says. When nothing raises the coverage any more (only copies are left), or rows have no
    vector, the rest follows in random order.
    """
    return cover(vectors, None, count, rng, lambda labeled, points, cosines: maxherding_radius)


def cover(
    vectors: Vectors,
    uncertainty: np.ndarray | None,
    count: int,
    rng: np.random.Generator,
    radius: Callable[[Matrix, Matrix, np.ndarray], float],
    kernel: herding.Kernel = "gaussian",
) -> np.ndarray:
    """Int64 (min(count, n),) places: those of `covering`, then the others in random order."""
    found, _ = covering(vectors, uncertainty, count, rng, radius, kernel)
    rest = np.delete(np.arange(len(vectors)), found)
    return np.concatenate([found, rng.permutation(rest)])[: max(count, 0)]


def covering(
    vectors: Vectors,
    uncertainty: np.ndarray | None,
    count: int,
    rng: np.random.Generator,
    radius: Callable[[Matrix, Matrix, np.ndarray], float],
    kernel: herding.Kernel = "gaussian",
) -> tuple[np.ndarray, float]:
    """Int64 (at most count,) places in the greedy order of coverage, as long as it rises, each row x weighted by its `uncertainty` (n,),
    at least 0 (None, or all of them equal: by 1); and the radius, which `radius` makes of the unit vectors (m, D) of the labeled rows and
    (E, D) of those to be covered, and of the largest cosines (E,) of the latter with the former, -inf without any. Vectors are unit
    vectors of what is over their mean, but for the top-hat kernel of the rows as they are.

    Candidates are max(4 count, 16,384) rows, drawn with a probability that follows their uncertainty, and coverage is measured on
    max(2 count, 16,384) rows, drawn uniformly; where fewer than 5 % of rows have an uncertainty above 0.1, drawn by that in place of being
    weighted by it. The labeled rows are covered anyway. More than 10,000 picks are made in parts, each from samples of its own.
    """
    have = np.flatnonzero(vectors.present)
    weights = np.ones(len(have)) if uncertainty is None else uncertainty[have]
    if len(weights) and (weights == weights[0]).all():
        weights = np.ones(len(have))
    uniform = np.ones(len(have))
    rare = (weights > CERTAIN[0]).mean() < CERTAIN[1] if len(weights) else False
    free = np.ones(len(have), bool)
    chosen: list[np.ndarray] = []
    known: Matrix | None = None  # the unit vectors of what is labeled or picked
    mean: np.ndarray | None = None
    scale = 1.0
    wanted = min(max(count, 0), len(have))
    while wanted:
        share = min(wanted, PART)
        tried = _drawn(np.where(free, weights, 0), min(int(free.sum()), max(PER_PICK[0] * share, SAMPLE)), rng)
        shown = _drawn(weights if rare else uniform, min(len(have), max(PER_PICK[1] * share, SAMPLE)), rng)
        read = np.union1d(tried, shown)
        rows, labeled = vectors.read(have[read])
        first = known is None
        if first and kernel == "gaussian":
            mean = _middle(rows)
        units = herding.unit(rows, mean)
        known = herding.unit(labeled, mean) if known is None else known
        del rows, labeled
        points, trial = (take(units, np.searchsorted(read, some)) for some in (shown, tried))
        del units
        cosines = herding.nearest(points, known)
        scale = radius(known, points, cosines) if first else scale
        covered = herding.closeness(cosines, scale, kernel)
        picks, _ = herding.greedy(trial, points, None if rare else weights[shown], covered, scale, share, kernel)
        chosen.append(tried[picks])
        free[chosen[-1]] = False
        known = namespace(trial).concatenate([known, take(trial, picks)])
        wanted = wanted - share if len(picks) == share else 0
    return have[np.concatenate(chosen)] if chosen else np.empty(0, np.int64), scale


def _middle(rows: Matrix) -> np.ndarray:
    """The mean of `rows` (n, D) but for those that are far too long, float64 (D,)."""
    if isinstance(rows, np.ndarray):
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        return rows[lengths <= LONG * np.median(lengths)].mean(axis=0, dtype=np.float64)
    lengths = np.sqrt(host(squares(double(rows))))
    usual = np.flatnonzero(lengths <= LONG * np.median(lengths))
    return totals(take(rows, usual)) / len(usual)


def _drawn(weights: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Increasing int64 (size,) positions drawn without replacement, the next always in proportion to the `weights` (n,); those of weight 0
    come last."""
    if size >= len(weights):
        return np.arange(len(weights))
    return np.sort(top(np.log(np.maximum(weights, np.finfo(np.float64).tiny)) + rng.gumbel(size=len(weights)), size))


STRATEGY = Strategy(
    name="maxherding",
    shape="pick",
    function=pick,
    takes=("vectors", "count", "rng"),
    summary="the rows that together cover all others best",
    paper="Bae, Noh and Sutherland 2024",
    cold_start=True,
    options=(Option("maxherding_radius", float, 1.0, "Distance at which a row covers another by 1/e.", low=0.001),),
)
