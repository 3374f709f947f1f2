"""The loss ranker of somebody else's model: it learns from vectors of that model's hidden layers on which rows the model loses most.

The rows, the task and the model may be any (segmentation, detection, regression): Yoo and Kweon 2019, Kim et al. 2021 (TA-VAAL, 4.4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from altool import seeds
from altool.classifiers.torchvision import OPTIONS as NETWORKS
from altool.engines import device as devices
from altool.errors import InputError, UsageError
from altool.models import ranker, training
from altool.models import weights as kept
from altool.models.checkpoints import Checkpoint
from altool.models.shape import Classifier, Outputs
from altool.models.tensors import take
from altool.options import Option

BLOCK = 1024  # rows per matrix product: always the same, so that a row's numbers do not depend on how many share its batch
IMAGE_SIZE = next(option for option in NETWORKS if option.name == "image_size")
USED = ("epochs", "minibatch", "rate", "weight_decay", "schedule", "ranker")  # of the options of training


@dataclass(frozen=True)
class LossRanker:
    """A ranker (altool/models/ranker.py) of (features - `mean`) / `scale`, of which the parts of these `widths` are a layer each.

    `ranking` are the ranker's tensors. `curve` is how training went, empty once loaded; its `accuracy` is the share of pairs in the right
    order.
    """

    mean: np.ndarray
    scale: np.ndarray
    widths: tuple[int, ...]
    ranking: Mapping[str, np.ndarray]
    curve: Mapping[str, list[float]] = field(default_factory=dict)
    head: None = None
    has_dropout: bool = False
    has_ranker: bool = True

    @property
    def width(self) -> int:
        """The features' width D."""
        return len(self.mean)

    def on(self, device: str) -> LossRanker:
        """The model itself: its products are small, and done where its features are."""
        return self

    def outputs(self, rows: np.ndarray, samples: int = 0, seed: int = 0) -> Outputs:
        """The predicted losses of features `rows` float (n, D), of which only the order means something; what its last layer sees of them,
        as vectors; and probabilities of no class. Bit for bit the same for a row in whatever company it comes."""
        vectors = np.empty((len(rows), ranker.WIDTH * len(self.widths)), np.float32)
        predicted = np.empty(len(rows), np.float32)
        block = np.zeros((BLOCK, self.width), np.float32)
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            block[: len(part)] = part
            hidden = np.split((block - self.mean) / self.scale, np.cumsum(self.widths)[:-1], axis=1)
            seen = ranker.activations(self.ranking, hidden)
            vectors[start : start + BLOCK] = seen[: len(part)]
            predicted[start : start + BLOCK] = ranker.of_activations(self.ranking, seen)[: len(part)]
        return Outputs(vectors, np.empty((len(rows), 0), np.float32), predicted)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """See `outputs`."""
        return self.outputs(rows).vectors

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The vectors, and the probabilities."""
        found = self.outputs(rows)
        return found.vectors, found.probabilities

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """float32 (n, 0)"""
        return np.empty((len(rows), 0), np.float32)

    def tensors(self) -> dict[str, np.ndarray]:
        """What `from_tensors` needs to make the model again."""
        own = {"mean": self.mean, "scale": self.scale, "widths": np.array(self.widths, np.int64)}
        return {**own, **{f"ranker.{name}": value for name, value in self.ranking.items()}}


def from_tensors(tensors: Mapping[str, np.ndarray], count: int = 0) -> LossRanker:
    """The model that `tensors()` came from. Raises ValueError where they do not fit together, or there are classes."""
    if count:
        raise ValueError("a loss ranker has no classes")
    mean = take(tensors, "mean", "f", (None,))
    scale = take(tensors, "scale", "f", (len(mean),))
    widths = take(tensors, "widths", "i", (None,), 1, len(mean)).tolist()
    ranking = kept.unprefixed(tensors, "ranker.")
    if (scale <= 0).any() or sum(widths) != len(mean) or not ranker.fits(ranking, widths):
        raise ValueError("the sizes of its tensors do not fit together, or tensor 'scale' is not above 0")
    return LossRanker(mean, scale, tuple(widths), ranking)


def fit(
    features: np.ndarray,
    losses: np.ndarray,
    count: int = 0,
    work: training.Work | None = None,
    start: tuple[Any, np.ndarray] | None = None,
    *,
    balance: str = "none",
    seed: int = 0,
    **given: Any,
) -> tuple[LossRanker, bool]:
    """Fit on `features` float (n, D) and the `losses` float64 (n,) of their rows, higher for worse; returns the model and True.

    Each column is standardised; `layers` are the widths of the parts of the features that go through a layer of their own (None: one part).
    It learns from pairs of a minibatch by the loss `ranker` (ranking or loss), with Adam. `start`, a LossRanker, is what training starts
    from; its mean and scale stay. Works in one thread on the processor: a seed gives the same weights anywhere. `image_size` is of the
    pictures that VAAL learns from beside it, `count` and `balance` are those of classifiers: they decide nothing here. Raises InputError
    for fewer than two rows, and UsageError for widths that are not the features', a `start` of other widths, and where it diverges.
    """
    import torch

    options = CLASSIFIER.complete(given)
    settings = replace(training.Settings(), **{name: options[name] for name in USED})
    widths = _parts(options["layers"], features.shape[1])
    work = work or training.Work()
    device = devices.choose(work.device)
    if len(features) < 2:
        raise InputError("1 row with a loss is too few to learn an order from", "give more losses, or fewer --folds")
    with training.threads(1), training.quiet_random(device):
        training.seed_torch(seeds.integer(seed, "train", "weights"), device)
        net = ranker.build(widths)
        if start is None:
            mean, spread = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
            mean, scale = mean.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32)
        else:
            if not isinstance(start[0], LossRanker) or list(start[0].widths) != widths:
                text = "the model to start from is no loss ranker of these features and layers"
                raise UsageError(text, "give the same features and layers, or start from none")
            mean, scale = start[0].mean, start[0].scale
            net.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in start[0].ranking.items()})
        net.to(device)
        with np.errstate(over="ignore", invalid="ignore"):  # then the loss is not finite
            rows = torch.from_numpy((features.astype(np.float32) - mean) / scale).to(device)
        curve = _train(net, rows.split(widths, dim=1), losses, settings, seed, work, device)
    return LossRanker(mean, scale, tuple(widths), kept.arrays(net, ""), training.rounded(curve)), True


def _train(
    net: Any, hidden: Sequence[Any], losses: np.ndarray, settings: training.Settings, seed: int, work: training.Work, device: Any
) -> dict[str, list[float]]:
    """Train the ranker in place on the parts (n, width) of its rows, and return the curve: per epoch the mean loss, the share of the pairs
    in the right order, and the rate."""
    import torch

    real = torch.tensor(losses, device=device)
    optimizer = torch.optim.Adam(net.parameters(), settings.rate, weight_decay=settings.weight_decay)
    curve: dict[str, list[float]] = {"loss": [], "accuracy": [], "rate": []}
    checkpoint = Checkpoint(
        work.checkpoints,
        work.every,
        {"task": net, "optimizer": optimizer},
        ["loss-ranker", asdict(settings), seed],
        work.device,
        lambda: [*(part.cpu().numpy() for part in hidden), losses],
    )
    curve = checkpoint.load(device) or curve
    steps = -(-len(losses) // settings.minibatch)
    with work.progress("training loss-ranker", settings.epochs) as advance:
        advance(len(curve["loss"]))
        while (epoch := len(curve["loss"])) < settings.epochs:
            rate = training.learning_rate(settings, [1 - share for share in curve["accuracy"]])
            for group in optimizer.param_groups:
                group["lr"] = rate
            order = seeds.generator(seed, "train", "epoch", epoch).permutation(len(losses))
            total, right, pairs = 0.0, 0, 0
            for part in np.array_split(order, min(steps, len(losses) // 2)):
                places = torch.from_numpy(part).to(device)
                optimizer.zero_grad(set_to_none=True)
                predicted = ranker.forward(net, [values[places] for values in hidden])
                loss = ranker.LOSSES[settings.ranker](predicted, real[places])
                loss.backward()
                optimizer.step()
                difference, first = ranker.pairs(predicted.detach(), real[places])
                total += float(loss.detach()) * len(first)
                right += int(((difference > 0) == first).sum())
                pairs += len(first)
            if not math.isfinite(total):
                raise UsageError(
                    f"rate {settings.rate:g}: the loss is not finite after epoch {epoch + 1}", "give a lower rate, or no extreme numbers"
                )
            for name, value in {"loss": total / pairs, "accuracy": right / pairs, "rate": rate}.items():
                curve[name].append(value)
            advance(1)
            checkpoint.save(curve)
    return curve


def _parts(layers: Any, width: int) -> list[int]:
    """The widths of the parts of features (n, width). Raises UsageError where they are not as wide together."""
    widths = [width] if layers is None else [int(part) for part in str(layers).split(",")]
    if sum(widths) != width:
        raise UsageError(f"layers of {sum(widths):,} numbers together, and features of {width:,}", "give the widths of all parts")
    return widths


def _layers(text: Any) -> Any:
    """The option, as it is given. Raises ValueError."""
    parts = str(text).split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ValueError("widths of layers, as 64,128")
    return text


CLASSIFIER = Classifier(
    name="loss-ranker",
    summary="The order of an outside model's losses, from its hidden layers.",
    reads="features",
    options=(
        *(
            replace(option, choices=("ranking", "loss")) if option.name == "ranker" else option
            for option in training.options(rate=0.003, minibatch=64, weight_decay=0.01, schedule="constant", ranker="ranking")
            if option.name in USED
        ),
        replace(IMAGE_SIZE, default=32, shown=""),
        Option("layers", str, None, "Widths of the layers that the features hold.", shown="one", convert=_layers, metavar="N,N"),
    ),
    fit=fit,
    from_tensors=from_tensors,
    head=False,
    deep=True,
    extra="torch",
    learns="losses",
)
