"""A multilayer perceptron on features: trained by torch, kept as arrays, predicted without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from altool import seeds
from altool.engines import device as devices
from altool.errors import UsageError
from altool.models import ranker, softmax, training
from altool.models import weights as kept
from altool.models.shape import Classifier, Outputs
from altool.models.softmax import Softmax
from altool.models.tensors import take
from altool.options import Option

BLOCK = 1024  # rows per matrix product: always the same, so that a row's numbers do not depend on how many share its batch


@dataclass(frozen=True)
class Mlp:
    """Hidden layers with ReLUs on (features - `mean`) / `scale`, and a softmax on the last of them.

    `layers` are the weights float32 (H, D) and biases float32 (H,); `dropout` is the share of hidden values that training drops, and
    `score --mc-dropout`; `ranker` holds the tensors of the loss ranker, if there is one. `curve` is how training went, empty once loaded.
    """

    mean: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    head: Softmax
    dropout: float = 0.0
    ranker: Mapping[str, np.ndarray] = field(default_factory=dict)
    curve: Mapping[str, list[float]] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """The features' width D."""
        return len(self.mean)

    @property
    def has_dropout(self) -> bool:
        return self.dropout > 0

    @property
    def has_ranker(self) -> bool:
        return bool(self.ranker)

    def on(self, device: str) -> Mlp:
        """The model itself: its products are small, and done where its features are."""
        return self

    def _blocks(self, features: np.ndarray, masks: Sequence[np.ndarray] | None = None) -> Iterator[tuple[slice, list[np.ndarray]]]:
        """Rows, and float32 (1024, H) of every hidden layer, of which as many count. `masks` (H,) multiply them, as dropout would."""
        block = np.zeros((BLOCK, self.width), np.float32)
        for start in range(0, len(features), BLOCK):
            rows = features[start : start + BLOCK]
            block[: len(rows)] = rows
            values, found = (block - self.mean) / self.scale, []
            for number, (weights, bias) in enumerate(self.layers):
                values = np.maximum(values @ weights.T + bias, 0)
                if masks is not None:
                    values = values * masks[number]
                found.append(values)
            yield slice(start, start + len(rows)), found

    def vectors(self, rows: np.ndarray, masks: Sequence[np.ndarray] | None = None) -> np.ndarray:
        """float32 (n, H) for features `rows` float (n, D): what the softmax sees, the last hidden layer. Bit for bit the same for a row in
        whatever company it comes."""
        result = np.empty((len(rows), self.head.width), np.float32)
        for part, found in self._blocks(rows, masks):
            result[part] = found[-1][: part.stop - part.start]
        return result

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The vectors, and the probabilities."""
        found = self.outputs(rows)
        return found.vectors, found.probabilities

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """float32 (n, classes) for features `rows` float (n, D)."""
        return self.head.probabilities(self.vectors(rows))

    def outputs(self, rows: np.ndarray, samples: int = 0, seed: int = 0) -> Outputs:
        """What it predicts for features `rows` float (n, D); of the predicted losses only the order means something.

        With `samples` the probabilities are the mean over as many perceptrons, each with dropout drawn once (with the seed) and the same
        for all rows, and the mutual information is the entropy of that mean less the mean of the entropies (BALD).
        """
        vectors = np.empty((len(rows), self.head.width), np.float32)
        predicted = np.empty(len(rows), np.float32) if self.ranker else None
        for part, hidden in self._blocks(rows):
            size = part.stop - part.start
            vectors[part] = hidden[-1][:size]
            if predicted is not None:
                predicted[part] = ranker.predict(self.ranker, hidden)[:size]
        if not samples:
            return Outputs(vectors, self.head.probabilities(vectors), predicted)
        mean, entropies = np.zeros((len(rows), self.head.count)), np.zeros(len(rows))
        for number in range(samples):
            draw = seeds.generator(seed, "score", "dropout", number)
            masks = [
                ((draw.random(len(bias), np.float32) >= self.dropout) / (1 - self.dropout)).astype(np.float32) for _, bias in self.layers
            ]
            each = self.head.probabilities(self.vectors(rows, masks)).astype(np.float64)
            mean += each / samples
            entropies += _entropy(each) / samples
        return Outputs(vectors, mean.astype(np.float32), predicted, np.maximum(_entropy(mean) - entropies, 0).astype(np.float32))

    def tensors(self) -> dict[str, np.ndarray]:
        """What `from_tensors` needs to make the model again. The head's are `weights`, `bias` and `trained`, as a linear model's."""
        own = {"mean": self.mean, "scale": self.scale, "dropout": np.array(self.dropout)}
        for number, (weights, bias) in enumerate(self.layers):
            own |= {f"layers.{number}.weight": weights, f"layers.{number}.bias": bias}
        return {**own, **{f"ranker.{name}": value for name, value in self.ranker.items()}, **self.head.tensors()}


def from_tensors(tensors: Mapping[str, np.ndarray], count: int) -> Mlp:
    """The model that `tensors()` came from, for `count` classes. Raises ValueError where they do not fit together."""
    head = softmax.from_tensors(tensors, count)
    mean, scale, dropout = take(tensors, "mean", "f", (None,)), take(tensors, "scale", "f", ()), take(tensors, "dropout", "f", (), 0, 1)
    if scale <= 0 or dropout == 1:
        raise ValueError("tensor 'scale' is not above 0, or 'dropout' not below 1")
    layers, widths = [], [len(mean)]
    for number in range(max(1, -(-len(kept.unprefixed(tensors, "layers.")) // 2))):
        weights = take(tensors, f"layers.{number}.weight", "f", (None, widths[-1]))
        layers.append((weights, take(tensors, f"layers.{number}.bias", "f", (len(weights),))))
        widths.append(len(weights))
    rank = kept.unprefixed(tensors, "ranker.")
    if head.width != widths[-1] or (rank and not ranker.fits(rank, widths[1:])):
        raise ValueError("the sizes of its tensors do not fit together")
    return Mlp(mean, scale, tuple(layers), head, float(dropout), rank)


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    count: int,
    work: training.Work | None = None,
    start: tuple[Any, np.ndarray] | None = None,
    *,
    balance: str = "none",
    seed: int = 0,
    **given: Any,
) -> tuple[Mlp, bool]:
    """Fit on `features` float (n, D) and class numbers `labels` int64 (n,) of `count` classes; returns the model and True.

    The features are centred and divided by one number, as in `logistic.fit`; one hidden layer for each width in `hidden`, dropout
    behind each. `balance`: "class-weight" weighs rows by 1 / their class's frequency; "prior" takes the logarithm of each class's share
    off its logit. `start`, an Mlp and the class number that each of its classes has now (-1: none), is what training starts from; its
    mean and scale stay. It works in one thread on the processor, where more would only cost: a seed gives the same weights anywhere.
    The other options are those of `training.Settings`. Raises UsageError for a `start` of other widths, and as `training.settle`.
    """
    import torch
    from torch import nn

    options = CLASSIFIER.complete(given)
    settings = training.settings_of(options)
    widths = _widths(options["hidden"])
    work = work or training.Work()
    device = devices.choose(work.device)
    trained, codes = np.unique(labels, return_inverse=True)
    with training.threads(1), training.quiet_random(device):
        training.seed_torch(seeds.integer(seed, "train", "weights"), device)
        if start is None:
            mean = features.mean(axis=0, dtype=np.float64)
            scale = np.sqrt(np.mean((features - mean) ** 2, dtype=np.float64)) or 1.0
            mean, scale = mean.astype(np.float32), np.array(scale, np.float32)
        else:
            mean, scale = start[0].mean, start[0].scale
        body = nn.Sequential()
        taps = []
        for number, (narrow, wide) in enumerate(zip([features.shape[1], *widths], widths, strict=False)):
            body.add_module(f"linear{number}", nn.Linear(narrow, wide))
            body.add_module(f"relu{number}", nn.ReLU())
            taps.append(f"relu{number}")
            if number < len(widths) - 1:
                body.add_module(f"dropout{number}", nn.Dropout(settings.dropout))
        head = nn.Linear(widths[-1], len(trained))
        rank = ranker.build(widths) if settings.ranker != "none" else None
        if start is not None:
            _copy(body, rank, start[0], widths, features.shape[1])
            kept.started(head, *start, trained)
        task = training.task_class()(body, head, settings.dropout, taps, rank)
        values = torch.from_numpy((features.astype(np.float32) - mean) / scale).to(device)
        weights = training.class_weights(codes) if balance == "class-weight" else None
        rows = training.Matrix(values)
        curve = training.train(task, rows, codes, settings, weights=weights, seed=seed, work=work, text="training mlp")
    found = kept.arrays(body, "")
    layers = tuple((found[f"linear{number}.weight"], found[f"linear{number}.bias"]) for number in range(len(widths)))
    top = kept.head_of(trained, head, codes, balance, count)
    return Mlp(mean, scale, layers, top, settings.dropout, kept.arrays(rank, ""), training.rounded(curve)), True


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(probabilities > 0, probabilities * np.log(probabilities), 0).sum(axis=1)


def _widths(text: Any) -> list[int]:
    """The widths of hidden layers that an option gives. Raises ValueError."""
    try:
        widths = [int(part) for part in str(text).split(",")]
    except ValueError:
        widths = []
    if not widths or min(widths) < 1:
        raise ValueError("widths of hidden layers, as 128,128")
    return widths


def _hidden(text: Any) -> Any:
    """The option, as it is given. Raises ValueError."""
    _widths(text)
    return text


def _copy(body: Any, rank: Any, start: Any, widths: list[int], width: int) -> None:
    """Start from the hidden layers, and the ranker, of another model."""
    import torch

    if not isinstance(start, Mlp) or start.width != width or [len(bias) for _, bias in start.layers] != widths:
        raise UsageError(
            "the model to start from is no mlp of these features and hidden layers", "give the same hidden layers, or start from none"
        )
    with torch.no_grad():
        for number, (weights, bias) in enumerate(start.layers):
            layer = body.get_submodule(f"linear{number}")
            layer.weight.copy_(torch.from_numpy(weights))
            layer.bias.copy_(torch.from_numpy(bias))
        if rank is not None and start.ranker:
            rank.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in start.ranker.items()})


CLASSIFIER = Classifier(
    name="mlp",
    summary="A multilayer perceptron on features.",
    reads="features",
    options=(
        *training.options(optimizer="adam", rate=0.003, minibatch=64, weight_decay=1e-4),
        Option("hidden", str, "128,128", "Widths of the hidden layers.", convert=_hidden, metavar="N,N"),
    ),
    fit=fit,
    from_tensors=from_tensors,
    head=True,
    deep=True,
    extra="torch",
    settle=training.settle,
)
