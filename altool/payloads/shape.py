"""What a row of items holds, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

# What a row holds: encoded bytes, a text, a file as (root, name), a piece of one as (file, offset, length), or nothing. The root of a
# local file is "", else a URI.
Payload = bytes | str | tuple[str, str] | tuple[str, int, int] | None


@dataclass(frozen=True)
class Loaded:
    """Rows ready for a backbone. `digests` is uint8 (n, 16), zero where a payload could not be read; `values` uint8 pictures
    (n, height, width[, 3]) or n texts; `reasons` says why a row cannot be used (its value is then blank), or None."""

    digests: np.ndarray
    values: Any
    reasons: list[str | None]


class Embedder(Protocol):
    """What `pipeline.run` runs.

    `load` turns payloads into values; it is picklable and runs in worker processes. `embed` is called from `threads` threads with
    at most `minibatch` values, and gives float32 (n, width); a row's vector depends on nothing but the row.
    """

    @property
    def threads(self) -> int: ...
    @property
    def minibatch(self) -> int: ...
    @property
    def load(self) -> Callable[[Sequence[Payload]], Loaded]: ...

    def embed(self, values: Any) -> np.ndarray: ...
