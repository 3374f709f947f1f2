"""What the backbones of images that torch runs have in common."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from altool.engines import device as devices
from altool.engines.local import cores
from altool.errors import UsageError
from altool.payloads import pictures
from altool.text import brief

if TYPE_CHECKING:
    from torch import Tensor, nn

MINIBATCH = {"cpu": 16}
MINIBATCH_GPU = 256
UNSUITED = (AssertionError, RuntimeError, ValueError)  # what networks raise for pictures of a size that they cannot read


@dataclass(frozen=True)
class Preset:
    """How images become what a network reads: the recipe of its pictures, of which `mean` is taken, in [0, 1], before they are divided by
    `std`."""

    recipe: pictures.Recipe
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """It as JSON, for the identity of a vector space."""
        recipe = self.recipe
        border = {"fill": list(recipe.fill)} if any(recipe.fill) else {}
        resized = {"resize": recipe.size, "edge": recipe.fit, "resample": recipe.resample, "crop": recipe.shape[0], **border}
        return {**resized, "mean": list(self.mean), "std": list(self.std)}


class Images:
    """An encoder of images by a network of torch, which whoever inherits it builds in `prepare` and gives to `run_on`.

    On a GPU the network runs in mixed precision; on the processor one minibatch runs on one core. Minibatches have one shape: a row's
    vector depends on nothing but the row.
    """

    learns = False

    def __init__(self, minibatch: int | None, device: str) -> None:
        """Raises UsageError for a device that is not there."""
        self.torch_device = devices.choose(device)
        self.device = str(self.torch_device)
        self.threads = cores() if self.device == "cpu" else 1
        self.minibatch = minibatch or MINIBATCH.get(self.device, MINIBATCH_GPU)
        self.width = 0
        self.facts: dict[str, Any] = {"minibatch": self.minibatch, "device": self.torch_device.type}

    def save(self, path: Path) -> None:
        """There is nothing to keep."""

    def read_as(self, preset: Preset) -> None:
        """Make pictures of images so."""
        self.preset = preset
        self.image_size = preset.recipe.shape[0]
        self.facts["image_size"] = self.image_size
        self.load: Any = functools.partial(pictures.load, preset.recipe)

    def run_on(self, net: nn.Module, who: str) -> None:
        """Run this network, called so, and learn its width. Raises UsageError where it cannot read pictures of this size."""
        import torch

        # channels_last is how decoded pixels lie in memory, and the faster layout on processors and GPUs alike.
        self.net = net.eval().requires_grad_(False).to(self.torch_device, memory_format=torch.channels_last)
        self.mean, self.std = (
            torch.tensor(values, dtype=torch.float32, device=self.torch_device).view(1, 3, 1, 1)
            for values in (self.preset.mean, self.preset.std)
        )
        if self.device == "cpu":
            torch.set_num_threads(1)
        try:
            self.width = self._run(np.zeros((1, self.image_size, self.image_size, 3), np.uint8)).shape[1]
        except UNSUITED as error:
            raise unsuited(who, self.image_size, error) from error

    def normalize(self, pixels: np.ndarray) -> Tensor:
        """uint8 (n, height, width, 3) to the network's input, float32 (n, 3, height, width) on its device."""
        import torch

        given = torch.from_numpy(pixels).to(self.torch_device, non_blocking=True).permute(0, 3, 1, 2)
        return given.float().div_(255).sub_(self.mean).div_(self.std)

    def embed(self, values: np.ndarray) -> np.ndarray:
        return self._run(padded(values, self.minibatch))[: len(values)]

    def forward(self, given: Tensor) -> Tensor:
        """The vectors of normalised pictures."""
        return self.net(given)

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            given = self.normalize(pixels)
            with self.mixed():
                vectors = self.forward(given)
            return vectors.flatten(1).float().cpu().numpy()

    def mixed(self) -> Any:
        """Mixed precision on a GPU."""
        import torch

        return torch.autocast(self.torch_device.type, torch.float16, enabled=self.torch_device.type != "cpu")


def padded(rows: np.ndarray, minibatch: int) -> np.ndarray:
    """The rows, and zeros behind them until they are a minibatch: kernels, and so the last bits, are chosen by its shape."""
    missing = minibatch - len(rows)
    return np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)]) if missing > 0 else rows


def weights_of(net: nn.Module) -> str:
    """What identifies the weights of a network, wherever they come from: a digest of their names, types, shapes and numbers."""
    import torch

    digest = hashlib.sha256()
    state: Mapping[str, Tensor] = net.state_dict()
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {list(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return f"sha256:{digest.hexdigest()}"


def unsuited(name: str, image_size: int, error: Exception) -> UsageError:
    """What to raise where a network cannot read pictures of this size."""
    return UsageError(
        f"--image-size {image_size} does not suit {name} ({brief(error)})",
        "leave --image-size out for the network's own, or give a larger one",
    )
