"""The model directory: `model.json` and weights whose loading runs no code."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from altool.errors import InputError
from altool.models.logistic import Logistic

FORMAT = 1
CLASSIFIERS = ("fasttext", "linear-svm", "logistic", "svm")


class Model(Protocol):
    """A fitted classifier of rows (a matrix of features, or an array of texts): it makes vectors of them, and probabilities of these.

    `predict` gives both in one go. `head` is the softmax on the vectors, where the probabilities are one.
    """

    @property
    def width(self) -> int: ...  # the vectors'
    @property
    def head(self) -> Logistic | None: ...
    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def vectors(self, rows: np.ndarray) -> np.ndarray: ...
    def probabilities(self, rows: np.ndarray) -> np.ndarray: ...
    def tensors(self) -> dict[str, np.ndarray]: ...


class Classifier(Protocol):
    """What the module of a classifier holds; `altool/models/NAME.py` is `--classifier NAME`, with - for _.

    `fit` takes rows, class numbers, the number of classes, `balance`, `seed` and the classifier's own options (`--NAME-OPTION`) by
    keyword, and returns the model and whether the fit converged.
    """

    READS: str  # the column that its rows are: features or text
    FILES: tuple[str, ...]  # its options that name files
    HEAD: bool  # do its models have a linear head?

    def fit(self, rows: np.ndarray, labels: np.ndarray, count: int, **options: Any) -> tuple[Model, bool]: ...
    def from_tensors(self, tensors: Mapping[str, np.ndarray], count: int) -> Model: ...


def classifier(name: str) -> Classifier:
    """The classifier of this name, one of `CLASSIFIERS`."""
    return cast(Classifier, importlib.import_module(f"altool.models.{name.replace('-', '_')}"))


def prefix(name: str) -> str:
    """What the names of a classifier's own options begin with: `linear_svm_` of linear-svm."""
    return f"{name}_".replace("-", "_")


@dataclass(frozen=True)
class Stored:
    """A model as it was loaded, the column that it reads, and what `model.json` says of it."""

    model: Model
    reads: str
    classes: tuple[str, ...]
    facts: dict[str, Any]


def save(folder: Path, name: str, model: Model, classes: Sequence[str], facts: Mapping[str, Any]) -> None:
    """Write the files of a model of the classifier `name` into `folder`, which is made. `facts` (JSON) says how it came about."""
    from safetensors.numpy import save_file

    folder.mkdir()
    save_file({key: np.ascontiguousarray(value) for key, value in model.tensors().items()}, folder / "weights.safetensors")
    content = {"format": FORMAT, "classifier": name, "classes": list(classes), "width": model.width, **facts}
    (folder / "model.json").write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")


def load(location: str) -> Stored:
    """Load a model directory. Raises InputError if it is missing, damaged or of a newer format."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(location)
    label = f"model {location}"
    try:
        facts = json.loads((folder / "model.json").read_text("utf-8"))
        format_, name, classes = facts["format"], facts["classifier"], tuple(facts["classes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"{label}: model.json cannot be read ({type(error).__name__}: {error})"
        raise InputError(text, "give a folder that altool train wrote") from error
    if format_ > FORMAT or name not in CLASSIFIERS:
        raise InputError(
            f"{label}: written by a newer altool (format {format_}, classifier {name!r}; this one reads format {FORMAT})",
            "upgrade altool, or train again",
        )
    module = classifier(name)
    try:
        model = module.from_tensors(load_file(folder / "weights.safetensors"), len(classes))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{label}: its weights cannot be read ({error})", "train it again") from error
    return Stored(model, module.READS, classes, facts)
