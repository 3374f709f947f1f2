"""What every classifier, and every model that one fits, looks like from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from altool.models.chosen import Chosen
from altool.models.softmax import Softmax
from altool.options import Option, Say
from altool.payloads.pictures import Recipe
from altool.shared import BALANCE

BALANCES = BALANCE.choices  # what `fit` takes as `balance`


class Model(Protocol):
    """A fitted classifier of rows (features, texts or pictures): it makes vectors of them, and probabilities of these (of no class, where
    it learned losses).

    `predict` gives both in one go. `head` is the softmax on the vectors, where the probabilities are one.
    """

    @property
    def width(self) -> int: ...  # the features' that it reads, or the vectors'
    @property
    def head(self) -> Softmax | None: ...
    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def vectors(self, rows: np.ndarray) -> np.ndarray: ...
    def probabilities(self, rows: np.ndarray) -> np.ndarray: ...
    def tensors(self) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class Outputs:
    """What a model predicts for n rows: `vectors` float32 (n, D) that its softmax sees, `probabilities` float32 (n, K), and, where it has
    them, `predicted_loss` float32 (n,) of its loss ranker and `mutual_information` float32 (n,) of its dropout samples."""

    vectors: np.ndarray
    probabilities: np.ndarray
    predicted_loss: np.ndarray | None = None
    mutual_information: np.ndarray | None = None


@runtime_checkable
class Deep(Model, Protocol):
    """A model of several layers, which predicts more than probabilities. `curve` is how training went."""

    curve: Mapping[str, list[float]]

    @property
    def has_dropout(self) -> bool: ...
    @property
    def has_ranker(self) -> bool: ...
    def on(self, device: str) -> Deep: ...
    def outputs(self, rows: np.ndarray, samples: int = 0, seed: int = 0) -> Outputs: ...


@runtime_checkable
class ImageModel(Deep, Protocol):
    """A deep model of pictures, which `recipe` makes of images; it works on `minibatch` of them at a time, in `threads` threads."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def minibatch(self) -> int: ...
    @property
    def threads(self) -> int: ...
    def on(self, device: str) -> ImageModel: ...


def chosen(model: Model) -> Chosen | None:
    """What the model's fit chose, if it chose something. Its options are for the out-of-fold fits too, which then need not choose."""
    found: Chosen | None = getattr(model, "chosen", None)
    return found


def as_given(options: dict[str, Any], say: Say) -> dict[str, Any]:
    """Options of which none depends on another."""
    return options


@dataclass(frozen=True)
class Classifier:
    """What `--classifier NAME` is. `summary` is a line for lists.

    Its rows come from the column `reads`: features float (n, D), text (n,) of str, or image, uint8 (n, E, E, 3), which
    the recipe `picture(options, margin)` makes of images: for `fit`, with a margin where it crops at random, or as the model reads them.

    `fit(rows, labels, count, *, balance, seed, **options)` takes class numbers int64 (n,) of `count` classes, one of `BALANCES` and the
    options by name, and returns the model and whether the fit converged. Where `deep`, the models are `Deep`, and `fit` takes behind
    `count` also `work`, the surroundings (`training.Work`), and `start`, a model to start from with the number that each of its classes
    has now (int64, -1: none). `from_tensors(tensors, count)` makes a model of what its `tensors()` gave, and raises ValueError where
    they do not fit together. `head`: its models have a linear head.

    Where it `learns` losses in place of labels, `fit` takes float64 (n,) of an outside model's losses for the class numbers, and a count
    of 0; its models predict losses, and probabilities (n, 0).

    `extra`: the one of the installation that `fit` needs, and, where `deep`, its models too (altool/extras.py).

    `options` are declared with the names of `fit`'s keywords. One with a `panel` belongs to several classifiers, and is called the same on
    the command line; any other is called --NAME-OPTION there. In a plan each is NAME_OPTION. `settle(options, say)` gets all of them,
    fills in those that follow from others, and raises UsageError where two contradict each other; `say` is what a message calls one.
    """

    name: str
    summary: str
    reads: str
    options: tuple[Option, ...]
    fit: Callable[..., tuple[Model, bool]]
    from_tensors: Callable[[Mapping[str, np.ndarray], int], Model]
    head: bool
    deep: bool = False
    settle: Callable[[dict[str, Any], Say], dict[str, Any]] = as_given
    picture: Callable[[Mapping[str, Any], bool], Recipe] | None = None
    extra: str = ""
    learns: str = "labels"

    @property
    def defaults(self) -> dict[str, Any]:
        """What its options are where nothing is given."""
        return {option.name: option.default for option in self.options}

    def paths(self, options: Mapping[str, Any]) -> dict[str, str]:
        """Those of the `options` whose value is the path of a file, and no word that stands for none."""
        found = {option.name: options.get(option.name) for option in self.options if option.file and option.name in options}
        words = {option.name: option.words for option in self.options}
        return {name: value for name, value in found.items() if value is not None and value not in words[name]}

    def complete(self, given: Mapping[str, Any], say: Say = str, recipe: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """All its options: those `given`, else those of the `recipe` that it has, else the defaults. Raises UsageError as `settle`."""
        defaults = self.defaults
        return self.settle({**defaults, **{name: value for name, value in recipe.items() if name in defaults}, **given}, say)
