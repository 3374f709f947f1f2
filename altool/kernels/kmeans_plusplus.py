"""k-means++ seeding (Arthur and Vassilvitskii, 2007) on gradient embeddings, by rejection: the exact law without visiting every row."""

from __future__ import annotations

import numpy as np

from altool.kernels.blocks import BLOCK, Matrix, double, gather, host, walk
from altool.kernels.gradients import TINY, Gradients, residuals, slack, squares

DRAWS = 128  # at a time
CENTRES = 256  # in one product; elsewhere more, since each product waits for an answer
DEVICE_CENTRES = 1024
TOGETHER = 4096  # centres that one pass over all rows looks at
PASS = 32  # a pass over all rows costs as much as so many products with each
DEAR = 4  # how much more one product with a drawn row costs


def kmeans_plusplus(features: Matrix, probabilities: Matrix, count: int, rng: np.random.Generator) -> np.ndarray:
    """The row of the longest gradient embedding, then rows drawn in proportion to the squared distance to the nearest picked one.

    `features` (n, D) and `probabilities` (n, K) are float32 or float16. Returns int64 (min(count, n),). Equally long: the smaller
    position. When all distances are 0, the rest follows by position. Raises ValueError if a squared norm is not finite in float32.

    Distances only fall as rows are picked, so old ones are bounds. A row drawn in proportion to its bound, and kept with probability
    distance / bound, is a row drawn in proportion to its distance: only what is drawn needs a distance. State: 16 bytes a row.
    """
    count = max(0, min(count, len(features)))
    picks = np.empty(count, np.int64)
    if count == 0:
        return picks
    norms = _norms(features, probabilities)
    picks[0] = longest = _longest(features, probabilities, norms)
    # no distance is larger than the sum of both lengths
    bound = np.square(np.sqrt(norms) + np.sqrt(norms[longest])) * (1 + 8 * slack(features.shape[1] + probabilities.shape[1])) + TINY
    bound[longest] = 0
    done, lowered, wasted = 1, 0, 0
    while done < count:
        total = np.cumsum(bound)
        if total[-1] <= 0:
            picks[done:] = np.setdiff1d(np.arange(len(bound)), picks[:done])[: count - done]
            break
        drawn = np.searchsorted(total, np.minimum(rng.random(DRAWS) * total[-1], np.nextafter(total[-1], 0)), side="right")
        toss = rng.random(DRAWS) * bound[drawn]
        positions, place = np.unique(drawn, return_inverse=True)
        rows = _gradients(features, probabilities, positions)
        weights = _weights(rows, bound[positions], features, probabilities, picks[:done])
        near, before = rows.on_host(), done
        kept = np.flatnonzero(toss < weights[place])
        for number, draw in enumerate(kept):
            chosen = place[draw]
            if toss[draw] >= weights[chosen]:  # too near to what this batch has picked
                continue
            picks[done] = positions[chosen]
            done += 1
            if done == count:
                break
            weights[chosen] = 0
            later = np.unique(place[kept[number + 1 :]])
            weights[later] = near.rows(later).approach(weights[later], near.rows(np.array([chosen])))
        bound[positions] = weights
        accepted = done - before
        rejected = len(positions) - accepted
        wasted += rejected * done + len(bound) // 32
        ahead = rejected / max(accepted, 1) * (count - done) * (count + done) / 2
        if DEAR * (wasted + ahead) > len(bound) * (done - lowered + PASS):
            _lower(bound, features, probabilities, picks[lowered:done])
            bound[picks[:done]] = 0
            lowered, wasted = done, 0
    return picks


def _norms(features: Matrix, probabilities: Matrix) -> np.ndarray:
    """The squared norms of all rows' gradients, in float32 and a little off, as float64 (n,)."""
    norms = np.empty(len(features))

    def note(part: slice, rows: Matrix, known: Matrix) -> None:
        norms[part] = host(squares(rows) * squares(residuals(known)))

    for _ in walk(note, features, probabilities):
        pass
    if not np.isfinite(norms).all():
        raise ValueError("the features are too large: a squared length is not finite in float32")
    return norms


def _longest(features: Matrix, probabilities: Matrix, norms: np.ndarray) -> int:
    """The position of the largest norm; float64 decides among those that rounding may have put in the wrong order."""
    width = features.shape[1] + probabilities.shape[1]
    near = np.flatnonzero(norms >= norms.max() * (1 - 2 * slack(width)))
    if len(near) == 1:
        return int(near[0])
    exact = np.empty(len(near))
    for start in range(0, len(near), BLOCK):
        some = near[start : start + BLOCK]
        residual = residuals(gather(probabilities, some))
        exact[start : start + BLOCK] = host(squares(double(gather(features, some))) * squares(double(residual)))
    return int(near[exact.argmax()])


def _weights(rows: Gradients, bound: np.ndarray, features: Matrix, probabilities: Matrix, picks: np.ndarray) -> np.ndarray:
    """The exact squared distance, float64 (m,), of each of `rows` to the nearest of `picks`, none of which is beyond `bound`."""
    step = CENTRES if isinstance(features, np.ndarray) else TOGETHER
    for start in range(0, len(picks), step):
        bound = rows.approach(bound, _gradients(features, probabilities, picks[start : start + step]))
    return bound


def _lower(bound: np.ndarray, features: Matrix, probabilities: Matrix, picks: np.ndarray) -> None:
    """Lower `bound`, in place, to at most 1.2 times the squared distance of every row to the nearest of `picks`; 0 is exactly 0."""
    step = CENTRES if isinstance(features, np.ndarray) else DEVICE_CENTRES
    for start in range(0, len(picks), TOGETHER):
        some = picks[start : start + TOGETHER]
        blocks = [_gradients(features, probabilities, some[first : first + step]) for first in range(0, len(some), step)]

        def lower(part: slice, rows: Matrix, known: Matrix, blocks: list[Gradients] = blocks) -> None:
            here = Gradients.of(rows, known)
            vague = 64 * slack(here.width) * host(here.own) + 2 * TINY
            for block in blocks:
                top = host(here.ceiling(block))
                value = np.minimum(bound[part], top)
                close = np.flatnonzero(top <= vague)
                if len(close):
                    value[close] = here.rows(close).approach(bound[part][close], block)
                bound[part] = value

        for _ in walk(lower, features, probabilities):
            pass


def _gradients(features: Matrix, probabilities: Matrix, positions: np.ndarray) -> Gradients:
    return Gradients.of(gather(features, positions), gather(probabilities, positions))
