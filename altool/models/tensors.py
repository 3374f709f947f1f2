"""What a model's tensors must be before anything is computed with them: products would read beyond their ends, or take all memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

KINDS = {"f": "floating-point numbers", "i": "integers", "u": "bytes"}


def take(
    tensors: Mapping[str, np.ndarray],
    name: str,
    kind: str,
    shape: tuple[int | None, ...],
    low: float | None = None,
    high: float | None = None,
) -> np.ndarray:
    """The tensor `name`, of dtype `kind` (f, i or u) and of a shape in which None is any length, all of it from `low` to `high`.

    Raises ValueError, which names the tensor, where it is missing or another, or holds NaN or infinity.
    """
    if name not in tensors:
        raise ValueError(f"tensor {name!r} is missing")
    found = tensors[name]
    if found.dtype.kind != kind:
        raise ValueError(f"tensor {name!r} holds {found.dtype}, not {KINDS[kind]}")
    if len(found.shape) != len(shape) or any(size not in (None, own) for size, own in zip(shape, found.shape, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"tensor {name!r} has the shape {list(found.shape)}, not [{wanted}]")
    if kind == "f" and not np.isfinite(found).all():
        raise ValueError(f"tensor {name!r} holds NaN or infinity")
    if found.size and ((low is not None and found.min() < low) or (high is not None and found.max() > high)):
        bound = f"from {low} to {high}" if None not in (low, high) else f"at least {low}" if high is None else f"at most {high}"
        raise ValueError(f"tensor {name!r} holds numbers that are not {bound}")
    return found


def take_classes(tensors: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """`trained` int (k,): the numbers of the classes that training saw, rising, below `count`. Raises ValueError."""
    trained = take(tensors, "trained", "i", (None,), 0, count - 1)
    if not len(trained) or (np.diff(trained) <= 0).any():
        raise ValueError("tensor 'trained' does not name each class once, in order")
    return trained
