"""How the deep classifiers are trained: minibatches, schedules, checkpoints. One engine for the processor, a GPU and several.

Every epoch draws what it needs (the rows' order, the pictures' shifts, dropout) from a generator of its own, so a run that goes on from
a checkpoint draws what the whole run would have drawn. On the processor a seed gives the same weights, bit for bit, for the same number
of threads; on a GPU it does not, as its sums have no fixed order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from altool import seeds
from altool.engines import device as devices
from altool.engines import distributed
from altool.engines.local import cores, ordered_map
from altool.errors import InputError, UsageError
from altool.models import ranker
from altool.models.checkpoints import Checkpoint
from altool.models.pictures import middle
from altool.options import Option, Say, declared, option
from altool.text import count

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

OPTIMIZERS = ("sgd", "nesterov", "adam")
SCHEDULES = ("constant", "cosine", "steps", "plateau")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
STEP_AT = 0.8  # share of the epochs after which `steps` divides the rate by ten (TA-VAAL, 4.2: 160 of 200)
DEEP = "Deep training"  # the panel of these options
PATIENCE, THRESHOLD = 10, 1e-4  # epochs, and the least relative gain that counts, of `plateau`

Progress = Callable[[str, "int | None"], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Settings:
    """The options of training that every deep classifier has, each declared here.

    `optimizer` sgd and nesterov with `momentum`, or adam; `schedule` of the learning `rate`, set anew each epoch: constant, cosine to 0,
    steps (a tenth after 80 % of the epochs) or plateau (a tenth whenever the training error has not fallen for ten epochs). Training
    ends early where an epoch's training accuracy reaches `stop_accuracy`. `ranker` is none, ranking or loss, its loss weighs
    `ranker_weight`.
    """

    epochs: int = option("How often every row is seen.", default=100, low=1, metavar="N", panel=DEEP)
    minibatch: int = option("Most rows of a step.", default=128, low=1, metavar="N", panel=DEEP)
    optimizer: str = option("Optimizer: sgd, nesterov or adam.", default="sgd", choices=OPTIMIZERS, panel=DEEP)
    rate: float = option("Learning rate.", default=0.01, low=1e-12, high=1e6, panel=DEEP)
    momentum: float = option("Momentum of sgd and nesterov.", default=0.9, low=0, high=0.9999, panel=DEEP)
    weight_decay: float = option("Weight decay.", default=5e-4, low=0, high=1e6, panel=DEEP)
    schedule: str = option("The rate: constant, cosine, steps or plateau.", default="cosine", choices=SCHEDULES, panel=DEEP)
    stop_accuracy: float | None = option(
        "Stop once this share of the training rows is right.", low=0, high=1, shown="never", metavar="SHARE", panel=DEEP
    )
    dropout: float = option(
        "Dropout before the head; mlp: behind every hidden layer.", default=0.0, low=0, high=0.99, metavar="SHARE", panel=DEEP
    )
    ranker: str = option(
        "Learn to predict a row's loss: none, ranking (TA-VAAL) or loss.", default="none", choices=ranker.KINDS, panel=DEEP
    )
    ranker_weight: float = option("Weight of the ranker's loss.", default=1.0, low=0, high=1e6, panel=DEEP)
    precision: str = option("auto (mixed on a GPU), float32, bfloat16 or float16.", default="auto", choices=PRECISIONS, panel=DEEP)
    compile: bool = option("Compile the network, which pays in long runs on a GPU.", default=False, panel=DEEP)


OPTIONS = declared(Settings)


def options(**defaults: Any) -> tuple[Option, ...]:
    """The options of training, for a classifier with other `defaults`."""
    return tuple(replace(each, default=defaults.get(each.name, each.default)) for each in OPTIONS)


def settings_of(options: Mapping[str, Any]) -> Settings:
    """The settings among all options of a classifier."""
    return Settings(**{each.name: options[each.name] for each in OPTIONS})


def settle(options: dict[str, Any], say: Say) -> dict[str, Any]:
    """The options as they are. Raises UsageError for settings that contradict each other."""
    if options["optimizer"] == "nesterov" and not options["momentum"]:
        raise UsageError(f"{say('optimizer')} nesterov needs a {say('momentum')} above 0", f"raise {say('momentum')}, or choose sgd")
    return options


@dataclass(frozen=True)
class Work:
    """Where training runs, and what sees it: nothing of this decides the result, but for the device and, in the last bits, `threads`.

    `checkpoints` is a folder for the state of a run, written when `every` seconds have passed since the last one.
    """

    device: str = "cpu"
    threads: int = 0
    checkpoints: Path | None = None
    every: float = 60.0
    progress: Progress = lambda text, total: nullcontext(lambda rows: None)


class Rows(Protocol):
    """Labeled rows as training reads them. `draw` says how each is varied in an epoch; `identity` are arrays that decide what it reads."""

    def __len__(self) -> int: ...
    def identity(self) -> Sequence[np.ndarray]: ...
    def draw(self, generator: np.random.Generator) -> Any: ...
    def minibatch(self, positions: np.ndarray, drawn: Any) -> Tensor: ...


@dataclass(frozen=True)
class Matrix:
    """Features (n, D) as training reads them: `values` on the device. Nothing is varied."""

    values: Any

    def __len__(self) -> int:
        return len(self.values)

    def identity(self) -> Sequence[np.ndarray]:
        return [self.values.cpu().numpy()]

    def draw(self, generator: np.random.Generator) -> None:
        return None

    def minibatch(self, positions: np.ndarray, drawn: None) -> Tensor:
        import torch

        return self.values[torch.from_numpy(positions).to(self.values.device)]


@dataclass(frozen=True)
class Pool:
    """Features float (n, D), or pictures uint8 (n, H, W, 3), as what learns without labels reads them: of pictures the middle of `size`
    pixels, 0: the whole."""

    array: np.ndarray
    size: int = 0

    def __len__(self) -> int:
        return len(self.array)

    def batch(self, positions: np.ndarray) -> Tensor:
        """float32 (b, D), or (b, 3, H, W) in [0, 1]."""
        import torch

        rows = torch.from_numpy(middle(self.array[positions], self.size) if self.size else self.array[positions])
        return rows.permute(0, 3, 1, 2).float().div_(255) if rows.ndim == 4 else rows.float()


def learning_rate(settings: Settings, errors: Sequence[float]) -> float:
    """The rate of the epoch that follows epochs with these training `errors` (shares of rows in [0, 1])."""
    epoch, rate = len(errors), settings.rate
    if settings.schedule == "cosine":
        return rate * (1 + math.cos(math.pi * epoch / settings.epochs)) / 2
    if settings.schedule == "steps":
        return rate / 10 if epoch >= STEP_AT * settings.epochs else rate
    if settings.schedule == "plateau":
        best, waited = math.inf, 0
        for error in errors:
            best, waited = (error, 0) if error < best * (1 - THRESHOLD) else (best, waited + 1)
            if waited > PATIENCE:
                rate, waited = rate / 10, 0
    return rate


def class_weights(codes: np.ndarray) -> np.ndarray:
    """float32 weight of each class number (k,) by 1 / frequency, with mean 1 over the rows whose `codes` these are."""
    counts = np.bincount(codes)
    return (len(codes) / (len(counts) * counts)).astype(np.float32)


@functools.cache
def task_class() -> Any:
    """The class Task, made when torch is there."""
    from torch import nn

    class Task(nn.Module):  # type: ignore[misc]
        """What is trained: a body that makes vectors (n, D), a linear head on them, and the ranker of the outputs of the body's modules
        `taps`, which have their channels last or behind the rows."""

        def __init__(
            self, body: nn.Module, head: nn.Linear, dropout: float, taps: Sequence[str] = (), rank: Any = None, channels_last: bool = False
        ) -> None:
            super().__init__()
            self.body, self.head, self.ranker, self.channels_last = body, head, rank, channels_last
            self.dropout = nn.Dropout(dropout)
            self.frozen = False
            self.seen: list[torch.Tensor] = []
            names = taps if rank is not None else ()
            self.hooks = [body.get_submodule(name).register_forward_hook(self._see) for name in names]

        def _see(self, module: Any, inputs: Any, output: torch.Tensor) -> None:
            self.seen.append(pooled(output, self.channels_last))

        def train(self, mode: bool = True) -> Task:
            super().train(mode)
            if self.frozen:  # its batch norms keep their statistics, too
                self.body.eval()
            return self

        def forward(self, given: torch.Tensor, free: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
            """Logits (n, k) and predicted losses (n,); with `free` the latter's gradient does not reach the body."""
            self.seen.clear()
            logits = self.head(self.dropout(self.body(given).flatten(1)))
            if self.ranker is None:
                return logits, None
            hidden = [values.detach() if free else values for values in self.seen]
            self.seen.clear()
            return logits, ranker.forward(self.ranker, hidden)

    return Task


