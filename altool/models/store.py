"""The model directory: `model.json` and weights whose loading runs no code."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from altool.errors import InputError

FORMAT = 1
CLASSIFIERS = ("logistic",)


class Model(Protocol):
    """A fitted classifier on features."""

    @property
    def width(self) -> int: ...
    def probabilities(self, features: np.ndarray) -> np.ndarray: ...
    def tensors(self) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class Stored:
    """A model as it was loaded, with what `model.json` says of it."""

    model: Model
    classes: tuple[str, ...]
    facts: dict[str, Any]


def save(folder: Path, classifier: str, model: Model, classes: Sequence[str], facts: Mapping[str, Any]) -> None:
    """Write the model's files into `folder`, which is made. `facts` (JSON) says how it came about."""
    from safetensors.numpy import save_file

    folder.mkdir()
    save_file({name: np.ascontiguousarray(value) for name, value in model.tensors().items()}, folder / "weights.safetensors")
    content = {"format": FORMAT, "classifier": classifier, "classes": list(classes), "width": model.width, **facts}
    (folder / "model.json").write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")


def load(location: str) -> Stored:
    """Load a model directory. Raises InputError if it is missing, damaged or of a newer format."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(location)
    name = f"model {location}"
    try:
        facts = json.loads((folder / "model.json").read_text("utf-8"))
        format_, classifier, classes = facts["format"], facts["classifier"], tuple(facts["classes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"{name}: model.json cannot be read ({type(error).__name__}: {error})"
        raise InputError(text, "give a folder that altool train wrote") from error
    if format_ > FORMAT or classifier not in CLASSIFIERS:
        raise InputError(
            f"{name}: written by a newer altool (format {format_}, classifier {classifier!r}; this one reads format {FORMAT})",
            "upgrade altool, or train again",
        )
    try:
        tensors = load_file(folder / "weights.safetensors")
        model = importlib.import_module(f"altool.models.{classifier}").from_tensors(tensors, len(classes))
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{name}: its weights cannot be read ({error})", "train it again") from error
    return Stored(model, classes, facts)
