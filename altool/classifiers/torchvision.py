"""Any classification network of torchvision or of timm, trained on images: from its published weights, from a file's, or from scratch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from altool import seeds
from altool.backbones.sources import source_of
from altool.backbones.timm import is_folder
from altool.engines import device as devices
from altool.errors import UsageError
from altool.models import network, ranker, softmax, training
from altool.models import weights as kept
from altool.models.network import Network
from altool.models.pictures import Pictures, middle
from altool.models.shape import Classifier
from altool.models.tensors import take
from altool.options import Option, Say
from altool.payloads.pictures import Recipe
from altool.text import clip

if TYPE_CHECKING:
    from torch import Tensor, nn

SMALL = 32  # pixels of a picture for a small stem
LARGEST = 4096  # pixels of a picture that a model may read
RESIDENT = 0.25  # share of a GPU's free memory that labeled pictures may take; else each minibatch is sent
NETWORKS = "Networks"  # the panel of what all of them take
OPTIONS = (
    *training.OPTIONS,
    Option(
        "weights",
        str,
        "DEFAULT",
        "What training starts from: the library's best, none or a file.",
        words=("DEFAULT", "none"),
        file=True,
        metavar="DEFAULT|none|FILE",
        panel=NETWORKS,
    ),
    Option("frozen", bool, False, "Train the head alone.", panel=NETWORKS),
    Option(
        "stem",
        str,
        "imagenet",
        "imagenet, or small for images of about 32 pixels.",
        choices=("imagenet", "small"),
        metavar="NAME",
        panel=NETWORKS,
    ),
    Option(
        "image_size",
        int,
        None,
        "Images at N x N pixels.",
        low=1,
        shown="the network's own, 32 with a small stem",
        metavar="N",
        panel=NETWORKS,
    ),
    Option(
        "augment",
        str,
        "flip",
        "Augmentation: none, flip, crop or flip,crop.",
        choices=("none", "flip", "crop", "flip,crop"),
        metavar="NAME",
        panel=NETWORKS,
    ),
    Option(
        "crop_border",
        int,
        None,
        "Black pixels around what is cropped.",
        low=0,
        shown="1/8 of the size with a small stem, else 0",
        metavar="N",
        panel=NETWORKS,
    ),
)
DEFAULTS = {option.name: option.default for option in OPTIONS}


def names(of: str = "") -> list[str]:
    """The networks of the library that a name is `of`: timm's, called timm:NAME, for one that begins so, else torchvision's."""
    source, _ = source_of(of)
    return [source.prefix + name for name in source.names()]


def classifier(name: str) -> Classifier | None:
    """The classifier that trains the network `name`, of torchvision or of timm; None where there is no such network. timm alone
    stands for any of its own.

    Raises UsageError for a folder of timm's: a model is read again where that is not.
    """
    if name == "timm":
        return replace(_record("timm:NAME", "Any network of timm on images.", "timm"), settle=_alone)
    source, own = source_of(name)
    if source.prefix and is_folder(own):
        hint = f"give its weights: --classifier {source.prefix}NAME --weights {os.path.join(own, 'model.safetensors')}"
        raise UsageError(f"--classifier {clip(name, 80)}: expected the name of a network, found a folder", hint)
    return _record(name, f"{source.title}'s {own} on images.", source.extra) if source.known(own) else None


def _record(name: str, summary: str, extra: str) -> Classifier:
    return Classifier(
        name=name,
        summary=summary,
        reads="image",
        options=OPTIONS,
        fit=partial(fit, name),
        from_tensors=partial(from_tensors, name),
        head=True,
        deep=True,
        settle=partial(settle, name),
        picture=partial(picture, name),
        extra=extra,
    )


def _alone(options: dict[str, Any], say: Say) -> dict[str, Any]:
    raise UsageError("--classifier timm: expected timm:NAME, found timm alone", "name the network, as timm:resnet18")


def settle(name: str, options: dict[str, Any], say: Say) -> dict[str, Any]:
    """The options, an image size that is not given being that of the network's weights, or 32 for a small stem, and a border that is not
    given an eighth of it, or 0. Raises UsageError where two options contradict each other."""
    source, own = source_of(name)
    small = options["stem"] == "small"
    if options["image_size"] is None:
        options["image_size"] = SMALL if small else source.preset(own).recipe.shape[0]
    if options["crop_border"] is None:
        options["crop_border"] = options["image_size"] // 8 if small else 0
    if small and options["weights"] != "none":
        text = f"{say('stem')} small: no weights fit it, and {say('weights')} is {options['weights']}"
        raise UsageError(text, f"set {say('weights')} to none")
    if options["frozen"] and options["weights"] == "none":
        raise UsageError(f"{say('frozen')}: random weights below the head never learn", f"set {say('weights')} to DEFAULT or a file")
    return training.settle(options, say)


def picture(name: str, options: Mapping[str, Any], margin: bool) -> Recipe:
    """How images become the pictures that `fit` takes, with a `margin` to crop at random, or those that the model reads, without."""
    whole = margin and "crop" in options["augment"]
    return network.picture(name, options["image_size"], options["stem"] == "small", whole=whole)


def fit(
    name: str,
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
    none), is what training starts from. The other options are `OPTIONS`. Raises UsageError as `settle`, and for a `start` of another kind;
    InputError for weights that do not fit.
    """
    import torch
    from torch import nn

    options = settle(name, {**DEFAULTS, **given}, str)
    settings = training.settings_of(options)
    work = work or training.Work()
    device = devices.choose(work.device)
    size, small = options["image_size"], options["stem"] == "small"
    trained, codes = np.unique(labels, return_inverse=True)
    state = seeds.integer(seed, "train", "weights")
    with training.threads(work.threads), training.quiet_random(device):
        body = network.build_body(name, size, small, state, options["weights"] if start is None else "none")
        mean, std = _statistics(name, rows, size, options["weights"]) if start is None else (start[0].mean, start[0].std)
        network.simplify(body)
        taps, widths, last = network.tapped(name, body, size)
        training.seed_torch(state, device)
        head = nn.Linear(widths[-1], len(trained))
        rank = ranker.build(widths[:-1]) if settings.ranker != "none" else None
        if start is not None:
            _copy(name, body, rank, start[0], size, small)
            kept.started(head, *start, trained)
        body.to(device, memory_format=torch.channels_last)
        held = None
        if device.type == "cuda" and rows.nbytes < RESIDENT * torch.cuda.mem_get_info(device)[0]:
            held = torch.from_numpy(np.ascontiguousarray(rows)).to(device)
        flips, crops = "flip" in options["augment"], "crop" in options["augment"]
        means = network.tensor_on(mean, device), network.tensor_on(std, device)
        source: training.Rows = Pictures(rows, size, flips, crops, options["crop_border"], *means, held)
        task = training.task_class()(body, head, settings.dropout, taps, rank, last)
        if options["frozen"]:
            body.requires_grad_(False)
            task.frozen = True
            if options["augment"] == "none" and rank is None:  # what never changes is computed once
                vectors = _vectors(body.eval(), source, settings)
                source, task = training.Matrix(vectors), training.task_class()(nn.Identity(), head, settings.dropout)
        weights = training.class_weights(codes) if balance == "class-weight" else None
        curve = training.train(task, source, codes, settings, weights=weights, seed=seed, work=work, text=f"training {name}")
    top = kept.head_of(trained, head, codes, balance, count)
    body, rank = body.cpu(), None if rank is None else rank.cpu()
    model = Network(name, size, small, mean, std, body, top, settings.dropout, rank, taps, curve=training.rounded(curve))
    network.attach_hooks(model, last)
    return model.on(str(device)), True


