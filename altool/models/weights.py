"""The weights of torch's modules as arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from altool.models.softmax import Softmax
from altool.models.tensors import take

if TYPE_CHECKING:
    from torch import nn


def head_of(trained: Sequence[int] | np.ndarray, layer: Any, codes: np.ndarray, balance: str, count: int) -> Softmax:
    """The head as a `Softmax`, its bias less the logarithm of each class's share for balance "prior"."""
    weights = layer.weight.detach().float().cpu().numpy().copy()
    bias = layer.bias.detach().double().cpu().numpy()
    if balance == "prior":
        bias = bias - np.log(np.bincount(codes) / len(codes))
    return Softmax(weights, bias.astype(np.float32), np.asarray(trained), count)


def arrays(module: nn.Module | None, prefix: str) -> dict[str, np.ndarray]:
    """A module's state dict as arrays, their names behind `prefix`."""
    found = {} if module is None else module.state_dict()
    return {prefix + name: value.detach().cpu().numpy() for name, value in found.items()}


def unprefixed(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Those of the tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def fits(module: nn.Module, tensors: Mapping[str, np.ndarray]) -> None:
    """Load the tensors into the module, all of them. Raises ValueError where they are not its own."""
    import torch

    for name, own in module.state_dict().items():
        if name in tensors:  # load_state_dict names the others
            take(tensors, name, "f" if own.is_floating_point() else "i", tuple(own.shape))
    try:
        module.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()}, assign=True)
    except (RuntimeError, TypeError) as error:
        raise ValueError("the sizes of its tensors do not fit together") from error


def started(head: Any, start: Any, numbers: np.ndarray, trained: np.ndarray) -> None:
    """Put the head's rows of an earlier model, whose class i is number `numbers[i]` now (-1: none), where `head` has the same class."""
    import torch

    now = {int(number): place for place, number in enumerate(trained)}
    with torch.no_grad():
        for place, old in enumerate(start.head.trained):
            if (row := now.get(int(numbers[old]))) is not None:
                head.weight[row] = torch.from_numpy(start.head.weights[place].copy())
                head.bias[row] = float(start.head.bias[place])
