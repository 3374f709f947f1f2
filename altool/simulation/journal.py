"""What a run has behind it, in files beside its folder, so that a killed simulation goes on from its last finished round."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from altool import __version__
from altool.metrics.evaluation import Estimates, Evaluation
from altool.models.checkpoints import damaged
from altool.models.shape import Classifier, Model
from altool.simulation.from_model import Kept
from altool.simulation.replay import Asked, Done, Round, Times
from altool.tables import shards, write

EVERY = 1.0  # seconds of rounds that are done again rather than written one by one


TYPES = {one.__name__: one for one in (Done, Round, Asked, Times, Kept, Evaluation, Estimates)}


class Journal:
    """The finished rounds of the run that is written at `target`, in a hidden folder beside it.

    The files are named by a digest of `facts` (JSON), which decide the outcome, and of the libraries' versions: another run's are never
    taken. Two processes that replay the same run write the same.
    """

    def __init__(self, target: Path, facts: Any) -> None:
        self._folder = target.parent / f".{target.name}.partial"
        self._name = hashlib.sha256(json.dumps([facts, __version__, *_versions()]).encode()).hexdigest()[:32]
        self._waiting: list[Done] = []
        self._last = time.monotonic()

    @property
    def checkpoints(self) -> Path:
        """Where the state of training that goes on may lie; the next finished round removes it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def read(self, *, models: bool) -> list[Done]:
        """The rounds that are behind the run, in order; with `models` up to one whose model is there, or that had none. Raises InputError
        for a damaged file."""
        found: dict[int, Done] = {}
        for path in sorted(self._folder.glob(f"rounds-{self._name}-*.checkpoint")):
            try:
                with np.load(path, allow_pickle=False) as stored:
                    rounds = unpacked(json.loads(str(stored["json"])), stored)
            except Exception as error:  # zip, JSON and file errors, of several kinds
                raise damaged(path) from error
            found |= {one.number: one for one in rounds}
        count = next(number for number in range(len(found) + 1) if number not in found)
        while models and count and found[count - 1].round is not None and not self._model(count - 1).exists():
            count -= 1
        return [found[number] for number in range(count)]

    def add(self, done: Done, model: Model | None) -> None:
        """A round is finished. `model`, of which the next round's begins, is kept instead of an earlier one."""
        from safetensors.numpy import save_file

        self._waiting.append(done)
        if time.monotonic() - self._last < EVERY:
            return
        kept = [self._path(self._waiting[0].number)]
        if model is not None:
            kept.append(self._model(done.number))
            with write.replacing(kept[-1]) as temporary:
                save_file({name: np.asarray(value, order="C") for name, value in model.tensors().items()}, temporary)
        arrays: list[np.ndarray] = []
        text = json.dumps(packed(self._waiting, arrays))
        with write.replacing(kept[0]) as temporary, open(temporary, "wb") as file:
            named: dict[str, Any] = {str(number): array for number, array in enumerate(arrays)}
            np.savez(file, json=np.array(text), **named)
        for path in self._folder.glob("*.checkpoint"):
            if path not in kept and not path.name.startswith("rounds-"):
                path.unlink(missing_ok=True)
        self._waiting, self._last = [], time.monotonic()

    def model(self, number: int, record: Classifier, classes: int) -> Model:
        """The model of that round."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self._model(number)
        try:
            return record.from_tensors(load_file(path), classes)
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise damaged(path) from error

    def close(self) -> None:
        """The process goes on to something else: a folder without anything to go on from goes."""
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def remove(self) -> None:
        """The run is written whole."""
        with contextlib.suppress(FileNotFoundError):
            shards.clear(self._folder)

    def _path(self, number: int) -> Path:
        return self._folder / f"rounds-{self._name}-{number:06d}.checkpoint"

    def _model(self, number: int) -> Path:
        return self._folder / f"model-{self._name}-{number:06d}.checkpoint"


@cache
def _versions() -> tuple[str, ...]:
    """Of the libraries that results come from."""
    found = []
    for name in ("numpy", "scipy", "scikit-learn", "torch"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return tuple(found)


def packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """JSON of a value of TYPES, numbers, texts, lists, tuples and dicts; an array is added to `arrays`, and its place is said."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if dataclasses.is_dataclass(value):
        name = type(value).__name__
        assert name in TYPES, name
        fields = {each.name: packed(getattr(value, each.name), arrays) for each in dataclasses.fields(value)}
        return {"type": name, "fields": fields}
    if isinstance(value, dict):
        return {"dict": {name: packed(part, arrays) for name, part in value.items()}}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [packed(part, arrays) for part in value]}
    return value.item() if isinstance(value, np.generic) else value


def unpacked(value: Any, arrays: Any) -> Any:
    """What `packed` made the JSON of; `arrays` gives an array by its number, a text."""
    if not isinstance(value, dict):
        return value
    (kind, content), *more = value.items()
    if kind == "array":
        return arrays[str(content)]
    if kind == "type":
        return TYPES[content](**{name: unpacked(part, arrays) for name, part in more[0][1].items()})
    if kind == "dict":
        return {name: unpacked(part, arrays) for name, part in content.items()}
    parts = [unpacked(part, arrays) for part in content]
    return tuple(parts) if kind == "tuple" else parts
