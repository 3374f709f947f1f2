"""Races `altool embed` against a plain loop over the same library: `python -m benchmarks.backbones [torchvision timm clip]`.

Both embed the same JPEG images by the same network, with random weights and minibatches of one size, on the processor, as whole processes
in turn. The plain loop is what the libraries' pages show: PIL, the library's transform image by image, the network in inference mode. What
a run of few images takes is subtracted from one of many, so that neither's start counts; and torch works in one thread, as the others of a
busy machine would be counted while they wait. Printed are images per second of the processor
(user + system, with those of worker processes), medians, and the median of the ratios of the pairs.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

NETWORKS = {"torchvision": "resnet18", "timm": "timm:resnet18", "clip": "clip:ViT-B-32"}
MINIBATCH = 16


def items(path: Path, rows: int) -> None:
    """JPEG images of 320 x 240 pixels: blurred noise, which is about as large as photographs are."""
    draw = np.random.default_rng(0)
    encoded = []
    for _ in range(rows):
        image = Image.fromarray(draw.integers(0, 256, (30, 40, 3), np.uint8)).resize((320, 240), Image.Resampling.BICUBIC)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=90)
        encoded.append(stream.getvalue())
    pq.write_table(pa.table({"id": [f"i{row:06d}" for row in range(rows)], "image": encoded}), path)


def library(name: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The network without its head, and the transform of its weights, as the library has them."""
    if name == "torchvision":
        import torch
        from torchvision import models

        net = models.resnet18()
        net.fc = torch.nn.Identity()
        return net.eval(), models.ResNet18_Weights.DEFAULT.transforms()
    if name == "timm":
        import timm

        net = timm.create_model("resnet18", num_classes=0)
        return net.eval(), timm.data.create_transform(**timm.data.resolve_model_data_config(net), is_training=False)
    import open_clip

    net, _, transform = open_clip.create_model_and_transforms("ViT-B-32")
    return net.eval().encode_image, transform


def plain(name: str, path: Path) -> None:
    """The plain loop."""
    import torch

    forward, transform = library(name)

    def vectors() -> Iterator[np.ndarray]:
        for batch in pq.ParquetFile(path).iter_batches(MINIBATCH, columns=["image"]):
            images = [transform(Image.open(io.BytesIO(image)).convert("RGB")) for image in batch.column(0).to_pylist()]
            yield forward(torch.stack(images)).flatten(1).numpy()

    with torch.inference_mode():
        np.save(path.with_suffix(".npy"), np.concatenate(list(vectors())))


def seconds(command: list[str]) -> float:
    """Of the processor, for a process and its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*NETWORKS])
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plain:
        plain(given.names[0], given.plain)
        return
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.parquet"), Path(folder, "many.parquet")
        items(few, MINIBATCH)
        items(many, given.rows + MINIBATCH)
        for name in given.names:
            options = ["--backbone", NETWORKS[name], "--weights", "none", "--minibatch", str(MINIBATCH), "--device", "cpu", "--overwrite"]
            output = str(Path(folder, "features.parquet"))
            runs: dict[str, Callable[[Path], list[str]]] = {
                "altool": lambda path, more=options, output=output: [
                    *(sys.executable, "-m", "altool", "embed", "--items", str(path), "-o", output, *more)
                ],
                "plain": lambda path, name=name: [sys.executable, "-m", "benchmarks.backbones", name, "--plain", str(path)],
            }
            rates: dict[str, list[float]] = {who: [] for who in runs}
            for _ in range(given.repeats):
                for who, command in runs.items():
                    start = seconds(command(few))
                    rates[who].append(given.rows / (seconds(command(many)) - start))
            ratio = statistics.median(own / other for own, other in zip(rates["altool"], rates["plain"], strict=True))
            shown = ", ".join(f"{who} {statistics.median(values):.1f}" for who, values in rates.items())
            print(f"{name} ({NETWORKS[name]}): {shown} images per processor second; altool {ratio:.2f} times the plain loop", flush=True)


if __name__ == "__main__":
    main()
