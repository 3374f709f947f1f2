"""VAAL and TA-VAAL: a VAE of the whole pool, and a discriminator that tells labeled rows from the others (docs/algorithms.md, "TA-VAAL").

VAAL is Sinha et al. 2019. TA-VAAL (Kim et al. 2021, equations 3 to 7) tells decoder and discriminator also where the loss that the task
learner's ranker predicts ranks the row (RANKS). The networks are those of the authors' code: convolutions that halve the image, as in
Wasserstein auto-encoders, and a discriminator of three linear layers; for features the VAE is a two-layer perceptron. Channels of images
and columns of features are standardised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from altool import seeds
from altool.errors import InputError
from altool.models.tensors import take
from altool.options import Option
from altool.text import count

if TYPE_CHECKING:
    import torch
    from torch import nn

Tensors = Mapping[str, np.ndarray]
BLOCK = 128  # rows scored together, always as many: kernels, and so the last bits, are chosen by the shape
# How decoder and discriminator are told the rank: as the row's place among the ranks of the pool, in (0, 1); as the ranker's own number for
# the discriminator and its sigmoid for the decoder, as the authors' code has it; or as the sigmoid for both. A ranking loss fixes no
# origin, so the sigmoid of a ranker's numbers may be the same for all rows. The order is that of their numbers in a model's `sizes`.
RANKS = ("sigmoid", "raw", "place")
SAMPLE = 10_000  # ranks of the pool that a model keeps, and images that the channels' statistics are taken from, at most
OPTIONS = (  # those of `fit` that users set
    Option("epochs", int, 100, "How often the labeled rows are seen.", low=1, metavar="N", panel="VAAL"),
    Option("rate", float, 5e-4, "Learning rate.", low=1e-9, panel="VAAL"),
    Option("latent", int, 32, "Width of the latent space.", low=1, metavar="N", panel="VAAL"),
    Option("width", int, 128, "Channels of the first layer.", low=1, metavar="N", panel="VAAL"),
    Option("rank", str, "place", "ta-vaal: the rank as place in the pool, raw or sigmoid.", choices=RANKS, metavar="HOW", panel="VAAL"),
    Option(
        "loss",
        str,
        None,
        "Of the VAE, over pixels and latents: sum or mean.",
        choices=("sum", "mean"),
        shown="mean with ta-vaal, sum with vaal",
        metavar="HOW",
        panel="VAAL",
    ),
    Option("beta", float, 1.0, "Weight of the divergence.", low=0, high=1e6, panel="VAAL"),
    Option("adversary", float, 1.0, "Weight of the adversarial loss.", low=0, high=1e6, panel="VAAL"),
)
NETS = ("encoder", "decoder", "discriminator")
CURVE = ("loss", "discriminator_loss", "discriminator_accuracy")  # of each epoch
NONE = np.empty(0, np.float32)


class Rows(Protocol):
    """The pool: `batch` gives the rows at these positions (int64 (b,)), float32 (b, C, H, W) in [0, 1] or (b, D)."""

    def __len__(self) -> int: ...
    def batch(self, positions: np.ndarray) -> torch.Tensor: ...


@dataclass(frozen=True)
class Vaal:
    """The fitted networks, for rows of `shape` (C, H, W) or (D,), of which `mean` is taken away before they are divided by `scale`, each
    float32 of one number per channel or column.

    `sizes` are the width of the latent space and of the first layer, and how rows are told their rank: 0 if they have none, else 1 + its
    place in RANKS. `ranks` float32 (m,) are the sorted ranks of the pool, or a sample of them, for `place`, else empty. `curve` is how
    training went, empty once loaded: per epoch the means of the VAE's and the discriminator's loss, and of the share of rows that the
    discriminator tells right, half of them labeled ones. Where that is 0.5 (the loss: 1.386) it tells nothing.
    """

    nets: nn.ModuleDict
    shape: tuple[int, ...]
    sizes: tuple[int, int, int]
    mean: torch.Tensor
    scale: torch.Tensor
    ranks: np.ndarray
    curve: Mapping[str, list[float]] = field(default_factory=dict)

    def logits(self, batch: torch.Tensor, rank: np.ndarray | None = None) -> np.ndarray:
        """float32 (b,): the discriminator's logit for rows (b, ...) with the ranker's raw outputs `rank` (b,), in eval mode.

        In eval mode normalisation has the statistics of training, so a row's logit does not depend on the rows beside it. Raises
        ValueError if rows are of another shape than training's, or ranks are missing, or given to a model without them.
        """
        import torch

        if tuple(batch.shape[1:]) != self.shape or (rank is not None) != bool(self.sizes[2]):
            text = f"rows of shape {self.shape} {'with' if self.sizes[2] else 'without'} ranks"
            raise ValueError(f"the model takes {text}; these are of shape {tuple(batch.shape[1:])}")
        self.nets.eval()
        result = np.empty(len(batch), np.float32)
        with torch.inference_mode():
            for start in range(0, len(batch), BLOCK):
                rows = batch[start : start + BLOCK].to(self.mean.device)
                count = len(rows)
                rows = torch.cat([rows, rows.new_zeros((BLOCK - count, *self.shape))])
                r = None
                if rank is not None:
                    r = rows.new_zeros(BLOCK)
                    r[:count] = torch.from_numpy(self.told(rank[start : start + BLOCK])[1]).to(rows.device)
                mu, _ = self.nets["encoder"](self.standardised(rows)).chunk(2, 1)
                result[start : start + count] = self.nets["discriminator"](joined(mu, r)).squeeze(1)[:count].cpu().numpy()
        return result

    def labeled_probability(self, batch: torch.Tensor, rank: np.ndarray | None = None) -> np.ndarray:
        """float32 (b,): D(r, q(z|x)), how likely each row is a labeled one; the smallest are chosen (equation 7). See `logits`.

        Small values keep the order of the logits down to the smallest float32 (a logit of -103); only those near 1, above a logit of
        16, tie, and they are the last to be chosen.
        """
        return sigmoid(self.logits(batch, rank))

    def standardised(self, rows: torch.Tensor) -> torch.Tensor:
        """What the VAE sees of the rows."""
        over = (-1, *(1 for _ in self.shape[1:]))
        return (rows - self.mean.view(over)) / self.scale.view(over)

    def told(self, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 (b,) each: what the decoder and what the discriminator is told of the ranker's raw outputs `rank` (b,).

        The place of a number is the share of the pool's numbers below it, of equal ones the half: (0, 1), and the same whatever is added
        to all or whatever all are multiplied by.
        """
        how = RANKS[self.sizes[2] - 1]
        if how == "place":
            below = np.searchsorted(self.ranks, rank, "left") + np.searchsorted(self.ranks, rank, "right")
            found = ((below / 2 + 0.5) / (len(self.ranks) + 1)).astype(np.float32)
            return found, found
        squashed = sigmoid(rank)
        return squashed, squashed if how == "sigmoid" else rank.astype(np.float32)

    def tensors(self) -> dict[str, np.ndarray]:
        """What `from_tensors` needs to make the model again; copies."""
        state = {name: value.cpu().numpy().copy() for name, value in self.nets.state_dict().items()}
        sizes = np.array([*self.sizes, *self.shape], np.int64)
        own = {"sizes": sizes, "mean": self.mean.cpu().numpy().copy(), "scale": self.scale.cpu().numpy().copy()}
        return {**state, **own, **({"ranks": self.ranks.copy()} if len(self.ranks) else {})}


