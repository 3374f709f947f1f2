"""`pixels`: the image itself, resized. Needs no weights."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from altool.backbones.shape import Settings, Texts
from altool.payloads import pictures

SIZE = 32
BILINEAR = 2  # PIL.Image.Resampling.BILINEAR


class Pixels:
    """The whole image at size x size pixels (32 by default), RGB or gray, row by row, in [0, 1]."""

    reads = ("image", "path")
    takes = frozenset({"image_size", "gray", "workers", "allow_outside"})
    device = "cpu"
    threads = 1
    minibatch = 256
    libraries = ("numpy", "pillow")
    learns = False

    def __init__(self, name: str, settings: Settings) -> None:
        size = settings.image_size or SIZE
        recipe = pictures.Recipe(size, None, BILINEAR, "L" if settings.gray else "RGB")
        self.width = int(np.prod(recipe.shape))
        self.facts: dict[str, Any] = {"image_size": size, "gray": settings.gray}
        self.space = self.facts
        self.load = functools.partial(pictures.load, recipe)

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        """There is nothing to prepare."""

    def save(self, path: Path) -> None:
        """There is nothing to keep."""

    def embed(self, values: np.ndarray) -> np.ndarray:
        return values.reshape(len(values), -1).astype(np.float32) / np.float32(255)


create = Pixels
