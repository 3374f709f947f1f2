"""The table of what annotators answer to rows of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.errors import InputError
from altool.tables.read import Reader


def read(noise: str | float, classes: Sequence[str]) -> float | np.ndarray:
    """A share, or the (K, K) shares of a confusion table: columns class, answer, share. Raises InputError for a table of others."""
    if not isinstance(noise, str):
        return noise
    try:
        source = Reader().open(noise, "confusion")
        rows = source.read().to_pylist()
    except InputError as error:
        raise InputError(f"--label-noise {noise}: neither a share nor a table ({error.message})", error.hint) from error
    shares = np.zeros((len(classes), len(classes)))
    for row in rows:
        if row["class"] not in classes or row["answer"] not in classes or row["share"] is None or not 0 <= row["share"] <= 1:
            raise InputError(f"{source.name}: {row} is not a class, an answer that is a class, and a share", "correct this row")
        shares[list(classes).index(row["class"]), list(classes).index(row["answer"])] += row["share"]
    right = np.arange(len(classes))
    errors = shares.sum(axis=1) - shares[right, right]
    if (errors > 1 + 1e-9).any():
        raise InputError(f"{source.name}: the shares of class {classes[int(errors.argmax())]!r} sum to more than 1", "correct them")
    shares[right, right] = np.maximum(1 - errors, 0)
    return shares
