"""What a fit chose where its options left it to the labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Chosen:
    """The values of the `options` that were chosen, by the names that `fit` has for them; `why`, a few words; and what was `measured`:
    the score of each value that was tried."""

    options: Mapping[str, Any]
    why: str
    measured: Mapping[str, float]
