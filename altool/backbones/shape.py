"""What every backbone looks like from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from altool.errors import UsageError
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


@dataclass(frozen=True)
class Backbone:
    """A backbone, as `--backbone` names it.

    `reads` are the items' columns that it can work on, the preferred first. `create` makes its encoder, of the `seed` and of its `options`
    as keywords; an option named device says where it computes, one named as a fact of its vector space is settled by `--like`. `fit` is the
    ending of the file that keeps what it learned, where it may learn. `summary` is one line. `extra` is the one of the installation that
    it comes with (altool/extras.py); what it needs of it, `create` and `prepare` ask for.

    One that `takes` something (its metavar, as NAME|FOLDER) is a family: `--backbone timm:resnet18` is what `create` of timm makes of
    "resnet18", which is given first.
    """

    name: str
    summary: str
    reads: tuple[str, ...]
    create: Callable[..., Encoder]
    options: tuple[Option, ...] = ()
    fit: Literal["", ".safetensors", ".bin"] = ""
    takes: str = ""
    extra: str = ""

    @property
    def called(self) -> str:
        """How a command line names it: timm:NAME|FOLDER for a family."""
        return f"{self.name}:{self.takes}" if self.takes else self.name

    def member(self, given: str) -> Backbone:
        """The one that a family makes of what is `given` behind the colon."""
        return replace(self, name=f"{self.name}:{given}", create=partial(self.create, given), takes="")

    @property
    def decodes(self) -> bool:
        """Does it work on images, which are decoded in worker processes?"""
        return not {"image", "path"}.isdisjoint(self.reads)

    def made(self, values: Mapping[str, Any], seed: int) -> Encoder:
        """The encoder of these values of its options, and of the defaults of the others. Raises UsageError for a family."""
        if self.takes:
            raise UsageError(
                f"--backbone {self.name}: expected {self.called}, found {self.name} alone", "give what stands behind the colon"
            )
        return self.create(seed=seed, **({option.name: option.default for option in self.options} | dict(values)))
