"""What `altool embed` runs: one file for each backbone, with its record BACKBONE, and `networks` for all of torchvision's."""

from __future__ import annotations

from typing import Any

from altool.backbones.shape import Backbone, Encoder
from altool.options import check, flag
from altool.registry import Registry


def _network(name: str) -> Backbone:
    from altool.backbones import networks  # here alone: it imports torch

    return networks.backbone(name)


BACKBONES = Registry("altool.backbones", "BACKBONE", "--backbone", lambda: Backbone, others=("networks", "shape"), family=_network)


def create(name: str, *, seed: int = 0, **given: Any) -> Encoder:
    """The encoder of that name, with the options `given`. Raises UsageError for an unknown name, and for options that it does not take."""
    backbone = BACKBONES.load(name)
    return backbone.made(check(backbone.options, given, flag, f"--backbone {name}"), seed)
