"""Where torch computes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from altool.errors import UsageError
from altool.extras import library
from altool.text import count

if TYPE_CHECKING:
    import torch


def choose(name: str) -> torch.device:
    """The device for `--device auto|cpu|cuda|cuda:N|mps`; auto is the first GPU, else the processor.

    Raises UsageError for another name, for a device that this machine does not have, and without torch.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise UsageError(f"--device: {name!r} is unknown", "choose from auto, cpu, cuda, cuda:N and mps")
    torch = library("torch", "torch", f"--device {name}")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if gpus else "mps" if torch.backends.mps.is_available() else "cpu")
    wanted = torch.device(name)
    if wanted.type == "cuda" and (wanted.index or 0) >= gpus:
        raise UsageError(f"--device {name}: torch finds {count(gpus, 'CUDA device')} on this machine", "give --device auto or cpu")
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: torch finds no Metal device on this machine", "give --device auto or cpu")
    return wanted