def pooled(values: Tensor, channels_last: bool = False) -> Tensor:
    """(n, channels): the means over places or tokens of what a layer gives."""
    if values.ndim == 4:
        return values.mean((1, 2) if channels_last else (2, 3))
    return values.mean(1) if values.ndim == 3 else values


@contextmanager
def quiet_random(device: torch.device) -> Iterator[None]:
    """Within it torch's global generators may be seeded and used; afterwards they are as they were."""
    import torch

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed torch's global generators, within `quiet_random`."""
    import torch

    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch work in that many threads on the processor (0: one per core) within it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number or cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


_LOCK = Lock()
_SINGLE = {"users": 0, "before": 0}


@contextmanager
def single() -> Iterator[None]:
    """Within it torch works in the calling thread alone, whatever other threads begin or end to do so meanwhile."""
    import torch

    with _LOCK:
        if not _SINGLE["users"]:
            _SINGLE["before"] = torch.get_num_threads()
        _SINGLE["users"] += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _LOCK:
            _SINGLE["users"] -= 1
            if not _SINGLE["users"]:
                torch.set_num_threads(_SINGLE["before"])


def amp(device: torch.device, precision: str) -> Any:
    """The numbers that products are computed in: torch.bfloat16, torch.float16, or None for float32."""
    import torch

    if precision == "auto":
        precision = "float32" if device.type != "cuda" else "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return None if precision == "float32" else getattr(torch, precision)


