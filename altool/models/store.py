"""The model directory: `model.json` and weights whose loading runs no code."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from altool.errors import InputError
from altool.models.logistic import Logistic

FORMAT = 1
CLASSIFIERS = ("fasttext", "linear-svm", "logistic", "mlp", "svm")


class Model(Protocol):
    """A fitted classifier of rows (a matrix of features, or an array of texts): it makes vectors of them, and probabilities of these.

    `predict` gives both in one go. `head` is the softmax on the vectors, where the probabilities are one.
    """

    @property
    def width(self) -> int: ...  # the features' that it reads, or the vectors'
    @property
    def head(self) -> Logistic | None: ...
    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def vectors(self, rows: np.ndarray) -> np.ndarray: ...
    def probabilities(self, rows: np.ndarray) -> np.ndarray: ...
    def tensors(self) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class Outputs:
    """What a model says of n rows: `vectors` float32 (n, D) that its softmax sees, `probabilities` float32 (n, K), and, where it has them,
    `predicted_loss` float32 (n,) of its loss ranker and `mutual_information` float32 (n,) of its dropout samples."""

    vectors: np.ndarray
    probabilities: np.ndarray
    predicted_loss: np.ndarray | None = None
    mutual_information: np.ndarray | None = None


@runtime_checkable
class Deep(Model, Protocol):
    """A model of several layers, with what they have to say beside the probabilities. `curve` is how training went."""

    curve: Mapping[str, list[float]]

    @property
    def has_dropout(self) -> bool: ...
    @property
    def has_ranker(self) -> bool: ...
    def on(self, device: str) -> Deep: ...
    def outputs(self, rows: np.ndarray, samples: int = 0, seed: int = 0) -> Outputs: ...


class Classifier(Protocol):
    """What the module of a classifier holds; `altool/models/NAME.py` is `--classifier NAME`, with - for _; `network.py` any network.

    `fit` takes rows, class numbers, the number of classes, `balance`, `seed` and the classifier's own options by keyword, and returns the
    model and whether the fit converged. A module with `OPTIONS` makes deep models: they are its options and their defaults, `options`
    gives them all where some are given, and `fit` takes, behind the number of classes, the work's surroundings (`training.Work`) and
    what to start from. The others' options are the keywords of `fit`.
    """

    READS: str  # the column that its rows are: features, text or image
    FILES: tuple[str, ...]  # its options that name files
    HEAD: bool  # do its models have a linear head?

    def fit(self, rows: np.ndarray, labels: np.ndarray, count: int, **options: Any) -> tuple[Model, bool]: ...
    def from_tensors(self, tensors: Mapping[str, np.ndarray], count: int) -> Model: ...


def classifier(name: str) -> Classifier:
    """The classifier of this name: one of `CLASSIFIERS`, or a torchvision network."""
    if name in CLASSIFIERS:
        return cast(Classifier, importlib.import_module(f"altool.models.{name.replace('-', '_')}"))
    from altool.models.network import Architecture

    return cast(Classifier, Architecture(name))


def known(name: str) -> bool:
    """Is there a classifier of this name?"""
    if name in CLASSIFIERS:
        return True
    from altool.backbones import networks

    return networks.known(name)


def options(module: Classifier) -> dict[str, Any]:
    """A classifier's own options and their defaults."""
    if hasattr(module, "OPTIONS"):
        return dict(module.OPTIONS)
    keywords = inspect.signature(module.fit).parameters.values()
    own = {keyword.name: keyword.default for keyword in keywords if keyword.kind is keyword.KEYWORD_ONLY}
    return {name: default for name, default in own.items() if name not in ("balance", "seed")}


def prefix(name: str) -> str:
    """What the names of a classifier's own options begin with: `linear_svm_` of linear-svm."""
    return f"{name}_".replace("-", "_")


@dataclass(frozen=True)
class Stored:
    """A model as it was loaded, the column that it reads, what `model.json` says of it, and the tensors of its VAAL, if it has one."""

    model: Model
    reads: str
    classes: tuple[str, ...]
    facts: dict[str, Any]
    vaal: dict[str, np.ndarray] | None = None


def save(
    folder: Path,
    name: str,
    model: Model,
    classes: Sequence[str],
    facts: Mapping[str, Any],
    vaal: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write the files of a model of the classifier `name` into `folder`, which is made. `facts` (JSON) says how it came about; `vaal` are
    the tensors of a VAAL that was fitted beside it."""
    from safetensors.numpy import save_file

    folder.mkdir()
    if vaal is not None:
        save_file({key: np.asarray(value, order="C") for key, value in vaal.items()}, folder / "vaal.safetensors")
    save_file({key: np.asarray(value, order="C") for key, value in model.tensors().items()}, folder / "weights.safetensors")
    content = {"format": FORMAT, "classifier": name, "classes": list(classes), "width": model.width, **facts}
    (folder / "model.json").write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")


def read_facts(location: str) -> dict[str, Any]:
    """What `model.json` says of a model. Raises InputError if it is missing, damaged or of a newer format."""
    label = f"model {location}"
    try:
        facts = json.loads((Path(location) / "model.json").read_text("utf-8"))
        format_, name, _ = facts["format"], facts["classifier"], tuple(facts["classes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"{label}: model.json cannot be read ({type(error).__name__}: {error})"
        raise InputError(text, "give a folder that altool train wrote") from error
    if format_ > FORMAT or not known(name):
        raise InputError(
            f"{label}: written by a newer altool (format {format_}, classifier {name!r}; this one reads format {FORMAT})",
            "upgrade altool, or train again",
        )
    return facts


def load(location: str) -> Stored:
    """Load a model directory. Raises InputError if it is missing, damaged or of a newer format."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    facts = read_facts(location)
    classes = tuple(facts["classes"])
    module = classifier(facts["classifier"])
    beside = Path(location) / "vaal.safetensors"
    try:
        model = module.from_tensors(load_file(Path(location) / "weights.safetensors"), len(classes))
        vaal = load_file(beside) if beside.exists() else None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"model {location}: its weights cannot be read ({error})", "train it again") from error
    return Stored(model, module.READS, classes, facts, vaal)
