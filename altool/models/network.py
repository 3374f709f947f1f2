"""torchvision's classification networks, trained on images: a body that makes vectors, and a softmax on them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from altool import seeds
from altool.backbones import networks
from altool.engines import device as devices
from altool.engines.local import cores, ordered_map
from altool.errors import UsageError
from altool.models import logistic, ranker, recipes, training
from altool.models.logistic import Logistic
from altool.models.store import Outputs
from altool.models.tensors import take
from altool.payloads import pictures

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

STEMS = ("imagenet", "small")
AUGMENTS = ("none", "flip", "crop", "flip,crop")
SMALL = 32  # pixels of a picture for a small stem
LARGEST = 4096  # pixels of a picture that a model may read
BILINEAR = 2  # PIL.Image.Resampling.BILINEAR
TAPS = 4  # layers that the ranker sees, as it sees the four stages of a residual network
RESIDENT = 0.25  # share of a GPU's free memory that labeled pictures may take; else each minibatch is sent
OPTIONS = MappingProxyType(
    {
        **asdict(training.Settings()),
        "weights": "DEFAULT",
        "frozen": False,
        "stem": "imagenet",
        "image_size": None,
        "augment": "flip",
        "crop_border": None,
    }
)


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
    head: Logistic
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
    def recipe(self) -> pictures.Recipe:
        """How images become the pictures that it reads."""
        return picture(self.name, self.image_size, self.small, whole=False)

    @property
    def minibatch(self) -> int:
        """Pictures that are worked on at a time; on the processor more of small ones."""
        if str(self.device) != "cpu":
            return networks.MINIBATCH_GPU
        return min(64, max(16, 16 * 224**2 // self.image_size**2))

    @property
    def threads(self) -> int:
        """Minibatches that are worked on at once: a core each, and on a GPU one while another is sent."""
        return cores() if str(self.device) == "cpu" else 2

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
        """What it says of `rows` uint8 (n, E, E, 3), E at least its image size: their middle is looked at.

        With `samples` the probabilities are the mean over as many networks, each with dropout drawn once (with the seed) and the same for
        all rows, and the mutual information is the entropy of that mean less the mean of the entropies (BALD). Batch norms keep their
        statistics. The processor works at minibatches of one size, in one thread each: a row's numbers depend on nothing but the row.
        """
        parts = [rows[start : start + self.minibatch] for start in range(0, len(rows), self.minibatch)]
        found = list(ordered_map(lambda part: self._outputs(part, samples, seed), parts, min(self.threads, len(parts))))
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
        return _tensor(self.head.weights, self.device), _tensor(self.head.bias, self.device)

    @functools.cached_property
    def _mean(self) -> Tensor:
        return _tensor(self.mean, self.device)

    @functools.cached_property
    def _std(self) -> Tensor:
        return _tensor(self.std, self.device)

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
        return {**own, **training.arrays(self.body, "body."), **training.arrays(self.rank, "ranker."), **self.head.tensors()}


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
        return values * _tensor((kept / (1 - share)).astype(np.float32), values.device).to(values.dtype)


@dataclass(frozen=True)
class Pictures:
    """Labeled pictures uint8 (n, E, E, 3) as training reads them, varied on the device.

    Of each a square of `size` pixels is taken: the middle or, with `crops`, one drawn anew in each epoch, which may reach over the edge by
    `border` black pixels; `flips` mirrors half of them. `held` are the pictures on the device, if they fit.
    """

    array: np.ndarray
    size: int
    flips: bool
    crops: bool
    border: int
    mean: Any
    std: Any
    held: Any = None

    def __len__(self) -> int:
        return len(self.array)

    def identity(self) -> list[np.ndarray]:
        """The pictures, and how they are cut, varied and normalised."""
        return [self.array, np.array([self.size, self.flips, self.crops, self.border]), self.mean.cpu().numpy(), self.std.cpu().numpy()]

    def draw(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Whether each picture is mirrored, bool (n,), and its square's first row and column, int64 (n, 2)."""
        count, room = len(self.array), self.array.shape[1] - self.size
        flips = generator.random(count) < 0.5 if self.flips else np.zeros(count, bool)
        if not self.crops:
            return flips, np.full((count, 2), round(room / 2.0), np.int64)
        return flips, generator.integers(-self.border, room + self.border, (count, 2), endpoint=True)

    def minibatch(self, positions: np.ndarray, drawn: tuple[np.ndarray, np.ndarray]) -> Tensor:
        """float32 (n, 3, size, size), normalised."""
        import torch

        flips, corners = drawn[0][positions], drawn[1][positions]
        device = self.mean.device
        if self.held is not None:
            values = self.held[torch.from_numpy(positions).to(device)]
        else:
            order = np.argsort(positions)  # as the rows lie, where they are in a file
            values = sent(torch.from_numpy(self.array[positions[order]]), device)
            flips, corners = flips[order], corners[order]
        cut = varied(values, self.size, *(torch.from_numpy(part).to(device, non_blocking=True) for part in (flips, corners)))
        given = normalised(cut, self.mean, self.std)
        return given if self.held is not None else given[torch.from_numpy(np.argsort(order)).to(device)]

    def batch(self, positions: np.ndarray) -> Tensor:
        """float32 (n, 3, size, size) in [0, 1]: the middles as they are."""
        import torch

        cut = torch.from_numpy(np.ascontiguousarray(middle(self.array[positions], self.size)))
        return sent(cut, self.mean.device).permute(0, 3, 1, 2).float().div_(255)


