"""What every backbone looks like from outside."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from altool.errors import UsageError
from altool.extras import need
from altool.options import Option
from altool.payloads.shape import Embedder


class Texts(Protocol):
    """The texts of a run, for a backbone that learns from them. Null texts are left out."""

    def __iter__(self) -> Iterator[str]:
        """All texts, in any order."""
        ...

    def sample(self, limit: int) -> list[str]:
        """At most `limit` texts, drawn with the run's seed, in id order."""
        ...


class Encoder(Embedder, Protocol):
    """What a backbone makes of its options: first `prepare`, then `embed` as often as needed.

    `libraries` are the packages whose arithmetic it is. `facts` say what it computes and go into the provenance. `space` are those of the
    facts, once prepared, without which a vector means something else: the identity of its vector space, if nothing is learned; both are
    JSON. Where `learns`, `prepare` learns from the texts, or takes up the `fit` that `save` wrote at a path.
    """

    @property
    def device(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def facts(self) -> dict[str, Any]: ...
    @property
    def space(self) -> dict[str, Any]: ...
    @property
    def libraries(self) -> tuple[str, ...]: ...
    @property
    def learns(self) -> bool: ...

    def prepare(self, texts: Texts, fit: Path | None = None) -> None: ...
    def save(self, path: Path) -> None: ...


@runtime_checkable
class TwoTower(Protocol):
    """An encoder of more than its items: it also embeds texts into the same space, where rows are compared by their cosine. `temperature`
    is what the cosines were multiplied by in its training, before the softmax."""

    @property
    def temperature(self) -> float: ...
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray: ...  # float32 (n, width)


@runtime_checkable
class OfColumns(Protocol):
    """An encoder of images and of texts: it is told, before `prepare`, which of the columns that it reads the items have."""

    def read(self, column: str) -> None: ...


class OfOne:
    """An encoder of which the model itself, which messages call `who`, says whether it reads images or texts: the columns `reads`."""

    who: str
    reads: tuple[str, ...]

    def read(self, column: str) -> None:
        """Raises UsageError for a column that the model is not for."""
        if column not in self.reads:
            raise UsageError(
                f"{self.who} reads {' or '.join(self.reads)}, the items hold {column}", "give another --backbone or other --items"
            )


@dataclass(frozen=True)
class Backbone:
    """A backbone, as `--backbone` names it.

    `reads` are the items' columns that it can work on, the preferred first. `create` makes its encoder, of the `seed` and of its `options`
    as keywords; an option named device says where it computes, one named as a fact of its vector space is settled by `--like`. `fit` is the
    ending of the file that keeps what it learned, where it may learn. `summary` is one line. `extra` is the one of the installation that
    it comes with (altool/extras.py).

    One that `takes` something (its metavar, as NAME|FOLDER) is a family: `--backbone timm:resnet18` is what `create` of timm makes of
    "resnet18", which is given first. `place` is FOLDER or FILE where that is one of this machine: what it holds then says what vectors
    mean, and its path does not. A folder is one only if it has the file `mark`, if that is given: another may be called as a network is.
    """

    name: str
    summary: str
    reads: tuple[str, ...]
    create: Callable[..., Encoder]
    options: tuple[Option, ...] = ()
    fit: Literal["", ".safetensors", ".bin"] = ""
    takes: str = ""
    mark: str = ""
    place: Literal["", "FOLDER", "FILE"] = ""
    extra: str = ""

    @property
    def identity(self) -> str:
        """How a vector space names it: timm:FOLDER for any folder."""
        return f"{self.name.partition(':')[0]}:{self.place}" if self.place else self.name

    @property
    def called(self) -> str:
        """How a command line names it: timm:NAME|FOLDER for a family."""
        return f"{self.name}:{self.takes}" if self.takes else self.name

    def member(self, given: str) -> Backbone:
        """The one that a family makes of what is `given` behind the colon."""
        folder = os.path.isfile(os.path.join(given, self.mark)) if self.mark else os.path.isdir(given)
        place: Literal["", "FOLDER", "FILE"] = "FOLDER" if folder else "FILE" if os.path.isfile(given) else ""
        return replace(self, name=f"{self.name}:{given}", create=partial(self.create, given), takes="", place=place)

    @property
    def reads_both(self) -> bool:
        """Does it work on images and on texts?"""
        return self.decodes and "text" in self.reads

    @property
    def decodes(self) -> bool:
        """Does it work on images, which are decoded in worker processes?"""
        return not {"image", "path"}.isdisjoint(self.reads)

    def columns(self, there: Sequence[str], who: str, wanted: str | None = None) -> tuple[str, ...]:
        """The columns of which the first that a table has is worked on: the `wanted` one, if any. It is called `who`, and those that are
        `there` are of the ones that it could be.

        Raises UsageError for one that it does not read, and where it would be guessed whether images or texts are meant.
        """
        if wanted is not None:
            if wanted not in self.reads:
                raise UsageError(f"--reads {wanted}: {self.name} reads {' or '.join(self.reads)}", "give another --backbone")
            return (wanted,)
        if self.reads_both and "text" in there and len(there) > 1:
            raise UsageError(
                f"{who}: {self.name} reads images and texts, and it has columns {' and '.join(there)}",
                f"say which: --reads {there[0]} or --reads text",
            )
        return self.reads

    def made(self, values: Mapping[str, Any], seed: int) -> Encoder:
        """The encoder of these values of its options, and of the defaults of the others. Raises UsageError for a family, and where the
        extra that it comes with is not installed."""
        if self.takes:
            raise UsageError(
                f"--backbone {self.name}: expected {self.called}, found {self.name} alone", "give what stands behind the colon"
            )
        need(self.extra, f"--backbone {self.name}")
        return self.create(seed=seed, **({option.name: option.default for option in self.options} | dict(values)))
