"""A device that is none, to test what runs on a GPU without one: tensors that lie `away`, compute as those of the processor, and refuse to
be mixed with them.

`with pretending() as away: away(array)` is a numpy array there. What fails on a GPU fails: an operation on tensors of both places, and
numpy on one that is away. As on a GPU, single numbers and the positions that index a tensor may lie on the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from extra import library, torch

INDEXING = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
CROSSING = ("aten::_to_copy", "aten::copy_")


@contextmanager
def pretending() -> Iterator[Callable[[np.ndarray], Any]]:
    """Within it there is such a device; yields what puts an array there."""
    place, watch = _device()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more would wait for each other where tests run side by side
    try:
        with watch():
            yield lambda array: torch.from_numpy(np.ascontiguousarray(array)).to(place)
    finally:
        torch.set_num_threads(threads)


@cache
def _device() -> tuple[Any, Any]:
    """The device, and the mode that watches over all operations."""
    dispatch, tree = library("torch.utils._python_dispatch"), library("torch.utils._pytree")
    place = torch.device("meta")

    class Away(torch.Tensor):  # type: ignore[misc]
        held: Any

        @staticmethod
        def __new__(cls, held: Any) -> Any:
            shape = {"strides": held.stride(), "storage_offset": held.storage_offset()}
            made = torch.Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype, device=place, **shape)
            made.held = held
            return made

        def __array__(self, *_: Any, **__: Any) -> Any:
            raise TypeError("numpy cannot read a tensor that is away")

        numpy = __array__

        @classmethod
        def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return computed(function, args, kwargs or {})

    def computed(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        name, to = function._schema.name, kwargs.get("device")
        tensors = [value for value in tree.tree_leaves(args[:1] if name in INDEXING else (args, kwargs)) if isinstance(value, torch.Tensor)]
        away = any(isinstance(value, Away) for value in tensors)
        if away and name not in CROSSING and any(not isinstance(value, Away) and value.ndim for value in tensors):
            raise RuntimeError(f"{name}: its tensors lie on two devices")
        args_here, kwargs_here = tree.tree_map(lambda value: value.held if isinstance(value, Away) else value, (args, kwargs))
        if to is not None:
            away, kwargs_here["device"] = torch.device(to) == place, torch.device("cpu")
        found = function(*args_here, **kwargs_here)
        if name.endswith("_") or "out" in kwargs:
            return kwargs.get("out", args[0])
        return tree.tree_map(lambda value: Away(value) if away and isinstance(value, torch.Tensor) else value, found)

    class Watch(dispatch.TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return computed(function, args, kwargs or {})

    return place, Watch
