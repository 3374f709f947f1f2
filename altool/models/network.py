"""A classification network that was trained on pictures: a body that makes vectors, and a softmax on them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from altool import seeds
from altool.backbones.images import MINIBATCH_GPU, UNSUITED, unsuited
from altool.backbones.sources import source_of
from altool.engines import device as devices
from altool.engines.local import allowed, ordered_map
from altool.errors import UsageError
from altool.models import ranker, training
from altool.models import weights as kept
from altool.models.pictures import middle, normalised, sent
from altool.models.shape import Outputs
from altool.models.softmax import Softmax
from altool.payloads.pictures import Recipe

if TYPE_CHECKING:
    from torch import Tensor

BILINEAR = 2  # PIL.Image.Resampling.BILINEAR
TAPS = 4  # layers that the ranker sees, as it sees the four stages of a residual network


@dataclass
class _Pass:
    """What hooks do while a network is run: keep the layers that the ranker sees, and drop what `sample` says."""

    seen: list[Any]
    sample: Any = None


_PASS: ContextVar[_Pass | None] = ContextVar("pass", default=None)  # of this thread: several share one network


@dataclass(frozen=True)
class Network:
    """A trained network `name` for pictures of `image_size` pixels, with a stem for small ones if `small`.

    `body` makes vectors of pictures less `mean` and divided by `std` (float32 (3,)); `head` is the softmax on them, `rank` the loss ranker
    of the outputs of the body's modules `taps`, or None. `dropout` is the share of a vector's numbers that training drops. `curve` is how
    training went, empty once loaded; `weights` is what it began with.
    """

    name: str
    image_size: int
    small: bool
    mean: np.ndarray
    std: np.ndarray
    body: Any
    head: Softmax
    dropout: float = 0.0
    rank: Any = None
    taps: tuple[str, ...] = ()
    device: Any = "cpu"
    curve: Mapping[str, list[float]] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """The vectors' width D."""
        return self.head.width

    @property
    def recipe(self) -> Recipe:
        """How images become the pictures that it reads."""
        return picture(self.name, self.image_size, self.small, whole=False)

    @property
    def minibatch(self) -> int:
        """Pictures that are worked on at a time; on the processor more of small ones."""
        if str(self.device) != "cpu":
            return MINIBATCH_GPU
        return min(64, max(16, 16 * 224**2 // self.image_size**2))

    @property
    def threads(self) -> int:
        """Minibatches that are worked on at once: a core each that `limited` leaves, and on a GPU one while another is sent."""
        return allowed() if str(self.device) == "cpu" else 2

    @property
    def has_dropout(self) -> bool:
        """Has it dropout, in its body or before its head?"""
        return self.dropout > 0 or bool(_dropouts(self.body))

    @property
    def has_ranker(self) -> bool:
        return self.rank is not None

    def on(self, device: str) -> Network:
        """The model on another device."""
        import torch

        chosen = devices.choose(device)
        body = self.body.to(chosen, memory_format=torch.channels_last).eval().requires_grad_(False)
        return replace(self, body=body, rank=None if self.rank is None else self.rank.to(chosen), device=chosen)

    def outputs(self, rows: np.ndarray, samples: int = 0, seed: int = 0) -> Outputs:
        """What it predicts for `rows` uint8 (n, E, E, 3), E at least its image size: their middle is looked at.

        With `samples` the probabilities are the mean over as many networks, each with dropout drawn once (with the seed) and the same for
        all rows, and the mutual information is the entropy of that mean less the mean of the entropies (BALD). Batch norms keep their
        statistics. The processor works at minibatches of one size, in one thread each: a row's numbers depend on nothing but the row.
        """
        size = self.minibatch
        starts = range(0, len(rows), size)
        found = list(
            ordered_map(lambda start: self._outputs(rows[start : start + size], samples, seed), starts, min(self.threads, len(starts)))
        )
        return Outputs(
            np.concatenate([part.vectors for part in found]),
            np.concatenate([part.probabilities for part in found]),
            np.concatenate([part.predicted_loss for part in found]) if self.has_ranker else None,
            np.concatenate([part.mutual_information for part in found]) if samples else None,
        )

    def _outputs(self, rows: np.ndarray, samples: int, seed: int) -> Outputs:
        """`outputs` of at most `minibatch` rows, in this thread."""
        import torch

        size = len(rows)
        if size < self.minibatch:  # always the same shape: kernels, and so the last bits, are chosen by it
            rows = np.concatenate([rows, np.zeros((self.minibatch - size, *rows.shape[1:]), np.uint8)])
        device = devices.choose(str(self.device))
        with training.single(), torch.inference_mode():
            given = normalised(sent(torch.from_numpy(np.ascontiguousarray(middle(rows, self.image_size))), device), self._mean, self._std)
            vectors, losses = self._run(given, _Pass([]))
            weights, bias = self._head
            if samples:
                logits = [self._sampled(given, vectors, _Sample(number, seed), weights, bias) for number in range(samples)]
                each = torch.stack([_wide(values).softmax(1) for values in logits])
                mean = each.mean(0)
                information = (_entropy(mean) - _entropy(each).mean(0)).clamp(min=0).float().cpu().numpy()[:size]
            else:
                mean, information = _wide(torch.addmm(bias, vectors, weights.T)).softmax(1), None
            probabilities = np.zeros((size, self.head.count), np.float32)
            probabilities[:, self.head.trained] = mean.float().cpu().numpy()[:size]
            predicted = None if losses is None else losses.float().cpu().numpy()[:size]
            return Outputs(vectors.cpu().numpy()[:size], probabilities, predicted, information)

    def _run(self, given: Tensor, run: _Pass) -> tuple[Tensor, Tensor | None]:
        import torch

        dtype = training.amp(given.device, "auto")
        token = _PASS.set(run)
        try:
            with torch.autocast(given.device.type, dtype, enabled=dtype is not None):
                vectors = self.body(given).flatten(1).float()
        finally:
            _PASS.reset(token)
        return vectors, None if self.rank is None else ranker.forward(self.rank, [values.float() for values in run.seen])

    def _sampled(self, given: Tensor, vectors: Tensor, sample: _Sample, weights: Tensor, bias: Tensor) -> Tensor:
        """The logits of one network out of those that dropout makes."""
        import torch

        if _dropouts(self.body):
            vectors, _ = self._run(given, _Pass([], sample))
        return torch.addmm(bias, sample.dropped(vectors, self.dropout, "head"), weights.T)

    @functools.cached_property
    def _head(self) -> tuple[Tensor, Tensor]:
        return tensor_on(self.head.weights, self.device), tensor_on(self.head.bias, self.device)

    @functools.cached_property
    def _mean(self) -> Tensor:
        return tensor_on(self.mean, self.device)

    @functools.cached_property
    def _std(self) -> Tensor:
        return tensor_on(self.std, self.device)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """float32 (n, D) for pictures: what the softmax sees."""
        return self.outputs(rows).vectors

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The vectors, and the probabilities."""
        found = self.outputs(rows)
        return found.vectors, found.probabilities

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """float32 (n, classes) for pictures."""
        return self.outputs(rows).probabilities

    def tensors(self) -> dict[str, np.ndarray]:
        """What `from_tensors` needs to make the model again. The head's are `weights`, `bias` and `trained`, as a linear model's."""
        settings = np.array([self.image_size, self.small], np.int64)
        own = {"mean": self.mean, "std": self.std, "settings": settings, "dropout": np.array(self.dropout)}
        return {**own, **kept.arrays(self.body, "body."), **kept.arrays(self.rank, "ranker."), **self.head.tensors()}


@dataclass(frozen=True)
class _Sample:
    """One draw of all dropouts: the same for every row, so that a row's numbers do not depend on its company."""

    number: int
    seed: int

    def dropped(self, values: Tensor, share: float, place: int | str) -> Tensor:
        """The values (n, ...), of which the drawn are 0 and the others larger in proportion."""
        if not share:
            return values
        kept = seeds.generator(self.seed, "score", "dropout", self.number, place).random(tuple(values.shape[1:]), np.float32) >= share
        return values * tensor_on((kept / (1 - share)).astype(np.float32), values.device).to(values.dtype)


def picture(name: str, image_size: int, small: bool, *, whole: bool) -> Recipe:
    """How an image becomes the picture that a network reads: the whole of it at `image_size` for a small stem, else resized and cut as
    its weights want it; `whole` leaves that margin for random crops."""
    if small:
        return Recipe(image_size, None, BILINEAR)
    source, own = source_of(name)
    recipe = source.preset(own, image_size).recipe
    return replace(recipe, crop=recipe.size, inner=recipe.crop) if whole and recipe.size != recipe.crop else recipe


def build_body(name: str, size: int, small: bool, seed: int, weights: str = "none") -> Any:
    """The network without its head, with random weights, or those that are given. Raises UsageError for a small stem that it cannot have,
    InputError for weights that cannot be had or do not fit."""
    import torch
    from torch import nn
    from torchvision.models import ResNet

    source, own = source_of(name)
    net: Any = source.build(own, size, seed, weights)[0]
    if small:
        if not isinstance(net, ResNet):
            raise UsageError(f"stem small: {name} has no such stem", "choose a residual network, as resnet18, or stem imagenet")
        with torch.random.fork_rng(devices=[]):  # as CIFAR's residual networks begin (He et al. 2016, 4.2), at torchvision's scale
            torch.default_generator.manual_seed(seed)
            net.conv1 = nn.Conv2d(3, net.conv1.out_channels, 3, padding=1, bias=False)
            nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        net.maxpool = nn.Identity()
    return net


def simplify(net: Any) -> None:
    """Take away the classifiers beside the network that two of them train with."""
    for name in ("aux1", "aux2", "AuxLogits"):
        if hasattr(net, name):
            setattr(net, name, None)
            net.aux_logits = False


def tapped(name: str, body: Any, size: int) -> tuple[tuple[str, ...], list[int], bool]:
    """The modules whose outputs the ranker sees; their widths and, behind them, the vectors'; whether channels come last.

    They are the last of its blocks (its children, and the children of those that are rows of layers) at each size of their output, of
    which the last four count: a residual network's stages. A vision transformer, which keeps one size, gives the ends of its quarters.
    """
    import torch
    from torch import nn

    source, own = source_of(name)
    last, blocks = source.layout(own, body)
    pools = ("AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d", "Dropout", "Identity", "Permute")
    seen: dict[Any, tuple[str, int]] = {}
    if blocks:
        watched = [blocks[(part + 1) * len(blocks) // TAPS - 1] for part in range(TAPS)]
    else:
        rows = {label for label, module in body.named_children() if isinstance(module, nn.Sequential | nn.ModuleList)}
        watched = [label for label, _ in body.named_modules() if label.count(".") <= (label.split(".")[0] in rows) and label]

    def look(label: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim > 2 and type(module).__name__ not in pools:
                size = label if blocks else tuple(output.shape[1:-1] if last else output.shape[2:])
                seen.pop(size, None)
                seen[size] = (label, training.pooled(output, last).shape[1])

        return hook

    handles = [body.get_submodule(label).register_forward_hook(look(label)) for label in watched]
    device = next(body.parameters()).device
    was = body.training
    with torch.inference_mode():
        try:
            width = body.eval()(torch.zeros(1, 3, size, size, device=device)).flatten(1).shape[1]
        except UNSUITED as error:
            raise unsuited(name, size, error) from error
    body.train(was)
    for handle in handles:
        handle.remove()
    found = list(seen.values())[-TAPS:]
    return tuple(label for label, _ in found), [*(wide for _, wide in found), width], last


def attach_hooks(model: Network, channels_last: bool) -> None:
    """Let a `_Pass` see the ranker's layers and draw dropout, whenever the network is run within one."""

    def see(module: Any, inputs: Any, output: Any) -> None:
        if (run := _PASS.get()) is not None:
            run.seen.append(training.pooled(output, channels_last))

    def drop(place: int) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> Any:
            run = _PASS.get()
            return output if run is None or run.sample is None else run.sample.dropped(inputs[0], module.p, place)

        return hook

    for label in model.taps if model.rank is not None else ():
        model.body.get_submodule(label).register_forward_hook(see)
    for place, module in enumerate(_dropouts(model.body)):
        module.register_forward_hook(drop(place))


def _dropouts(body: Any) -> list[Any]:
    from torch import nn

    kinds = (nn.Dropout, nn.Dropout2d)
    return [module for module in body.modules() if isinstance(module, kinds) and module.p > 0]


def _entropy(probabilities: Tensor) -> Tensor:
    return -probabilities.xlogy(probabilities).sum(-1)


def _wide(values: Tensor) -> Tensor:
    """In float64, which Metal has not."""
    return values.float() if values.device.type == "mps" else values.double()


def tensor_on(values: np.ndarray, device: Any) -> Tensor:
    import torch

    return torch.from_numpy(np.array(values)).to(device)
