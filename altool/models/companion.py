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
from altool.errors import InputError
from altool.models import training, vaal
from altool.models.checkpoints import damaged
from altool.models.network import BILINEAR
from altool.models.shape import Deep, Model
from altool.models.training import Work
from altool.payloads.pictures import Recipe
from altool.tables import write

KINDS = ("none", "vaal", "ta-vaal")
CHUNK = 4096  # rows of the pool that are ranked at a time


@dataclass(frozen=True)
class Pool:
    """The rows that VAAL learns from, in id order: `array` features (n, D), texts' vectors (n, D) or pictures uint8 (n, H, W, 3), of which
    those where `labeled` (bool (n,)) have a label. `fingerprint` is of their table, `made` is how `array` was made of it. `ranked` is what
    the classifier reads of the same rows, where that is another array."""

    array: np.ndarray
    labeled: np.ndarray
    fingerprint: str
    made: str = ""
    ranked: np.ndarray | None = None


def fit(pool: Pool, kind: str, model: Model, given: Mapping[str, Any], seed: int, work: Work) -> vaal.Vaal:
    """A VAAL of the pool, with the options `given` of `vaal.OPTIONS`; a ta-vaal learns from the losses too that the classifier's `model`
    predicts. Raises InputError as `vaal.fit`, and for a damaged checkpoint."""
    rank = None
    if kind == "ta-vaal" and isinstance(model, Deep):
        read = pool.array if pool.ranked is None else pool.ranked
        parts = [model.outputs(read[start : start + CHUNK]).predicted_loss for start in range(0, len(read), CHUNK)]
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


def labeler(
    tensors: Mapping[str, np.ndarray], *, ranked: bool, device: str, who: str
) -> Callable[[np.ndarray, np.ndarray | None], np.ndarray]:
    """What says how likely rows, with what the ranker says of them (if `ranked`), are labeled ones. Raises InputError where they
    are no VAAL's; `who` has them."""
    try:
        fitted = vaal.from_tensors(tensors, devices.choose(device))
    except (KeyError, ValueError) as error:
        raise InputError(f"{who}: its VAAL cannot be read ({error})", "train it again") from error

    def labeled(rows: np.ndarray, predicted: np.ndarray | None) -> np.ndarray:
        with training.single():  # row groups or minibatches are the threads' work
            return fitted.labeled_probability(training.Pool(rows).batch(np.arange(len(rows))), predicted if ranked else None)

    return labeled


def recipe(image_size: int) -> Recipe:
    """How an image becomes the picture that VAAL learns from beside a classifier that reads no images: the whole of it."""
    return Recipe(image_size, None, BILINEAR)


def image_size(tensors: Mapping[str, np.ndarray] | None) -> int | None:
    """The size of the pictures that a VAAL of these tensors learned from; None where they were no pictures."""
    sizes = (tensors or {}).get("sizes", np.empty(0, np.int64))
    return int(sizes[-1]) if sizes.shape == (6,) else None
