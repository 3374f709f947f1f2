"""What a stored model predicts for rows: probabilities with further columns, and vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from altool.errors import InputError
from altool.extras import need
from altool.models import companion
from altool.models.shape import Deep, Outputs
from altool.text import count

if TYPE_CHECKING:
    from altool.models.store import Stored


@dataclass(frozen=True)
class Predictor:
    """`predict` turns n rows, and the pictures of the same that VAAL sees in their place, into a matrix float32 (n, K + E) of K
    probabilities and the E columns named in `extras`, and the vectors (n, D). A row's numbers depend on nothing but the row."""

    predict: Callable[..., tuple[np.ndarray, np.ndarray]]
    extras: tuple[str, ...]


def predictor(stored: Stored, location: str | None, *, mc_dropout: int | None, seed: int, device: str) -> Predictor:
    """The predictor of the model that was loaded from `location`, which messages name; `mc_dropout` networks are averaged (None: none).

    `predict` raises InputError where it predicts NaN or infinity.
    """
    model = stored.model
    extras: list[str] = []
    if isinstance(model, Deep):
        wanted = {"predicted_loss": model.has_ranker, "mutual_information": bool(mc_dropout)}
        extras = [name for name, there in wanted.items() if there]
        outputs: Callable[[np.ndarray], Outputs] = partial(model.on(device).outputs, samples=mc_dropout or 0, seed=seed)
    else:

        def outputs(rows: np.ndarray) -> Outputs:
            return Outputs(*model.predict(rows))

    labeled = None
    if stored.vaal is not None:
        need("torch", f"model {location}: its VAAL")
        ranked = stored.facts["provenance"]["options"].get("vaal") == "ta-vaal"
        labeled = companion.labeler(stored.vaal, ranked=ranked, device=device, who=f"model {location}")

    def predict(rows: np.ndarray, shown: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        found = outputs(rows)
        columns = [found.probabilities, *(getattr(found, name) for name in extras)]
        if labeled is not None:
            seen = found.vectors if stored.reads == "text" else rows if shown is None else shown
            columns.append(labeled(seen, found.predicted_loss))
        matrix = np.column_stack(columns)
        if not np.isfinite(matrix).all():
            bad = count(int((~np.isfinite(matrix)).any(axis=1).sum()), "row")
            hint = "look for extreme numbers in these rows, or train it again with a lower --rate"
            raise InputError(f"model {location}: NaN or infinity predicted for {bad}", hint)
        return matrix, found.vectors

    return Predictor(predict, (*extras, *(["labeled_probability"] if labeled is not None else [])))
