"""What `altool embed` runs, by name: torchvision's classification networks, and the families below, which need no torch."""

from __future__ import annotations

import importlib
from dataclasses import fields

from altool.backbones.shape import Backbone, Settings
from altool.errors import UsageError

FAMILIES = ("pixels", "hashing", "fasttext")  # name = file; every other name is a network's


def create(name: str, settings: Settings) -> Backbone:
    """The backbone of that name. Raises UsageError for an unknown one, and for options that mean nothing to it."""
    family = importlib.import_module(f"altool.backbones.{name if name in FAMILIES else 'networks'}").create
    for field in fields(Settings):
        value = getattr(settings, field.name)
        free = field.name == "seed" or (field.name, value) == ("device", "cpu")
        if value != field.default and not free and field.name not in family.takes:
            option = "--" + field.name.replace("_", "-")
            meant = ", ".join("--" + other.replace("_", "-") for other in sorted(family.takes)) or "none"
            raise UsageError(f"{option} means nothing for --backbone {name}", f"leave it out; of such options it takes {meant}")
    return family(name, settings)
