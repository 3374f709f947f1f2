"""`pixels`: the image itself, resized. Needs no weights."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from altool.backbones.shape import Backbone, Texts
from altool.options import Option
from altool.payloads import pictures

SIZE = 32
BILINEAR = 2  # PIL.Image.Resampling.BILINEAR


class Pixels:
    """The whole image at size x size pixels (32 by default), RGB or gray, row by row, in [0, 1]."""

    device = "cpu"
    threads = 1
    minibatch = 256
    libraries = ("numpy", "pillow")
    learns = False

    def __init__(self, *, image_size: int = SIZE, gray: bool = False, seed: int = 0) -> None:
        recipe = pictures.Recipe(image_size, None, BILINEAR, "L" if gray else "RGB")
        self.width = int(np.prod(recipe.shape))
        self.facts: dict[str, Any] = {"image_size": image_size, "gray": gray}
        self.space = self.facts
        self.load = functools.partial(pictures.load, recipe)

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        """There is nothing to prepare."""

    def save(self, path: Path) -> None:
        """There is nothing to keep."""

    def embed(self, values: np.ndarray) -> np.ndarray:
        return values.reshape(len(values), -1).astype(np.float32) / np.float32(255)


BACKBONE = Backbone(
    "pixels",
    "the image itself, resized; needs no weights",
    ("image", "path"),
    Pixels,
    (
        Option("image_size", int, SIZE, low=1, metavar="N", help="Images at N x N pixels."),
        Option("gray", bool, False, help="One gray value per pixel instead of red, green and blue."),
    ),
)