def from_tensors(tensors: Tensors, device: str | torch.device = "cpu") -> Vaal:
    """The model that `tensors()` came from. Raises KeyError or ValueError where they are not its."""
    import torch

    # No size is larger than the largest of a tensor's that is there, so networks of these sizes take no more memory than these do.
    largest = max((size for name, value in tensors.items() if name.startswith(NETS) for size in value.shape), default=0)
    latent, width, conditioned, *shape = take(tensors, "sizes", "i", (None,), 0, max(largest, len(RANKS))).tolist()
    if len(shape) not in (1, 3) or min(latent, width, *shape) < 1 or conditioned > len(RANKS) or max(latent, width, *shape) > largest:
        raise ValueError("tensor 'sizes' is none of a VAAL's")
    spread = (1 if len(shape) == 3 and tensors["mean"].shape == (1,) else shape[0],)  # of images all channels alike, until 0.1.0
    mean, scale = (torch.as_tensor(take(tensors, name, "f", spread), device=device) for name in ("mean", "scale"))
    ranks = NONE
    if conditioned and RANKS[conditioned - 1] == "place":
        ranks = take(tensors, "ranks", "f", (None,))
        if not len(ranks) or (np.diff(ranks) < 0).any():
            raise ValueError("tensor 'ranks' is not in increasing order")
    for name, value in tensors.items():
        if name.startswith(NETS):
            take(tensors, name, "i" if name.endswith("num_batches_tracked") else "f", value.shape)
    try:
        nets = _nets(shape, (latent, width, conditioned), 0)
        nets.load_state_dict({name: torch.as_tensor(value) for name, value in tensors.items() if name.startswith(NETS)})
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return Vaal(nets.to(device), tuple(shape), (latent, width, conditioned), mean, scale, ranks)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x) as float32, exact to its last bit or so, however small."""
    x = np.abs(logits.astype(np.float64))
    return (np.exp(np.minimum(logits, 0.0).astype(np.float64)) / (1 + np.exp(-x))).astype(np.float32)


def joined(z: torch.Tensor, rank: torch.Tensor | None) -> torch.Tensor:
    """(b, latent) and ranks (b,) side by side, or z alone."""
    import torch

    return z if rank is None else torch.cat([z, rank[:, None]], 1)


def vae_loss(
    rows: torch.Tensor, decoded: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor, beta: float, mean: bool = False
) -> torch.Tensor:
    """(b,): each row's squared error plus beta KL(N(mu, e^logvar) || N(0, 1)): minus equation 4, for a normal p of variance 1/2.

    Both are summed over their dimensions, as the ELBO has it; or, with `mean`, each is the mean over them, as in TA-VAAL's code, beside
    which the adversarial loss weighs as much more as a row has pixels.
    """
    divergence = (mu.square() + logvar.exp() - 1 - logvar) / 2
    errors = (rows - decoded).square().flatten(1)
    return errors.mean(1) + beta * divergence.mean(1) if mean else errors.sum(1) + beta * divergence.sum(1)


def adversarial_loss(labeled: torch.Tensor, unlabeled: torch.Tensor) -> torch.Tensor:
    """Equation 5 from the discriminator's logits of labeled and unlabeled rows: the VAE wants both to look labeled."""
    from torch.nn.functional import softplus

    return softplus(-labeled).mean() + softplus(-unlabeled).mean()


