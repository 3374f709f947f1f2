"""What `altool embed` runs: one file for each backbone, with its record BACKBONE, and `networks` for all of torchvision's."""

from __future__ import annotations

from typing import Any

from altool.backbones.shape import Backbone, Encoder
from altool.errors import UsageError
from altool.options import check, flag
from altool.registry import Registry
from altool.text import clip as clipped  # `clip` is a module here


def _made(name: str) -> Backbone:
    """The one that is not a file's: FAMILY:NAME, or a network of torchvision."""
    family, colon, given = name.partition(":")
    if colon and family in BACKBONES.names():
        found = BACKBONES.load(family)
        if not found.takes or not given:
            what = "nothing stands behind the colon" if found.takes else f"{family} takes nothing behind a colon"
            raise UsageError(f"--backbone {clipped(name, 80)}: {what}", f"write {found.called}")
        return found.member(given)
    from altool.backbones import networks  # here alone: it imports torch

    return networks.backbone(name)


BACKBONES = Registry(
    "altool.backbones",
    "BACKBONE",
    "--backbone",
    lambda: Backbone,
    others=("hub", "images", "networks", "shape", "sources", "texts"),
    family=_made,
)


def create(name: str, *, seed: int = 0, **given: Any) -> Encoder:
    """The encoder of that name, with the options `given`. Raises UsageError for an unknown name, and for options that it does not take."""
    backbone = BACKBONES.load(name)
    return backbone.made(check(backbone.options, given, flag, f"--backbone {name}"), seed)
