"""VAAL beside a classifier: fitted on the pool that its labeled rows are from, going on from a checkpoint of its own."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from altool import __version__
from altool.engines import device as devices
from altool.models import training, vaal
from altool.models.checkpoints import damaged
from altool.models.shape import Deep, Model
from altool.models.training import Work
from altool.tables import write

KINDS = ("none", "vaal", "ta-vaal")
CHUNK = 4096  # rows of the pool that are ranked at a time


@dataclass(frozen=True)
class Pool:
    """The rows that VAAL learns from, in id order: `array` features (n, D), texts' vectors (n, D) or pictures uint8 (n, H, W, 3), of which
    those where `labeled` (bool (n,)) have a label. `fingerprint` is of their table, `made` is how `array` was made of it."""

    array: np.ndarray
    labeled: np.ndarray
    fingerprint: str
    made: str = ""


def fit(pool: Pool, kind: str, model: Model, given: Mapping[str, Any], seed: int, work: Work) -> vaal.Vaal:
    """A VAAL of the pool, with the options `given` of `vaal.OPTIONS`; a ta-vaal learns from the losses too that the classifier's `model`
    predicts. Raises InputError as `vaal.fit`, and for a damaged checkpoint."""
    rank = None
    if kind == "ta-vaal" and isinstance(model, Deep):
        parts = [model.outputs(pool.array[start : start + CHUNK]).predicted_loss for start in range(0, len(pool.array), CHUNK)]
        rank = np.concatenate([part for part in parts if part is not None])
    digest = hashlib.sha256(json.dumps([pool.fingerprint, pool.made, given, seed, __version__]).encode())
    for array in (pool.labeled, rank):
        digest.update(b"" if array is None else np.ascontiguousarray(array).data)
    path = (work.checkpoints or Path()) / f"{digest.hexdigest()[:32]}.vaal.checkpoint"
    last = time.monotonic()

    def keep(epoch: int, state: Callable[[], dict[str, np.ndarray]]) -> None:
        nonlocal last
        if time.monotonic() - last >= work.every:
            with write.replacing(path) as temporary:
                save_file(state(), temporary)
            last = time.monotonic()

    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file

    try:
        resume = load_file(path) if path.exists() else None
    except SafetensorError as error:
        raise damaged(path) from error
    options = {**{option.name: option.default for option in vaal.OPTIONS}, **given}
    with training.threads(work.threads), work.progress(f"training {kind}", options["epochs"]) as advance:
        advance(int(resume["epochs"]) if resume else 0)
        return vaal.fit(
            training.Pool(pool.array),
            pool.labeled,
            rank,
            **options,
            seed=seed,
            device=devices.choose(work.device),
            progress=advance,
            checkpoint=keep,
            resume=resume,
        )