def discriminator_loss(labeled: torch.Tensor, unlabeled: torch.Tensor) -> torch.Tensor:
    """Equation 6 from the discriminator's logits of labeled and unlabeled rows."""
    from torch.nn.functional import softplus

    return softplus(-labeled).mean() + softplus(unlabeled).mean()


def fit(
    rows: Rows,
    labeled: np.ndarray,
    predicted: np.ndarray | None = None,
    *,
    epochs: int = 100,
    epoch_rows: int = 10_000,
    latent: int = 32,
    width: int = 128,
    rate: float = 5e-4,
    rank: str = "place",
    loss: str | None = None,
    minibatch: int = 128,
    beta: float = 1.0,
    adversary: float = 1.0,
    vae_steps: int | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: Callable[[int], None] | None = None,
    checkpoint: Callable[[int, Callable[[], dict[str, np.ndarray]]], None] | None = None,
    resume: Tensors | None = None,
) -> Vaal:
    """Fit VAAL, or with `predicted` TA-VAAL, on the pool: rows that may be asked for and, where `labeled` (n,) is True, those that have a
    label.

    `predicted` float32 (n,) are the ranker's raw outputs, of a task learner that is trained already (the authors' two stages), which
    condition decoder and discriminator as `rank` (of RANKS) says; but in the first epoch r ~ U(0, 1) does (Algorithm 1). An epoch sees the
    labeled rows and at most `epoch_rows` others, drawn anew for each (the authors draw 10,000 once): steps = their number / `minibatch`.
    A step takes `vae_steps` minibatches of either kind (None: one with ranks, else two, as their authors do) through the VAE and the
    last of them through the discriminator, Adam with `rate` for both. `width` is the channels of the VAE's first convolution; linear
    layers have 4 x as many units. `loss` sum or mean (None: mean with ranks, else sum), and `beta`, as `vae_loss` has
    them; `adversary` is the weight of equation 5.

    Everything is drawn from (seed, epoch): the same weights for the same arguments and number of threads on a processor, and torch's
    global generator is left alone. `progress(1)` after each epoch; then `checkpoint(epochs done, state)`, where state() makes tensors
    that, given as `resume`, go on from there to the same weights. Raises InputError without rows of either kind, for features with NaN
    or infinity, and where training diverges.
    """
    import torch

    positions = np.flatnonzero(labeled), np.flatnonzero(~labeled)
    if not (len(positions[0]) and len(positions[1])):
        kind = "unlabeled" if len(positions[0]) else "labeled"
        raise InputError(
            f"VAAL: it learns to tell labeled rows from unlabeled ones, and none of {count(len(rows), 'row')} is {kind}",
            "train without VAAL, or give the whole pool",
        )
    shape = tuple(rows.batch(np.zeros(1, np.int64)).shape[1:])
    sizes = latent, width, 0 if predicted is None else 1 + RANKS.index(rank)
    vae_steps = vae_steps or (2 if predicted is None else 1)
    mean_loss = loss == "mean" or (loss is None and predicted is not None)
    if resume is not None:
        vaal = from_tensors(resume, device)
        curve = {name: resume[f"curve.{name}"].tolist() for name in CURVE}
    else:
        mean, scale = (value.to(device) for value in _statistics(rows, shape))
        nets = _nets(shape, sizes, seeds.integer(seed, "vaal", "weights")).to(device)
        vaal = Vaal(nets, shape, sizes, mean, scale, _sample(predicted) if predicted is not None and rank == "place" else NONE)
        curve = {name: [] for name in CURVE}
    vae = [*vaal.nets["encoder"].parameters(), *vaal.nets["decoder"].parameters()]
    discriminator = list(vaal.nets["discriminator"].parameters())
    adams = {"vae": torch.optim.Adam(vae, rate, fused=True), "discriminator": torch.optim.Adam(discriminator, rate, fused=True)}
    first = _load_moments(adams, resume) if resume is not None else 0

    counts = tuple(min(minibatch, len(part)) for part in positions)
    steps = max(1, (len(positions[0]) + min(epoch_rows, len(positions[1]))) // minibatch)
    for epoch in range(first, epochs):
        rng = seeds.generator(seed, "vaal", epoch)
        drawn = positions[0], rng.choice(positions[1], min(epoch_rows, len(positions[1])), replace=False)
        streams = [_stream(part, steps * vae_steps * count, rng) for part, count in zip(drawn, counts, strict=True)]
        vaal.nets.train()
        totals = torch.zeros(3, dtype=torch.float32, device=device)
        for step in range(steps):
            for turn in range(step * vae_steps, (step + 1) * vae_steps):
                chosen = np.concatenate([part[turn * size : (turn + 1) * size] for part, size in zip(streams, counts, strict=True)])
                noise = torch.from_numpy(rng.standard_normal((len(chosen), latent), np.float32)).to(device)
                r: tuple[torch.Tensor | None, torch.Tensor | None] = None, None
                if predicted is not None:
                    told = (rng.random(len(chosen), np.float32),) * 2 if epoch == 0 else vaal.told(predicted[chosen])
                    r = torch.from_numpy(told[0]).to(device), torch.from_numpy(told[1]).to(device)
                # One batch of both kinds: with one each, normalisation would take away what tells them apart.
                x = vaal.standardised(rows.batch(chosen).to(device, non_blocking=True))
                mu, logvar = vaal.nets["encoder"](x).chunk(2, 1)
                decoded = vaal.nets["decoder"](joined(mu + noise * (logvar / 2).exp(), r[0]))
                losses = vae_loss(x, decoded, mu, logvar, beta, mean_loss)
                logits = vaal.nets["discriminator"](joined(mu, r[1])).squeeze(1)
                total = losses[: counts[0]].mean() + losses[counts[0] :].mean()
                total = total + adversary * adversarial_loss(logits[: counts[0]], logits[counts[0] :])
                _descend(adams["vae"], total, vae)
            with torch.no_grad():
                mu, _ = vaal.nets["encoder"](x).chunk(2, 1)
            logits = vaal.nets["discriminator"](joined(mu, r[1])).squeeze(1)
            apart = discriminator_loss(logits[: counts[0]], logits[counts[0] :])
            _descend(adams["discriminator"], apart, discriminator)
            right = (logits[: counts[0]] > 0).float().mean() + (logits[counts[0] :] <= 0).float().mean()
            totals += torch.stack([total.detach(), apart.detach(), right / 2])
        means = (totals / steps).tolist()
        if not all(map(math.isfinite, (*means, total.item(), apart.item()))):
            raise InputError(f"VAAL diverged in epoch {epoch + 1}: its loss is not finite", "give VAAL a lower rate")
        for name, value in zip(CURVE, means, strict=True):
            curve[name].append(value)
        if progress:
            progress(1)
        if checkpoint:
            checkpoint(epoch + 1, partial(_state, replace(vaal, curve=curve), adams, epoch + 1))
    return replace(vaal, curve=curve)


def _descend(adam: torch.optim.Adam, loss: torch.Tensor, parameters: Sequence[nn.Parameter]) -> None:
    """One step of these parameters alone: the discriminator gets no gradient from the VAE's loss, nor the other way round."""
    import torch

    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    adam.step()


def _stream(positions: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """int64 (count,): the positions shuffled, again and again."""
    return np.concatenate([rng.permutation(positions) for _ in range(-(-count // len(positions)))])[:count]


def _sample(predicted: np.ndarray) -> np.ndarray:
    """float32 (m,): the ranks of a pool (n,) in order, of more than SAMPLE evenly spread ones."""
    ordered = np.sort(predicted.astype(np.float32))
    return ordered if len(ordered) <= SAMPLE else ordered[np.linspace(0, len(ordered) - 1, SAMPLE).astype(np.int64)]


def _statistics(rows: Rows, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (1 where it is 0) of each column of features, float32 (D,), or of each channel of images, float32 (C,),
    of which at most SAMPLE are looked at."""
    import torch

    places = np.arange(len(rows))
    if len(shape) > 1 and len(rows) > SAMPLE:
        places = np.linspace(0, len(rows) - 1, SAMPLE).astype(np.int64)
    step = 8192 if len(shape) == 1 else max(1, 2**24 // math.prod(shape))
    parts = [places[start : start + step] for start in range(0, len(places), step)]

    def means(of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """The means over rows and pixels, float64 (D,) or (C,)."""
        each = (of(rows.batch(part).cpu().double().reshape(len(part), shape[0], -1)).mean(2).sum(0) for part in parts)
        return torch.stack(list(each)).sum(0) / len(places)

    mean = means(lambda values: values)
    scale = means(lambda values: (values - mean[:, None]).square()).sqrt()
    if not bool(torch.isfinite(scale).all()):
        raise InputError("VAAL: the features hold NaN or infinity", "leave these rows out")
    scale[scale == 0] = 1
    return mean.float(), scale.float()


def _nets(shape: Sequence[int], sizes: tuple[int, int, int], seed: int) -> nn.ModuleDict:
    """Encoder to (mu, logvar), decoder and discriminator, with weights of this seed; torch's global generator is left as it was.

    Convolutions halve an image until its smaller side is at most 3 pixels (32: 16, 8, 4, 2), doubling the channels up to 8 x `width`.
    """
    import torch
    from torch import nn

    latent, width, conditioned = sizes[0], sizes[1], bool(sizes[2])
    units = 4 * width
    encoder: list[nn.Module] = []
    decoder: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if len(shape) == 1:
            encoder = [nn.Linear(shape[0], units), nn.ReLU(), nn.Linear(units, 2 * latent)]
            decoder = [nn.Linear(latent + conditioned, units), nn.ReLU(), nn.Linear(units, shape[0])]
        else:
            channels, height, breadth = shape
            while min(height, breadth) > 3:
                more = width if not encoder else min(2 * channels, 8 * width)
                encoder += [nn.Conv2d(channels, more, 4, 2, 1, bias=False), nn.BatchNorm2d(more), nn.ReLU()]
                back = nn.ConvTranspose2d(more, channels, 4, 2, 1, (height % 2, breadth % 2), bias=not decoder)
                decoder = [back, *([nn.BatchNorm2d(channels), nn.ReLU(), *decoder] if decoder else [])]
                channels, height, breadth = more, height // 2, breadth // 2
            inner = (channels, height, breadth)
            encoder += [nn.Flatten(), nn.Linear(math.prod(inner), 2 * latent)]
            decoder = [nn.Linear(latent + conditioned, math.prod(inner)), nn.Unflatten(1, inner), *decoder]
        layers = [nn.Linear(latent + conditioned, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, 1)]
    return nn.ModuleDict(dict(zip(NETS, (nn.Sequential(*part) for part in (encoder, decoder, layers)), strict=True)))


def _state(vaal: Vaal, adams: Mapping[str, torch.optim.Adam], done: int) -> dict[str, np.ndarray]:
    """The weights, what Adam remembers, and the number of epochs done."""
    kept = vaal.tensors() | {"epochs": np.array(done), **{f"curve.{name}": np.array(values) for name, values in vaal.curve.items()}}
    for name, adam in adams.items():
        for number, moments in adam.state_dict()["state"].items():
            kept |= {f"adam.{name}.{number}.{key}": value.cpu().numpy().copy() for key, value in moments.items()}
    return kept


def _load_moments(adams: Mapping[str, torch.optim.Adam], tensors: Tensors) -> int:
    """Let Adam remember what `_state` kept. Returns the number of epochs done."""
    import torch

    for name, adam in adams.items():
        held = adam.state_dict()
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"adam.{name}."):
                number, moment = key.split(".")[2:]
                state.setdefault(int(number), {})[moment] = torch.as_tensor(value)
        adam.load_state_dict({"state": state, "param_groups": held["param_groups"]})
    return int(tensors["epochs"])
