"""What every backbone looks like from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

# What a row holds: encoded bytes, a text, a file as (root, name) or nothing. The root of a local file is "", else a URI.
Payload = bytes | str | tuple[str, str] | None


@dataclass(frozen=True)
class Settings:
    """The options of `altool embed` that shape a backbone; None (or the default) where they were not given."""

    weights: str = "DEFAULT"
    image_size: int | None = None
    gray: bool = False
    width: int | None = None
    projection: str | None = None
    minibatch: int | None = None
    device: str = "auto"
    workers: int | None = None
    allow_outside: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Loaded:
    """Rows ready for a backbone. `digests` is uint8 (n, 16), zero where a payload could not be read; `values` uint8 pictures
    (n, height, width[, 3]) or n texts; `reasons` says why a row cannot be used (its value is then blank), or None."""

    digests: np.ndarray
    values: Any
    reasons: list[str | None]


class Texts(Protocol):
    """The texts of a run, for a backbone that learns from them. Null texts are left out."""

    def __iter__(self) -> Iterator[str]:
        """All texts, in any order."""
        ...

    def sample(self, limit: int) -> list[str]:
        """At most `limit` texts, drawn with the run's seed, in id order."""
        ...


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


class Backbone(Embedder, Protocol):
    """Made by `backbones.create`, which checks its options; then `prepare`, then `embed` as often as needed.

    `reads` are the items' columns that it can work on, the preferred first; `takes` the settings that mean something to it;
    `libraries` the packages whose arithmetic it is. `facts` say what it computes and go into the provenance.

    `space` are those of the facts, once prepared, without which a vector means something else: the identity of its vector space, if
    nothing is learned. Where `learns`, `prepare` learns from the texts, or takes up the `fit` that `save` wrote at a path.
    """

    reads: tuple[str, ...]
    takes: frozenset[str]
    device: str
    width: int
    facts: dict[str, Any]
    space: dict[str, Any]
    libraries: tuple[str, ...]
    learns: bool

    def prepare(self, texts: Texts, fit: Path | None = None) -> None: ...
    def save(self, path: Path) -> None: ...
