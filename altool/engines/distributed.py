"""Several processes that train one model, as torchrun starts them (its variables RANK, LOCAL_RANK and WORLD_SIZE)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from altool.engines import device as devices

if TYPE_CHECKING:
    from torch import Tensor, device, nn


def launched() -> bool:
    """Is this process one of several?"""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def group(device: str) -> Iterator[tuple[str, bool]]:
    """Join the other processes, if there are any. Yields the name of this one's device, and whether it is the one that writes.

    `auto` and `cuda` are the GPU of the process's own number. Nothing is joined where there is one process.
    """
    if not launched():
        yield device, True
        return
    import torch
    from torch import distributed

    chosen = devices.choose(device)
    name = device
    if chosen.type == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if chosen.index is None else device
        torch.cuda.set_device(devices.choose(name))
    # The first process works alone for a while, on what is not shared out; the others wait for it.
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=timedelta(days=7))
    try:
        yield name, distributed.get_rank() == 0
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def world() -> tuple[int, int]:
    """This process's number, and how many there are."""
    if not launched():
        return 0, 1
    from torch import distributed

    return (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)


def wrap(module: nn.Module, device: device) -> Any:
    """The module, its gradients averaged over the processes."""
    if world()[1] == 1:
        return module
    from torch.nn.parallel import DistributedDataParallel

    return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)


def total(values: Tensor) -> Tensor:
    """The sums of `values` over the processes."""
    if world()[1] > 1:
        from torch import distributed

        distributed.all_reduce(values)
    return values
