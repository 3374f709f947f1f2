"""Labeled pictures as training reads them, cut and mirrored on the device; and how a network's input is made of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Pictures:
    """Labeled pictures uint8 (n, E, E, 3) as training reads them, varied on the device.

    Of each a square of `size` pixels is taken: the middle or, with `crops`, one drawn anew in each epoch, which may reach over the edge by
    `border` black pixels; `flips` mirrors half of them. `held` are the pictures on the device, if they fit.
    """

    array: np.ndarray
    size: int
    flips: bool
    crops: bool
    border: int
    mean: Any
    std: Any
    held: Any = None

    def __len__(self) -> int:
        return len(self.array)

    def identity(self) -> list[np.ndarray]:
        """The pictures, and how they are cut, varied and normalised."""
        return [self.array, np.array([self.size, self.flips, self.crops, self.border]), self.mean.cpu().numpy(), self.std.cpu().numpy()]

    def draw(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Whether each picture is mirrored, bool (n,), and its square's first row and column, int64 (n, 2)."""
        count, room = len(self.array), self.array.shape[1] - self.size
        flips = generator.random(count) < 0.5 if self.flips else np.zeros(count, bool)
        if not self.crops:
            return flips, np.full((count, 2), round(room / 2.0), np.int64)
        return flips, generator.integers(-self.border, room + self.border, (count, 2), endpoint=True)

    def minibatch(self, positions: np.ndarray, drawn: tuple[np.ndarray, np.ndarray]) -> Tensor:
        """float32 (n, 3, size, size), normalised."""
        import torch

        flips, corners = drawn[0][positions], drawn[1][positions]
        device = self.mean.device
        if self.held is not None:
            values = self.held[torch.from_numpy(positions).to(device)]
        else:
            order = np.argsort(positions)  # as the rows lie, where they are in a file
            values = sent(torch.from_numpy(self.array[positions[order]]), device)
            flips, corners = flips[order], corners[order]
        cut = varied(values, self.size, *(torch.from_numpy(part).to(device, non_blocking=True) for part in (flips, corners)))
        given = normalised(cut, self.mean, self.std)
        return given if self.held is not None else given[torch.from_numpy(np.argsort(order)).to(device)]

    def batch(self, positions: np.ndarray) -> Tensor:
        """float32 (n, 3, size, size) in [0, 1]: the middles as they are."""
        import torch

        cut = torch.from_numpy(np.ascontiguousarray(middle(self.array[positions], self.size)))
        return sent(cut, self.mean.device).permute(0, 3, 1, 2).float().div_(255)


def middle(rows: np.ndarray, size: int) -> np.ndarray:
    """The middle squares of `size` pixels of pictures (n, E, E, 3)."""
    start = round((rows.shape[1] - size) / 2.0)
    return rows[:, start : start + size, start : start + size]


def varied(values: Tensor, size: int, flips: Tensor, corners: Tensor) -> Tensor:
    """Squares of `size` pixels of pictures (n, E, E, 3), from the rows and columns `corners` (n, 2) on, mirrored where `flips` (n,); black
    beyond the edge."""
    import torch

    edge = torch.arange(size, device=values.device)
    rows, columns = corners[:, :1] + edge, corners[:, 1:] + edge
    columns = torch.where(flips[:, None], columns.flip(1), columns)
    last = values.shape[1] - 1
    inside = ((rows >= 0) & (rows <= last))[:, :, None] & ((columns >= 0) & (columns <= last))[:, None, :]
    each = torch.arange(len(values), device=values.device)[:, None, None]
    return values[each, rows.clamp(0, last)[:, :, None], columns.clamp(0, last)[:, None, :]] * inside[..., None]


def normalised(values: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 (n, S, S, 3) to the network's input float32 (n, 3, S, S), which lies as the pixels do (channels last)."""
    return values.float().div_(255).sub_(mean).div_(std).permute(0, 3, 1, 2)


def sent(values: Tensor, device: torch.device) -> Tensor:
    """On the device; to a GPU from pinned memory, so that the copy does not wait."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)