def _copy(name: str, body: nn.Module, rank: Any, start: Any, size: int, small: bool) -> None:
    """Start from the weights of another model."""
    if not isinstance(start, Network) or (start.name, start.image_size, start.small) != (name, size, small):
        raise UsageError(f"the model to start from is no {name} for pictures of this size", "give the same options, or start from none")
    body.load_state_dict(start.body.state_dict())
    if rank is not None and start.rank is not None:
        rank.load_state_dict(start.rank.state_dict())


def from_tensors(name: str, tensors: Mapping[str, np.ndarray], count: int) -> Network:
    """The model that `tensors()` came from, for `count` classes. Raises ValueError where they do not fit together."""
    head = softmax.from_tensors(tensors, count)
    mean, std = take(tensors, "mean", "f", (3,)), take(tensors, "std", "f", (3,), 1e-6)
    dropout = float(take(tensors, "dropout", "f", (), 0, 1))
    size, small = take(tensors, "settings", "i", (2,), 0, LARGEST).tolist()
    if not size or small > 1 or dropout == 1:
        raise ValueError("tensor 'settings' or 'dropout' is none of a network's")
    body = network.build_body(name, size, bool(small), 0)
    network.simplify(body)
    kept.fits(body, kept.unprefixed(tensors, "body."))
    taps, widths, last = network.tapped(name, body, size)
    if head.width != widths[-1]:
        raise ValueError("the sizes of its tensors do not fit together")
    rank = None
    if ranks := kept.unprefixed(tensors, "ranker."):
        rank = ranker.build(widths[:-1])
        kept.fits(rank, ranks)
    model = Network(name, size, bool(small), mean, std, body, head, dropout, rank, taps)
    network.attach_hooks(model, last)
    return model.on("cpu")


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
    source, own = source_of(name)
    preset = source.preset(own)
    return np.array(preset.mean, np.float32), np.array(preset.std, np.float32)