def train(
    task: Any,
    rows: Rows,
    codes: np.ndarray,
    settings: Settings,
    *,
    weights: np.ndarray | None = None,
    seed: int = 0,
    work: Work | None = None,
    text: str = "training",
) -> dict[str, list[float]]:
    """Train a Task in place on `rows` of the class numbers `codes` int64 (n,), and return how it went: per epoch the mean training
    loss and accuracy while it learned, the learning rate, and the ranker's loss where there is one.

    Epochs are cut into minibatches of as equal a size as can be, of at most `minibatch` rows. `weights` float32 (k,) of the classes
    multiply the rows' losses, not those that the ranker learns. The ranker's gradient reaches the body in the first 60 % of the epochs
    only, as in its authors' code. Under torchrun every process takes its share of each minibatch. Raises UsageError where the loss, or
    what the model predicts in the end, is not finite any more, and where a process has less than two rows; InputError for one row alone.
    """
    import torch
    from torch.nn import functional

    work = work or Work()
    device = devices.choose(work.device)
    place, processes = distributed.world()
    if len(rows) < 2:
        raise InputError("1 labeled row is too few to train a deep classifier on", "label more rows, or give fewer --folds")
    if len(rows) < 2 * processes:
        raise UsageError(f"{count(len(rows), 'labeled row')}: too few for {processes} processes", "start fewer with torchrun")
    dtype = amp(device, settings.precision)
    task.to(device)
    labels = torch.from_numpy(codes).to(device)
    row_weights = None if weights is None else torch.from_numpy(weights).to(device)[labels]
    learned = [value for value in task.parameters() if value.requires_grad]
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "adam":
        optimizer = torch.optim.Adam(learned, settings.rate, weight_decay=settings.weight_decay)
    else:
        nesterov = settings.optimizer == "nesterov"
        optimizer = torch.optim.SGD(learned, settings.rate, settings.momentum, weight_decay=settings.weight_decay, nesterov=nesterov)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    curve: dict[str, list[float]] = {name: [] for name in ("loss", "accuracy", "rate", *(["ranker"] if settings.ranker != "none" else []))}
    checkpoint = Checkpoint(
        work.checkpoints,
        work.every,
        {"task": task, "optimizer": optimizer, "scaler": scaler},
        [asdict(settings), seed, [name for name, value in task.named_parameters() if value.requires_grad]],
        work.device,
        lambda: [*rows.identity(), codes, *([] if weights is None else [weights])],
    )
    curve = checkpoint.load(device) or curve
    model = distributed.wrap(task, device)
    if settings.compile:
        model = torch.compile(model)
    steps = -(-len(rows) // settings.minibatch)
    ahead = 2 if device.type == "cuda" else 1

    with work.progress(text, settings.epochs) as advance, quiet_random(device):
        advance(len(curve["loss"]))
        while not _done(curve, settings):
            epoch = len(curve["loss"])
            rate = learning_rate(settings, [1 - accuracy for accuracy in curve["accuracy"]])
            for group in optimizer.param_groups:
                group["lr"] = rate
            generator = seeds.generator(seed, "train", "epoch", epoch)
            order = generator.permutation(len(rows))
            seed_torch(int(generator.integers(2**31)) + place, device)
            drawn = rows.draw(generator)
            free = epoch >= ranker.FREE_FROM * settings.epochs
            task.train()
            totals = torch.zeros(3, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
            parts = np.array_split(order, min(steps, len(rows) // (2 * processes)))

            def load(part: np.ndarray, drawn: Any = drawn) -> tuple[np.ndarray, int, Tensor]:
                own = part[place::processes]
                return own, len(part), rows.minibatch(own, drawn)

            for own, size, given in ordered_map(load, parts, ahead):
                places = torch.from_numpy(own).to(device)
                truth = labels[places]
                optimizer.zero_grad(set_to_none=True)
                with torch.autocast(device.type, dtype, enabled=dtype is not None):
                    logits, predicted = model(given, free)
                losses = functional.cross_entropy(logits.float(), truth, reduction="none")
                weighted = losses if row_weights is None else losses * row_weights[places]
                total = weighted.sum() * (processes / size)  # DDP takes the mean over processes, whose shares may differ by a row
                if predicted is not None:
                    ranked = ranker.LOSSES[settings.ranker](predicted.float(), losses.detach())
                    total = total + settings.ranker_weight * ranked
                    totals[2] += ranked.detach() * len(own)
                scaler.scale(total).backward()
                scaler.step(optimizer)
                scaler.update()
                totals[0] += weighted.detach().sum()
                totals[1] += (logits.detach().argmax(1) == truth).sum()
            loss, right, ranked = (value / len(rows) for value in distributed.total(totals).tolist())
            if not math.isfinite(loss):
                raise UsageError(f"rate {settings.rate:g}: the loss is {loss} after epoch {epoch + 1}", "give a lower rate")
            for name, value in {"loss": loss, "accuracy": right, "rate": rate, "ranker": ranked}.items():
                if name in curve:
                    curve[name].append(value)
            advance(1)
            checkpoint.save(curve)
    task.eval()
    with torch.inference_mode():  # the last step's loss was that before it
        said = task(rows.minibatch(np.arange(min(len(rows), settings.minibatch)), rows.draw(seeds.generator(seed))))
    if not all(bool(torch.isfinite(values).all()) for values in said if values is not None):
        text = f"rate {settings.rate:g}: the model's outputs are not finite after epoch {len(curve['loss'])}"
        raise UsageError(text, "give a lower rate")
    for hook in task.hooks:  # they would keep what the body makes of every row that it sees from now on
        hook.remove()
    return curve


def _done(curve: Mapping[str, Sequence[float]], settings: Settings) -> bool:
    stop = settings.stop_accuracy
    return len(curve["loss"]) >= settings.epochs or (stop is not None and bool(curve["accuracy"]) and curve["accuracy"][-1] >= stop)


def rounded(curve: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The curve as model.json keeps it: six digits."""
    return {name: [float(f"{value:.6g}") for value in values] for name, values in curve.items()}