def middle(rows: np.ndarray, size: int) -> np.ndarray:
    """The middle squares of `size` pixels of pictures (n, E, E, 3)."""
    start = round((rows.shape[1] - size) / 2.0)
    return rows[:, start : start + size, start : start + size]


def varied(values: Tensor, size: int, flips: Tensor, corners: Tensor) -> Tensor:
    """Squares of `size` pixels of pictures (n, E, E, 3), from the rows and columns `corners` (n, 2) on, mirrored where `flips` (n,); black
    beyond the edge."""
    import torch

    edge = torch.arange(size, device=values.device)
    rows, columns = corners[:, :1] + edge, corners[:, 1:] + edge
    columns = torch.where(flips[:, None], columns.flip(1), columns)
    last = values.shape[1] - 1
    inside = ((rows >= 0) & (rows <= last))[:, :, None] & ((columns >= 0) & (columns <= last))[:, None, :]
    each = torch.arange(len(values), device=values.device)[:, None, None]
    return values[each, rows.clamp(0, last)[:, :, None], columns.clamp(0, last)[:, None, :]] * inside[..., None]


def normalised(values: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 (n, S, S, 3) to the network's input float32 (n, 3, S, S), which lies as the pixels do (channels last)."""
    return values.float().div_(255).sub_(mean).div_(std).permute(0, 3, 1, 2)


def sent(values: Tensor, device: torch.device) -> Tensor:
    """On the device; to a GPU from pinned memory, so that the copy does not wait."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def picture(name: str, image_size: int, small: bool, *, whole: bool) -> pictures.Recipe:
    """How an image becomes the picture that a network reads: the whole of it at `image_size` for a small stem, else resized and cut as
    torchvision's weights want it; `whole` leaves that margin for random crops."""
    from torchvision import models

    if small:
        return pictures.Recipe(image_size, None, BILINEAR)
    recipe = networks.recipe_of(models.get_model_weights(name).DEFAULT.transforms(), image_size)
    return replace(recipe, crop=recipe.size) if whole else recipe


@dataclass(frozen=True)
class Architecture:
    """The classifier of this name, as the room's modules are: `fit`, `from_tensors` and what they read."""

    name: str
    READS = "image"
    FILES = ("weights",)
    HEAD = True
    OPTIONS = OPTIONS

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All its options, where these are given; see `recipes.resolve`. The image size is that of its weights, 32 for a small stem."""
        from torchvision import models

        own = recipes.resolve(OPTIONS, given)
        if own["image_size"] is None:
            preset = models.get_model_weights(self.name).DEFAULT.transforms()
            own["image_size"] = SMALL if own["stem"] == "small" else preset.crop_size[0]
        if own["crop_border"] is None:
            own["crop_border"] = own["image_size"] // 8 if own["stem"] == "small" else 0
        for name, values in (("stem", STEMS), ("augment", AUGMENTS)):
            if own[name] not in values:
                raise UsageError(f"--{name}: {own[name]!r} is none of {', '.join(values)}")
        if own["stem"] == "small" and own["weights"] != "none":
            raise UsageError(f"--stem small: no weights fit it, and --weights is {own['weights']}", "give --weights none too")
        if own["frozen"] and own["weights"] == "none":
            raise UsageError("--frozen: random weights below the head would never learn", "give --weights DEFAULT or a file")
        training.settings_of(own)
        return own

    def picture(self, options: Mapping[str, Any]) -> pictures.Recipe:
        """How labeled images become the pictures that `fit` takes."""
        return picture(self.name, options["image_size"], options["stem"] == "small", whole="crop" in options["augment"])

    def fit(
        self,
        rows: np.ndarray,
        labels: np.ndarray,
        count: int,
        work: training.Work | None = None,
        start: tuple[Any, np.ndarray] | None = None,
        *,
        balance: str = "none",
        seed: int = 0,
        **given: Any,
    ) -> tuple[Network, bool]:
        """Fit on pictures `rows` uint8 (n, E, E, 3) and class numbers `labels` int64 (n,) of `count` classes; returns the model and True.

        From given `weights` or, with none, from scratch, normalised by the rows' own mean and deviation; `frozen` trains the head alone.
        `balance` as in `mlp.fit`. `start`, a Network of the same name and size and the class number that each of its classes has now (-1:
        none), is what training starts from. The other options are `OPTIONS`. Raises UsageError for options that cannot be, and InputError
        for weights that do not fit.
        """
        import torch
        from torch import nn

        own = self.options(given)
        settings = training.settings_of(own)
        work = work or training.Work()
        device = devices.choose(work.device)
        size, small = own["image_size"], own["stem"] == "small"
        trained, codes = np.unique(labels, return_inverse=True)
        state = seeds.integer(seed, "train", "weights")
        with training.threads(work.threads), training.quiet_random(device):
            body, head_name = _body(self.name, size, small, state)
            if start is None:
                networks.load_weights(body, head_name, self.name, own["weights"])
            mean, std = _statistics(self.name, rows, size, own["weights"]) if start is None else (start[0].mean, start[0].std)
            _simplify(body)
            taps, widths, last = _taps(self.name, body, size)
            training.seed_torch(state, device)
            head = nn.Linear(widths[-1], len(trained))
            rank = ranker.build(widths[:-1]) if settings.ranker != "none" else None
            if start is not None:
                self._copy(body, rank, start[0], size, small)
                training.started(head, *start, trained)
            body.to(device, memory_format=torch.channels_last)
            held = None
            if device.type == "cuda" and rows.nbytes < RESIDENT * torch.cuda.mem_get_info(device)[0]:
                held = torch.from_numpy(np.ascontiguousarray(rows)).to(device)
            flips, crops = "flip" in own["augment"], "crop" in own["augment"]
            means = _tensor(mean, device), _tensor(std, device)
            source: training.Rows = Pictures(rows, size, flips, crops, own["crop_border"], *means, held)
            task = training.task_class()(body, head, settings.dropout, taps, rank, last)
            if own["frozen"]:
                body.requires_grad_(False)
                task.frozen = True
                if own["augment"] == "none" and rank is None:  # what never changes is computed once
                    vectors = _vectors(body.eval(), source, settings)
                    source, task = training.Matrix(vectors), training.task_class()(nn.Identity(), head, settings.dropout)
            weights = training.class_weights(codes) if balance == "class-weight" else None
            curve = training.train(task, source, codes, settings, weights=weights, seed=seed, work=work, text=f"training {self.name}")
        softmax = training.head_of(trained, head, codes, balance, count)
        body, rank = body.cpu(), None if rank is None else rank.cpu()
        model = Network(self.name, size, small, mean, std, body, softmax, settings.dropout, rank, taps, curve=training.rounded(curve))
        _hook(model, last)
        return model.on(str(device)), True

    def _copy(self, body: nn.Module, rank: Any, start: Any, size: int, small: bool) -> None:
        """Start from the weights of another model."""
        if not isinstance(start, Network) or (start.name, start.image_size, start.small) != (self.name, size, small):
            raise UsageError(f"--from: the model is no {self.name} for pictures of this size", "give the same options, or leave --from out")
        body.load_state_dict(start.body.state_dict())
        if rank is not None and start.rank is not None:
            rank.load_state_dict(start.rank.state_dict())

    def from_tensors(self, tensors: Mapping[str, np.ndarray], count: int) -> Network:
        """The model that `tensors()` came from, for `count` classes. Raises ValueError where they do not fit together."""
        head = logistic.from_tensors(tensors, count)
        mean, std = take(tensors, "mean", "f", (3,)), take(tensors, "std", "f", (3,), 1e-6)
        dropout = float(take(tensors, "dropout", "f", (), 0, 1))
        size, small = take(tensors, "settings", "i", (2,), 0, LARGEST).tolist()
        if not size or small > 1 or dropout == 1:
            raise ValueError("tensor 'settings' or 'dropout' is none of a network's")
        body, _ = _body(self.name, size, bool(small), 0)
        _simplify(body)
        training.fits(body, training.unprefixed(tensors, "body."))
        taps, widths, last = _taps(self.name, body, size)
        if head.width != widths[-1]:
            raise ValueError("the sizes of its tensors do not fit together")
        rank = None
        if kept := training.unprefixed(tensors, "ranker."):
            rank = ranker.build(widths[:-1])
            training.fits(rank, kept)
        model = Network(self.name, size, bool(small), mean, std, body, head, dropout, rank, taps)
        _hook(model, last)
        return model.on("cpu")


def _body(name: str, size: int, small: bool, seed: int) -> tuple[Any, str]:
    """The network without its head, with random weights, and its head's name. Raises UsageError for a small stem that it cannot have."""
    import torch
    from torch import nn
    from torchvision.models import ResNet

    net: Any = networks.build(name, size, seed)
    if small:
        if not isinstance(net, ResNet):
            raise UsageError(f"--stem small: {name} has no such stem", "residual networks (resnet18, …) have; or give --stem imagenet")
        with torch.random.fork_rng(devices=[]):  # as CIFAR's residual networks begin (He et al. 2016, 4.2), at torchvision's scale
            torch.default_generator.manual_seed(seed)
            net.conv1 = nn.Conv2d(3, net.conv1.out_channels, 3, padding=1, bias=False)
            nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        net.maxpool = nn.Identity()
    return net, networks.behead(net)


def _simplify(net: Any) -> None:
    """Take away the classifiers beside the network that two of them train with."""
    for name in ("aux1", "aux2", "AuxLogits"):
        if hasattr(net, name):
            setattr(net, name, None)
            net.aux_logits = False


def _taps(name: str, body: Any, size: int) -> tuple[tuple[str, ...], list[int], bool]:
    """The modules whose outputs the ranker sees; their widths and, behind them, the vectors'; whether channels come last.

    They are the last of its blocks (its children, and the children of those that are rows of layers) at each size of their output, of
    which the last four count: a residual network's stages. A vision transformer, which keeps one size, gives the ends of its quarters.
    """
    import torch
    from torch import nn

    last = name.startswith(("swin", "vit"))
    pools = ("AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d", "Dropout", "Identity", "Permute")
    seen: dict[Any, tuple[str, int]] = {}
    encoder = [label for label, module in body.named_modules() if type(module).__name__ == "EncoderBlock"]
    if encoder:
        watched = [encoder[(part + 1) * len(encoder) // TAPS - 1] for part in range(TAPS)]
    else:
        rows = {label for label, module in body.named_children() if isinstance(module, nn.Sequential | nn.ModuleList)}
        watched = [label for label, _ in body.named_modules() if label.count(".") <= (label.split(".")[0] in rows) and label]

    def look(label: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim > 2 and type(module).__name__ not in pools:
                size = label if encoder else tuple(output.shape[1:-1] if last else output.shape[2:])
                seen.pop(size, None)
                seen[size] = (label, training.pooled(output, last).shape[1])

        return hook

    handles = [body.get_submodule(label).register_forward_hook(look(label)) for label in watched]
    device = next(body.parameters()).device
    was = body.training
    with torch.inference_mode():
        try:
            width = body.eval()(torch.zeros(1, 3, size, size, device=device)).flatten(1).shape[1]
        except RuntimeError as error:
            raise networks.unsuited(name, size, error) from error
    body.train(was)
    for handle in handles:
        handle.remove()
    found = list(seen.values())[-TAPS:]
    return tuple(label for label, _ in found), [*(wide for _, wide in found), width], last


def _hook(model: Network, channels_last: bool) -> None:
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


def _vectors(body: Any, rows: training.Rows, settings: training.Settings) -> Tensor:
    """float32 (n, D) of all rows, as they are in every epoch."""
    import torch

    parts = np.array_split(np.arange(len(rows)), -(-len(rows) // settings.minibatch))
    drawn = rows.draw(seeds.generator(0))
    found = []
    with torch.no_grad():
        for part in parts:
            given = rows.minibatch(part, drawn)
            dtype = training.amp(given.device, settings.precision)
            with torch.autocast(given.device.type, dtype, enabled=dtype is not None):
                found.append(body(given).flatten(1).float())
    return torch.cat(found)


def _statistics(name: str, rows: np.ndarray, size: int, weights: str) -> tuple[np.ndarray, np.ndarray]:
    """float32 (3,) mean and deviation of pixels in [0, 1]: the rows' own, or those that given weights were trained with."""
    if weights == "none":
        sums, squares, count = np.zeros(3), np.zeros(3), 0
        for start in range(0, len(rows), 256):
            values = middle(rows[start : start + 256], size).reshape(-1, 3).astype(np.float64) / 255
            sums, squares, count = sums + values.sum(0), squares + (values**2).sum(0), count + len(values)
        mean = sums / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        return mean.astype(np.float32), np.where(deviation > 1e-3, deviation, 1).astype(np.float32)
    from torchvision import models

    preset = models.get_model_weights(name).DEFAULT.transforms()
    return np.array(preset.mean, np.float32), np.array(preset.std, np.float32)


def _entropy(probabilities: Tensor) -> Tensor:
    return -probabilities.xlogy(probabilities).sum(-1)


def _wide(values: Tensor) -> Tensor:
    """In float64, which Metal has not."""
    return values.float() if values.device.type == "mps" else values.double()


def _tensor(values: np.ndarray, device: Any) -> Tensor:
    import torch

    return torch.from_numpy(np.array(values)).to(device)
