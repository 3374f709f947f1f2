"""Local random generators: one `--seed`, and never the global random state."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def generator(seed: int, *scope: str | int) -> np.random.Generator:
    """A counter-based generator of its own for each scope, for example `generator(0, "select", round, "random")`.

    The draws of one scope depend on nothing but the seed and the scope: not on threads, minibatches or what ran before.
    """
    import numpy as np

    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in scope]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))


def integer(seed: int, *scope: str | int) -> int:
    """A seed in [0, 2**31) for libraries that want an integer (scikit-learn, torch)."""
    return int(generator(seed, *scope).integers(2**31))
