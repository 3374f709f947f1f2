"""TA-VAAL, Figure 5: active learning for segmentation with altool, whose commands see vectors and losses alone.

    python papers/ta-vaal/fig5_segmentation.py --small -o papers/out/ta-vaal-fig5

Cityscapes and DRN-D-22 are out of reach of a laptop, so the pictures are made here: shapes on textures, of which one kind is in most
pictures and the last in few. Each round a small encoder and decoder is trained from scratch on the labeled pictures; its hidden layers
(means over places) and its losses on the labeled pictures go to Parquet files, `altool train --classifier loss-ranker`, `score` and
`select` choose the next pictures from these, and the mean IoU (intersection over union, over all classes) is measured on test pictures.

Writes rounds.jsonl (a line per strategy, seed and round, as they come: a run that was stopped goes on), history.parquet (for `altool
compare`, whose f1 of a class of pixels is its Dice coefficient) and table.md into the folder. The same arguments give the same rows.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from altool import cli

CLASSES = ("background", "disc", "square", "triangle", "ring", "cross")
SHARES = (0.5, 0.25, 0.13, 0.07, 0.05)  # of the shapes
COLORS = np.array([[200, 60, 60], [60, 190, 70], [70, 80, 210], [210, 190, 60], [180, 70, 190]])
# What each strategy trains beside the network, and how it chooses.
STRATEGIES: dict[str, tuple[tuple[str, ...] | None, str]] = {
    "random": (None, "random"),
    "coreset": (None, "coreset"),
    "learning-loss": (("--ranker", "loss"), "learning-loss"),
    "vaal": (("--vaal", "vaal"), "vaal"),
    "ta-vaal": (("--ranker", "ranking", "--vaal", "ta-vaal"), "ta-vaal"),
}


class Size(NamedTuple):
    """How large an experiment is."""

    pool: int
    test: int
    side: int
    seed_size: int
    rounds: int
    steps: int
    width: int
    vaal_epochs: int


SMALL = Size(600, 200, 32, 40, 4, 250, 12, 30)
WHOLE = Size(3_000, 500, 64, 200, 6, 4_000, 32, 100)
MINIBATCH = 12


# Pictures


def pictures(count: int, side: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, S, S, 3), of one to three shapes on a texture, and the class of each pixel uint8 (n, S, S)."""
    rows, columns = np.mgrid[:side, :side]
    images, masks = np.empty((count, side, side, 3), np.uint8), np.zeros((count, side, side), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        texture = np.sin(rows * draw.uniform(0.2, 1.5) + columns * draw.uniform(-1.5, 1.5) + draw.uniform(0, 6))
        painted = draw.uniform(40, 215, 3) + texture[..., None] * draw.uniform(5, 50, 3)
        for _ in range(draw.integers(1, 4)):
            kind = int(draw.choice(len(SHARES), p=SHARES)) + 1
            inside = shape(kind, rows, columns, draw.uniform(0.15, 0.85, 2) * side, draw.uniform(0.12, 0.3) * side)
            mask[inside] = kind
            painted[inside] = COLORS[kind - 1] + draw.uniform(-55, 55, 3) + texture[inside, None] * draw.uniform(0, 25, 3)
        image[:] = np.clip(painted + draw.normal(0, draw.uniform(2, 25), painted.shape), 0, 255)
    return images, masks


def shape(kind: int, rows: np.ndarray, columns: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """bool (S, S): the pixels inside a shape of the class."""
    y, x = rows - centre[0], columns - centre[1]
    far, box = np.hypot(y, x), np.maximum(abs(y), abs(x))
    return {
        "disc": far < radius,
        "square": box < radius * 0.85,
        "triangle": (y < radius * 0.8) & (y > 2 * abs(x) - radius),
        "ring": (far < radius) & (far > radius * 0.4),
        "cross": (box < radius) & (np.minimum(abs(y), abs(x)) < radius * 0.4),
    }[CLASSES[kind]]


# The task's network


class Net(nn.Module):
    """An encoder of four layers, each half as large as the one before, and a decoder that sees them all and stops at half the size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 4 * width]
        self.down = nn.ModuleList(block(before, after) for before, after in pairwise(widths))
        self.up = nn.ModuleList(block(widths[place] + widths[place - 1], widths[place - 1]) for place in (4, 3, 2))
        self.head = nn.Conv2d(width, len(CLASSES), 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits (n, K, S, S), and the outputs of the encoder's layers."""
        hidden = [self.down[0](functional.avg_pool2d(images, 2))]
        for layer in self.down[1:]:
            hidden.append(layer(functional.max_pool2d(hidden[-1], 2)))
        values = hidden[-1]
        for layer, skipped in zip(self.up, hidden[-2::-1], strict=True):
            values = layer(torch.cat([functional.interpolate(values, scale_factor=2), skipped], 1))
        return functional.interpolate(self.head(values), scale_factor=2, mode="bilinear"), hidden


def block(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class Torchvision(nn.Module):
    """A segmentation network of torchvision, as fcn_resnet50 or lraspp_mobilenet_v3_large, from random weights."""

    def __init__(self, name: str) -> None:
        super().__init__()
        from torchvision.models import segmentation

        self.net = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=len(CLASSES))
        self.seen: list[torch.Tensor] = []
        layers = [layer for name, layer in self.net.backbone.named_children() if name.startswith("layer")]
        for layer in layers or list(self.net.backbone.children())[-4:]:
            layer.register_forward_hook(lambda module, given, made: self.seen.append(made))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """As `Net`."""
        self.seen.clear()
        return self.net(images)["out"], list(self.seen)


def learn(images: torch.Tensor, masks: torch.Tensor, size: Size, seed: int, network: str) -> tuple[nn.Module, np.ndarray]:
    """The network trained on these pictures, and the loss of each, float64 (n,): its mean over the second half of the steps, which
    tells hard pictures from easy ones where the last losses are all near 0."""
    torch.manual_seed(seed)
    draw = np.random.default_rng([seed, len(images)])
    net = Net(size.width) if network == "small" else Torchvision(network)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, size.steps)
    order = np.concatenate([draw.permutation(len(images)) for _ in range(-(-size.steps * MINIBATCH // len(images)))])
    losses, seen = np.zeros(len(images)), np.zeros(len(images))
    counts = torch.bincount(masks.flatten(), minlength=len(CLASSES)).float()
    weights = (counts.max() / counts.clamp(min=1)).sqrt()
    net.train()
    for step in range(size.steps):
        part = np.unique(order[step * MINIBATCH : (step + 1) * MINIBATCH])
        x, y = images[part], masks[part]
        if draw.random() < 0.5:
            x, y = x.flip(-1), y.flip(-1)
        each = functional.cross_entropy(net(x)[0], y, weights, reduction="none").mean((1, 2))
        optimizer.zero_grad(set_to_none=True)
        each.mean().backward()
        optimizer.step()
        schedule.step()
        if step >= size.steps // 2:
            losses[part] += each.detach().numpy()
            seen[part] += 1
    return net.eval(), losses / np.maximum(seen, 1)


@torch.inference_mode()
def see(net: nn.Module, images: torch.Tensor) -> Iterator[tuple[torch.Tensor, list[np.ndarray]]]:
    """The logits of 100 pictures at a time, and the means over places of the hidden layers."""
    for part in images.split(100):
        logits, hidden = net(part)
        yield logits, [values.mean((2, 3)).numpy() for values in hidden]


def confusion(net: nn.Module, images: torch.Tensor, masks: torch.Tensor) -> np.ndarray:
    """int64 (K, K): how many test pixels of a class are said to be of another."""
    found = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    for (logits, _), truth in zip(see(net, images), masks.split(100), strict=True):
        np.add.at(found, (truth.numpy().ravel(), logits.argmax(1).numpy().ravel()), 1)
    return found


# The rounds


def altool(folder: Path, *words: object) -> None:
    """Run `altool WORDS` in the folder: in a fork of this process, as in a shell but for the seconds that importing torch takes."""
    process = get_context("fork").Process(target=_altool, args=(folder, list(map(str, words))))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"altool {' '.join(map(str, words))}: status {process.exitcode}")


def _altool(folder: Path, words: list[str]) -> None:
    os.chdir(folder)
    sys.argv = ["altool", *words, "--overwrite", "--threads", "1", "--quiet"]
    cli.main()


def choose(strategy: str, budget: int, net: nn.Module, given: dict[str, Any], seed: int, size: Size, folder: Path) -> dict[str, Any]:
    """Let altool choose the next pictures: their places as `chosen`; with a ranker also how well it orders the other pictures."""
    images, labeled = given["images"], given["labeled"]
    names = [f"{place:05d}" for place in range(len(images))]
    parts, losses = [], []
    start = 0
    for logits, hidden in see(net, images):
        parts.append(hidden)
        truth = given["masks"][start : start + len(logits)]
        losses.append(functional.cross_entropy(logits, truth, reduction="none").mean((1, 2)).numpy())
        start += len(logits)
    layers = [np.concatenate(layer) for layer in zip(*parts, strict=True)]
    vectors = np.concatenate(layers, axis=1)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    pq.write_table(pa.table({"id": names, "features": column}), folder / "features.parquet")
    pq.write_table(pa.table({"id": [names[place] for place in labeled], "loss": given["losses"]}), folder / "losses.parquet")
    pq.write_table(pa.table({"id": [names[place] for place in labeled], "label": ["mask"] * len(labeled)}), folder / "labels.parquet")
    trains, name = STRATEGIES[strategy]
    said: dict[str, Any] = {}
    pool = ("--features", "features.parquet")
    if trains is not None:
        widths = ",".join(str(layer.shape[1]) for layer in layers)
        ranker = ("--classifier", "loss-ranker", "--losses", "losses.parquet", "--loss-ranker-layers", widths, *trains)
        vaal = ("--vaal-epochs", size.vaal_epochs, "--vaal-width", 32) if "--vaal" in trains else ()
        items: tuple[object, ...] = ()
        if vaal and given["pixels"] is not None:
            write_images(given["pixels"], names, folder / "items.parquet")
            items, vaal = ("--items", "items.parquet"), (*vaal, "--image-size", size.side)
        altool(folder, "train", *pool, *items, *ranker, *vaal, "--seed", seed, "-o", "model")
        altool(folder, "score", "--model", "model", *pool, *items, "-o", "predictions.parquet")
        predicted = pq.read_table(folder / "predictions.parquet").column("predicted_loss").to_numpy()
        others = np.setdiff1d(np.arange(len(images)), labeled)
        ranks = [values[others].argsort().argsort() for values in (predicted, np.concatenate(losses))]
        said["rank_correlation"] = float(np.corrcoef(*ranks)[0, 1])
        pool = ("--predictions", "predictions.parquet")
    altool(
        folder,
        "select",
        "--strategy",
        name,
        *pool,
        "--labels",
        "labels.parquet",
        "--budget",
        budget,
        "--seed",
        seed,
        "-o",
        "queries.parquet",
    )
    return {**said, "chosen": [int(name) for name in pq.read_table(folder / "queries.parquet").column("id").to_pylist()]}


def write_images(pixels: np.ndarray, names: Sequence[str], path: Path) -> None:
    """A table of items: id, and the picture as PNG."""
    streams = [io.BytesIO() for _ in names]
    for stream, picture in zip(streams, pixels, strict=True):
        Image.fromarray(picture).save(stream, "PNG")
    pq.write_table(pa.table({"id": names, "image": [stream.getvalue() for stream in streams]}), path)


def run(seed: int, strategies: Sequence[str], size: Size, network: str, seen: bool, folder: Path) -> None:
    """All rounds of the strategies with this seed, which begin alike; each line is written when its round is measured."""
    torch.set_num_threads(1)
    draw = np.random.default_rng(seed)
    pool, test = ([torch.from_numpy(part) for part in pictures(count, size.side, draw)] for count in (size.pool, size.test))
    images, tests = (part[0].permute(0, 3, 1, 2).float() / 127.5 - 1 for part in (pool, test))
    masks, truth = pool[1].long(), test[1].long()
    begin = draw.permutation(size.pool)[: size.seed_size]
    path = folder / f"rounds-{seed}.jsonl"
    done = {(line["run"], line["round"]): line for line in read(path)}
    first: tuple[nn.Module, np.ndarray, np.ndarray] | None = None
    for strategy in strategies:
        labeled = begin
        for round_ in range(size.rounds + 1):
            if line := done.get((strategy, round_)):
                labeled = np.concatenate([labeled, np.array(line["chosen"], np.int64)])
                continue
            if round_ or first is None:
                net, losses = learn(images[labeled], masks[labeled], size, seed, network)
                found = confusion(net, tests, truth)
                first = first or ((net, losses, found) if not round_ else None)
            if not round_ and first is not None:
                net, losses, found = first
            right = np.diag(found)
            dice = 2 * right / np.maximum(found.sum(0) + found.sum(1), 1)
            line = {"run": strategy, "repeat": seed, "round": round_, "total": len(labeled), "iou": (dice / (2 - dice)).tolist()}
            line |= {"shares": (np.bincount(masks[labeled].ravel(), minlength=len(CLASSES)) / masks[labeled].numel()).tolist()}
            line["chosen"] = []
            if round_ < size.rounds:
                work = folder / f"work-{seed}"
                work.mkdir(exist_ok=True)
                given = {"images": images, "masks": masks, "labeled": labeled, "losses": losses}
                given["pixels"] = pool[0].numpy() if seen else None
                line |= choose(strategy, size.seed_size, net, given, seed, size, work)
            with open(path, "a") as file:
                file.write(json.dumps(line) + "\n")
            labeled = np.concatenate([labeled, np.array(line["chosen"], np.int64)])


def read(path: Path) -> list[dict[str, Any]]:
    """The lines that are written whole."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# The table


def conclude(folder: Path) -> str:
    """Write history.parquet and table.md of all rounds so far; returns the latter."""
    lines = sorted(
        (line for path in folder.glob("rounds-*.jsonl") for line in read(path)), key=lambda line: (line["repeat"], line["round"])
    )
    runs = [name for name in STRATEGIES if any(line["run"] == name for line in lines)]
    rows = []
    for line in lines:
        iou = np.array(line["iou"])
        f1 = 2 * iou / (1 + iou)
        own = {name: line[name] for name in ("run", "repeat", "round", "total")}
        rows.append({**own, "class": None, "metric": "macro_f1", "value": float(f1.mean())})
        rows += [{**own, "class": name, "metric": "f1", "value": value} for name, value in zip(CLASSES, f1.tolist(), strict=True)]
    history = pa.Table.from_pylist(rows, schema=SCHEMA)
    pq.write_table(history, folder / "history.parquet")
    totals = sorted({line["total"] for line in lines})
    repeats = sorted({line["repeat"] for line in lines})
    table = [f"Mean IoU on the test pictures (per cent), means of {len(repeats)} seeds and their standard deviations.", ""]
    table += [f"| labeled | {' | '.join(runs)} |", f"|---|{'---|' * len(runs)}"]
    for total in totals:
        cells = []
        for name in runs:
            values = [100 * float(np.mean(line["iou"])) for line in lines if line["run"] == name and line["total"] == total]
            cells.append(f"{np.mean(values):.1f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.1f}" if values else "")
        table.append(f"| {total} | {' | '.join(cells)} |")
    gains = []
    for name in runs[1:]:
        pairs = [[area(lines, run, repeat, totals[1:]) for run in (name, "random")] for repeat in repeats]
        gains.append(f"{name} {', '.join(f'{100 * (one - other):+.1f}' for one, other in pairs if one and other)}")
    if "random" in runs[:1]:
        table += ["", f"Mean over the rounds behind the first less random's, per seed, points: {'; '.join(gains)}."]
    told = {name: [line["rank_correlation"] for line in lines if line["run"] == name and "rank_correlation" in line] for name in runs}
    said = [f"{name} {np.mean(values):.2f}" for name, values in told.items() if values]
    table += ["", f"Rank correlation of predicted and real losses on the unlabeled pictures, mean over rounds: {', '.join(said)}."]
    text = "\n".join(table) + "\n"
    (folder / "table.md").write_text(text)
    return text


def area(lines: Sequence[dict[str, Any]], run: str, repeat: int, totals: Sequence[int]) -> float:
    """The mean IoU of a run at these numbers of labels, on average; 0 where it is not there at all of them."""
    found = [line["iou"] for line in lines if (line["run"], line["repeat"]) == (run, repeat) and line["total"] in totals]
    return float(np.mean(found)) if len(found) == len(totals) else 0.0


SCHEMA = pa.schema(
    [
        *(("run", pa.string()), ("repeat", pa.int32()), ("round", pa.int32()), ("total", pa.int64())),
        *(("class", pa.string()), ("metric", pa.string()), ("value", pa.float64())),
    ]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("papers/out/ta-vaal-fig5"), help="the folder of the results")
    parser.add_argument("--small", action="store_true", help="the small form: minutes on a processor")
    parser.add_argument("--seeds", type=int, default=3, help="how many repeats")
    parser.add_argument("--strategies", default=",".join(STRATEGIES), help="which of them, separated by commas")
    parser.add_argument("--network", default="small", help="small, or a segmentation network of torchvision, as fcn_resnet50")
    parser.add_argument("--images", action="store_true", help="VAAL learns from the pictures, as in the paper, not from the hidden layers")
    parser.add_argument("--jobs", type=int, default=1, help="how many seeds run at once")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    more = {"size": SMALL if given.small else WHOLE, "network": given.network, "seen": given.images, "folder": given.output}
    each = partial(run, strategies=given.strategies.split(","), **more)
    with ProcessPoolExecutor(given.jobs) as processes:
        list(processes.map(each, range(given.seeds)))
    print(conclude(given.output))


if __name__ == "__main__":
    main()
