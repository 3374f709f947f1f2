"""Checkpoints: the state of a training run in a file, from which a killed run goes on."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from altool import __version__
from altool.engines import distributed
from altool.errors import InputError

if TYPE_CHECKING:
    import torch


def damaged(path: Path) -> InputError:
    """What to raise where a checkpoint cannot be read."""
    return InputError(f"checkpoint {path}: it is damaged", "delete it; the run then starts anew")


class Checkpoint:
    """The state of a training run in a file, named by everything that decides its result, so no other run takes it for its own.

    `state` are the modules and the optimizer whose state dicts it keeps, "task" among them; `facts` (JSON), `device` and `arrays()` decide
    the result beside the task's weights as they are now. Without a `folder` nothing is kept; `every` are the seconds between two files.
    """

    def __init__(
        self,
        folder: Path | None,
        every: float,
        state: Mapping[str, Any],
        facts: Sequence[Any],
        device: str,
        arrays: Callable[[], Iterable[np.ndarray]],
    ) -> None:
        self._every, self._last = every, time.monotonic()
        self._state = state
        self._path: Path | None = None
        if folder is None:
            return
        import torch

        place, processes = distributed.world()
        digest = hashlib.sha256(json.dumps([*facts, __version__, torch.__version__, device, processes]).encode())
        for name, value in sorted(state["task"].state_dict().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).data)
        for array in arrays():
            digest.update(np.ascontiguousarray(array).data)
        self._path = folder / f"{digest.hexdigest()[:32]}.checkpoint"
        self._writes = place == 0

    def load(self, device: torch.device) -> dict[str, list[float]] | None:
        """Bring the run to where its last checkpoint was, and return its curve so far; None where there is none."""
        if self._path is None or not self._path.exists():
            return None
        import torch

        try:
            kept = torch.load(self._path, map_location=device, weights_only=True)
        except Exception as error:  # zip, pickle and file errors, of several kinds
            raise damaged(self._path) from error
        for name, holder in self._state.items():
            holder.load_state_dict(kept[name])
        return kept["curve"]

    def save(self, curve: Mapping[str, list[float]]) -> None:
        """Write the state with the curve so far, if it is time to."""
        if self._path is None or not self._writes or time.monotonic() - self._last < self._every:
            return
        import torch

        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        with open(temporary, "wb") as file:
            torch.save({name: holder.state_dict() for name, holder in self._state.items()} | {"curve": dict(curve)}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)
        self._last = time.monotonic()
