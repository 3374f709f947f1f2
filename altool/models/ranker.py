"""The loss ranker: a small head that says from a network's hidden layers on which rows it loses most.

Its losses compare pairs of a minibatch only, so they are blind to the scale of a loss that falls while the network learns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

KINDS = ("none", "ranking", "loss")
WIDTH = 128  # of what each hidden layer is brought to (Yoo and Kweon 2019)
FREE_FROM = 0.6  # share of the epochs after which the ranker's gradient no longer reaches the network (their 120 of 200)


def build(widths: Sequence[int]) -> nn.Module:
    """The untrained ranker of hidden layers of these `widths`: each through a linear layer and a ReLU, all together to one number."""
    from torch import nn

    return nn.ModuleDict(
        {"layers": nn.ModuleList(nn.Linear(width, WIDTH) for width in widths), "output": nn.Linear(WIDTH * len(widths), 1)}
    )


def forward(ranker: Any, hidden: Sequence[Tensor]) -> Tensor:
    """The predicted losses (n,) of rows with the `hidden` values (n, width) of each layer."""
    import torch

    parts = [torch.relu(layer(values)) for layer, values in zip(ranker["layers"], hidden, strict=True)]
    return ranker["output"](torch.cat(parts, dim=1)).squeeze(1)


def predict(tensors: Mapping[str, np.ndarray], hidden: Sequence[np.ndarray]) -> np.ndarray:
    """`forward` in numpy, float32 (n,), of the ranker that these tensors (the names of its state dict) are."""
    return of_activations(tensors, activations(tensors, hidden))


def activations(tensors: Mapping[str, np.ndarray], hidden: Sequence[np.ndarray]) -> np.ndarray:
    """float32 (n, WIDTH x layers): what the ranker's output layer sees."""
    parts = [
        np.maximum(values @ tensors[f"layers.{number}.weight"].T + tensors[f"layers.{number}.bias"], 0)
        for number, values in enumerate(hidden)
    ]
    return np.concatenate(parts, axis=1)


def of_activations(tensors: Mapping[str, np.ndarray], seen: np.ndarray) -> np.ndarray:
    """float32 (n,): the predicted losses of rows of these `activations`."""
    return (seen @ tensors["output.weight"].T + tensors["output.bias"])[:, 0]


def fits(tensors: Mapping[str, np.ndarray], widths: Sequence[int]) -> bool:
    """Are these the tensors of a ranker of layers of these widths?"""
    shapes: dict[str, tuple[int, ...]] = {"output.weight": (1, WIDTH * len(widths)), "output.bias": (1,)}
    for number, width in enumerate(widths):
        shapes |= {f"layers.{number}.weight": (WIDTH, width), f"layers.{number}.bias": (WIDTH,)}
    return shapes == {name: value.shape for name, value in tensors.items() if value.dtype == np.float32 and np.isfinite(value).all()}


def ranking_loss(predicted: Tensor, losses: Tensor) -> Tensor:
    """TA-VAAL's ranking loss (Kim et al. 2021, eq. 1): is the first of each pair the one that is lost on more?

    `predicted` and `losses` float (B,). Rows i and B - 1 - i are a pair, as theirs; an odd last row is left out. The mean over pairs
    of the cross-entropy of sigmoid(predicted_i - predicted_j) against [loss_i > loss_j], from the logits, which do not saturate.
    No pair: 0. `losses` are constants.
    """
    from torch.nn import functional

    difference, first = pairs(predicted, losses)
    return functional.binary_cross_entropy_with_logits(difference, first.to(difference.dtype)) if len(first) else predicted.sum() * 0


def learning_loss(predicted: Tensor, losses: Tensor, margin: float = 1.0) -> Tensor:
    """The original loss of Learning Loss (Yoo and Kweon 2019, eq. 2): the mean over pairs of max(0, margin - s (predicted_i -
    predicted_j)), where s is 1 if loss_i > loss_j and else -1. Pairs as in `ranking_loss`. (TA-VAAL prints it with a stray minus.)"""
    difference, first = pairs(predicted, losses)
    sign = first.to(difference.dtype) * 2 - 1
    return (margin - sign * difference).clamp(min=0).mean() if len(first) else predicted.sum() * 0


LOSSES = {"ranking": ranking_loss, "loss": learning_loss}


def pairs(predicted: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
    """Of each pair the difference of the predictions, and whether the first row's loss is the larger."""
    half = len(predicted) // 2
    first, second = slice(0, half), slice(half, 2 * half)
    difference = predicted[first] - predicted[second].flip(0)
    return difference, losses[first] > losses[second].flip(0)
