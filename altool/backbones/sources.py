"""The libraries whose classification networks make vectors, and are trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from altool.backbones.images import Preset

if TYPE_CHECKING:
    from torch import nn


class Source(Protocol):
    """A library of classification networks.

    Its networks are called `prefix` and their name there; `extra` is what installs it. `libraries` are the packages whose arithmetic they
    are, `drawing` those that draw random weights. A network without its head makes vectors (n, D), or (n, D, 1, 1), of normalised pictures
    (n, 3, E, E).
    """

    title: str
    prefix: str
    extra: str
    libraries: tuple[str, ...]
    drawing: tuple[str, ...]

    def names(self) -> list[str]:
        """The networks' names, sorted."""
        ...

    def known(self, name: str) -> bool:
        """Is this one of them?"""
        ...

    def preset(self, name: str, image_size: int | None = None) -> Preset:
        """How its weights are given images, at another size if one is given."""
        ...

    def build(self, name: str, image_size: int, seed: int, weights: str = "none") -> tuple[nn.Module, dict[str, Any]]:
        """The network for pictures of this size, without its head, and the facts that identify what it computes; with `weights` none,
        DEFAULT or a file. Random ones are of the seed; torch's global generator is left as it was.

        Raises UsageError for a size that it cannot have, InputError for weights that cannot be had, or do not fit.
        """
        ...

    def layout(self, name: str, body: nn.Module) -> tuple[bool, Sequence[str]]:
        """Whether channels are the last axis of what its layers give; and the modules of a network without stages, one behind the other."""
        ...


def source_of(called: str) -> tuple[Source, str]:
    """The library of a network that is called so, and its name there: timm's of timm:resnet18, torchvision's of resnet18."""
    from altool.backbones import networks, timm

    prefix, colon, name = called.partition(":")
    return (timm.TIMM, name) if f"{prefix}{colon}" == timm.TIMM.prefix else (networks.TORCHVISION, called)
