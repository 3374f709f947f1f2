"""Where torch computes, and what of a choice lies on a GPU."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from altool.engines.scratch import release
from altool.errors import InputError, UsageError
from altool.extras import library, missing
from altool.text import count

if TYPE_CHECKING:
    import torch

ROWS = 65_536  # copied at once
ROOM = 2 << 30  # bytes that a choice computes in, beside what it is given


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


def of_choices(name: str) -> torch.device | None:
    """The GPU on which a choice computes with `--device`; None is the processor, by numpy, which `auto` takes where there is no other.

    Raises UsageError as `choose` does, and for Metal, which has no float64.
    """
    if name == "cpu" or (name == "auto" and missing("torch")):  # without torch there is no GPU
        return None
    chosen = choose(name)
    if chosen.type == "mps" and name != "auto":
        raise UsageError("--device mps: choices need float64 numbers, which Metal does not have", "give --device cpu")
    return chosen if chosen.type == "cuda" else None


def put(arrays: Sequence[np.ndarray], device: torch.device, what: str) -> list[torch.Tensor]:
    """The arrays (n, D) float32 or float16, the rows of one table, on a GPU: as float16 where all their numbers are float16 numbers.

    Raises InputError, with `what` they are, where its memory does not hold them and what computes with them.
    """
    import torch

    torch.set_float32_matmul_precision("highest")  # bounds count on the digits of float32
    for dtype in dict.fromkeys([torch.float16, *(torch.from_numpy(array[:0]).dtype for array in arrays)]):
        size = sum(array.size for array in arrays) * dtype.itemsize
        free = _free(device)
        if size + ROOM > free:
            raise InputError(
                f"--device {device}: {what} of {_gib(size)} and {_gib(ROOM)} to compute in do not fit, {_gib(free)} of its memory are free",
                "give --device cpu, or features of altool embed --dtype float16",
            )
        copied = [_copied(array, dtype, device) for array in arrays]
        if all(made is not None for made in copied):
            return copied
        del copied
    raise AssertionError(what)


def _copied(array: np.ndarray, dtype: torch.dtype, device: torch.device) -> Any:
    """The array on the device in this type; None where that changes a number."""
    import torch

    made = torch.empty(array.shape, dtype=dtype, device=device)
    for start in range(0, len(array), ROWS):
        part = slice(start, min(start + ROWS, len(array)))
        block = torch.from_numpy(array[part]).to(device)
        release(array, part)
        made[part] = block
        if dtype != block.dtype and not torch.equal(made[part].to(block.dtype), block):
            return None
    return made


def _free(device: torch.device) -> int:
    """Bytes of the GPU's memory that this process can still have."""
    import torch

    return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"


@contextmanager
def memory(name: str) -> Iterator[None]:
    """Within it, what does not fit into the memory of the GPU `--device` names is an InputError."""
    try:
        yield
    except RuntimeError as error:
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(error, torch.OutOfMemoryError):
            raise
        raise InputError(
            f"--device {name}: its memory does not hold what is computed", "give --device cpu, or a smaller --budget"
        ) from error
