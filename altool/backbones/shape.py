"""What every backbone looks like from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from altool.payloads.shape import Embedder


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


class Texts(Protocol):
    """The texts of a run, for a backbone that learns from them. Null texts are left out."""

    def __iter__(self) -> Iterator[str]:
        """All texts, in any order."""
        ...

    def sample(self, limit: int) -> list[str]:
        """At most `limit` texts, drawn with the run's seed, in id order."""
        ...


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
