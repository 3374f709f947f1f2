"""Races a network's training and scoring against a plain PyTorch loop: `python -m benchmarks.training [--device cuda]`.

Both train the same network on the same random pictures, from scratch, with flips and crops, SGD and the same precision, in turn in one
process; then both score them. The plain loop is what one would write: a DataLoader, torchvision's transforms, a model in channels_last,
autocast on a GPU. Medians of images per second (on a processor: per second of its own), the
ratio, and on a GPU its utilisation (nvidia-smi) are printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import threading
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from altool.classifiers import torchvision
from altool.engines import device as devices
from altool.engines.local import cores
from altool.models import network, training

STATISTICS = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class Plain(Dataset[tuple[torch.Tensor, int]]):
    """The pictures as a data set with torchvision's transforms."""

    def __init__(self, rows: np.ndarray, labels: np.ndarray, size: int, *, varied: bool) -> None:
        self.rows, self.labels = torch.from_numpy(rows).permute(0, 3, 1, 2).contiguous(), labels
        steps = [v2.RandomCrop(size, padding=size // 8), v2.RandomHorizontalFlip()] if varied else []
        self.transform = v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True), v2.Normalize(*STATISTICS)])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.rows[row]), int(self.labels[row])


def plain_train(net: torch.nn.Module, loader: DataLoader[tuple[torch.Tensor, int]], epochs: int, device: torch.device) -> None:
    dtype = training.amp(device, "auto")
    optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=5e-4)
    net.train()
    for _ in range(epochs):
        for given, labels in loader:
            given = given.to(device, non_blocking=True, memory_format=torch.channels_last)
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                loss = torch.nn.functional.cross_entropy(net(given), labels.to(device, non_blocking=True))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()


def plain_score(net: torch.nn.Module, loader: DataLoader[tuple[torch.Tensor, int]], device: torch.device) -> np.ndarray:
    dtype = training.amp(device, "auto")
    net.eval()
    found = []
    with torch.inference_mode():
        for given, _ in loader:
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                logits = net(given.to(device, non_blocking=True, memory_format=torch.channels_last))
            found.append(logits.float().softmax(1).cpu().numpy())
    return np.concatenate(found)


def seconds(run: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    clock = time.perf_counter if device.type == "cuda" else time.process_time  # others' work on the processor does not count
    start = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


class Utilisation:
    """The mean share of time that the GPU was busy, as nvidia-smi says; None without one."""

    def __init__(self, device: torch.device) -> None:
        self._on, self._found, self._stop = device.type == "cuda", [], threading.Event()

    def _watch(self) -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._stop.wait(0.2):
            self._found.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]))

    def __enter__(self) -> Utilisation:
        self._thread = threading.Thread(target=self._watch)
        if self._on:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._on:
            self._thread.join()

    def __str__(self) -> str:
        return f", GPU busy {statistics.mean(self._found):.0f} %" if self._found else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--stem", default="small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--minibatch", type=int, default=128)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=None, help="of the plain loop's DataLoader; 0, on a GPU one per core up to 8")
    parser.add_argument("--compile", action="store_true", help="of altool's network")
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    device = devices.choose(given.device)
    torch.set_num_threads(given.threads or cores())
    draw = np.random.default_rng(0)
    rows = draw.integers(0, 256, (given.rows, given.size, given.size, 3), np.uint8)
    labels = draw.integers(0, given.classes, given.rows)
    workers = given.workers if given.workers is not None else min(8, cores()) if device.type == "cuda" else 0
    loaders = {
        varied: DataLoader(
            Plain(rows, labels, given.size, varied=varied),
            given.minibatch,
            shuffle=varied,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
        )
        for varied in (True, False)
    }
    options = {
        "weights": "none",
        "stem": given.stem,
        "image_size": given.size,
        "augment": "flip,crop",
        "crop_border": given.size // 8,
        "minibatch": given.minibatch,
        "compile": given.compile,
    }
    architecture = torchvision.classifier(given.network)
    work = training.Work(str(device), given.threads)
    body = network.build_body(given.network, given.size, given.stem == "small", 0)
    width = network.tapped(given.network, body, given.size)[1][-1]
    net = torch.nn.Sequential(body, torch.nn.Flatten(), torch.nn.Linear(width, given.classes))
    net = net.to(device, memory_format=torch.channels_last)
    warm, _ = architecture.fit(rows[: 2 * given.minibatch], labels[: 2 * given.minibatch], given.classes, work, epochs=1, **options)
    plain_train(net, loaders[True], 1, device)
    taken: dict[str, list[float]] = {"train": [], "plain train": [], "score": [], "plain score": []}
    busy: dict[str, list[str]] = {name: [] for name in taken}
    runs: dict[str, Callable[[], object]] = {
        "train": lambda: architecture.fit(rows, labels, given.classes, work, epochs=given.epochs, **options),
        "plain train": lambda: plain_train(net, loaders[True], given.epochs, device),
        "score": lambda: warm.outputs(rows),
        "plain score": lambda: plain_score(net, loaders[False], device),
    }
    for _ in range(given.repeats):
        for name, run in runs.items():
            with Utilisation(device) as used:
                taken[name].append(seconds(run, device))
            busy[name].append(str(used))
    for name, values in taken.items():
        images = given.rows * (given.epochs if "train" in name else 1)
        print(f"{name:12} {images / statistics.median(values):10.0f} images/s{busy[name][-1]}")
    for name in ("train", "score"):
        ratios = [plain / own for own, plain in zip(taken[name], taken[f"plain {name}"], strict=True)]
        print(f"{name}: {statistics.median(ratios):.2f} times as fast as the plain loop")


if __name__ == "__main__":
    main()
