"""Which labeled rows may be measured, so that the values describe the pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from altool.metrics.steering import SAMPLES

EVALUATE_ON = ("auto", "holdout", "out-of-fold", "all")
UNBIASED = ("seed", "explore")  # sources whose rows were drawn from the pool, not picked by their uncertainty
HOLDOUT = "holdout"
AUTO = "auto"  # the model's own labels prove nothing about it


@dataclass(frozen=True)
class Measured:
    """The rows to measure on. Masks are boolean over the labeled rows."""

    on: str  # holdout, out-of-fold or all
    rows: np.ndarray
    unpredicted: np.ndarray  # would be measured, but have no prediction
    in_sample: np.ndarray  # would be measured, but were predicted by a model that was trained on them
    biased: np.ndarray  # measured, though chosen by uncertainty or of unknown source
    left_out: np.ndarray  # could be measured, but chosen by uncertainty, of unknown source, or not labeled by a person
    samples: dict[str, np.ndarray]  # what class weights may come from: the rows of each of steering.SAMPLES


def measured(source: np.ndarray, predicted: np.ndarray, out_of_fold: np.ndarray, evaluate_on: str) -> Measured:
    """Choose among labeled rows by their `source` (strings; "" is unknown), whether they are `predicted`, and `out_of_fold`.

    `holdout`: the held-out rows. `out-of-fold`: rows of source seed or explore, each predicted by a model that did not see it.
    `auto`: holdout, if one of these rows has a prediction, else out-of-fold. `all`: both, and rows of any other source too. A row
    that its model was trained on (neither held out nor out of fold) is never measured, nor is an auto label. `rows` may be empty.
    """
    held = source == HOLDOUT
    drawn = np.isin(source, UNBIASED)
    fair = predicted & (held | out_of_fold)
    on = evaluate_on
    if on == "auto":
        on = "holdout" if (held & predicted).any() else "out-of-fold"
    scope = {"holdout": held, "out-of-fold": drawn, "all": source != AUTO}[on]
    # with auto, held-out rows that no prediction was found for are missed too
    wanted = scope | held if evaluate_on == "auto" else scope
    return Measured(
        on=on,
        rows=scope & fair,
        unpredicted=wanted & ~predicted,
        in_sample=scope & predicted & ~fair,
        biased=scope & fair & ~held & ~drawn,
        left_out=fair & ~held & ~drawn & ~scope if on != "holdout" else np.zeros(len(source), bool),
        samples=dict(zip(SAMPLES, (fair & held, fair & drawn, fair & ~held & (source != AUTO)), strict=True)),
    )
