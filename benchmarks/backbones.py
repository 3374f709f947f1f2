"""Races the pipeline of `altool embed` against a plain loop over the same library: `python -m benchmarks.backbones [timm clip]`.

Both embed the same JPEG images by the same network, with random weights and minibatches of one size, in turn in one process and one
thread. The plain loop is what the libraries' pages show: PIL, the library's transform image by image, the network in inference mode.
altool's reads, digests and decodes within the process here; the command leaves that to worker processes. Printed are images per second of
the processor, medians, and the median of the ratios of neighbours: others' work on the machine slows both alike. The vectors must agree.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from altool import backbones
from altool.payloads import pipeline

NETWORKS = {"torchvision": "resnet18", "timm": "timm:resnet18", "clip": "clip:ViT-B-32"}
MINIBATCH = 16


def images(rows: int) -> list[bytes]:
    """JPEG images of 320 x 240 pixels: blurred noise, of about as many bytes as photographs."""
    draw = np.random.default_rng(0)
    encoded = []
    for _ in range(rows):
        image = Image.fromarray(draw.integers(0, 256, (30, 40, 3), np.uint8)).resize((320, 240), Image.Resampling.BICUBIC)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=90)
        encoded.append(stream.getvalue())
    return encoded


def library(name: str) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]:
    """The network without its head, what makes vectors with it, and the transform of its weights, as the library has them."""
    net: Any
    if name == "torchvision":
        from torchvision import models

        net = models.resnet18()
        net.fc = torch.nn.Identity()
        return net, net, models.ResNet18_Weights.DEFAULT.transforms()
    if name == "timm":
        import timm

        net = timm.create_model("resnet18", num_classes=0)
        return net, net, timm.data.create_transform(**timm.data.resolve_data_config({}, model=net), is_training=False)
    import open_clip

    net, _, transform = open_clip.create_model_and_transforms("ViT-B-32")
    return net, net.encode_image, transform


def plain(forward: Callable[[Any], Any], transform: Callable[[Any], Any], encoded: Sequence[bytes]) -> np.ndarray:
    """The plain loop."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(encoded), MINIBATCH):
            opened = [Image.open(io.BytesIO(image)).convert("RGB") for image in encoded[start : start + MINIBATCH]]
            found.append(forward(torch.stack([transform(image) for image in opened])).flatten(1).numpy())
    return np.concatenate(found)


def embed(encoder: Any, encoded: Sequence[bytes]) -> np.ndarray:
    """altool's."""
    shards = pipeline.run(encoder, [encoded], len(encoded), shard_rows=len(encoded), workers=0)
    return np.concatenate([shard.vectors for shard in shards])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*NETWORKS])
    parser.add_argument("--rows", type=int, default=2 * MINIBATCH)
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    encoded = images(given.rows)
    for name in given.names:
        encoder: Any = backbones.create(NETWORKS[name], weights="none", device="cpu", minibatch=MINIBATCH)
        encoder.prepare(None)
        encoder.threads = 1
        torch.set_num_threads(1)
        net, forward, transform = library(name)
        net.eval().load_state_dict(encoder.net.state_dict())
        runs: dict[str, Callable[[], np.ndarray]] = {
            "altool": lambda encoder=encoder: embed(encoder, encoded),
            "plain": lambda forward=forward, transform=transform: plain(forward, transform, encoded),
        }
        own, other = (run() for run in runs.values())  # the first of each is not timed
        rates: dict[str, list[float]] = {who: [] for who in runs}
        for _ in range(given.repeats):
            for who, run in runs.items():
                start = time.process_time()
                run()
                rates[who].append(given.rows / (time.process_time() - start))
        ratios = sorted(one / two for one, two in zip(rates["altool"], rates["plain"], strict=True))
        shown = ", ".join(f"{who} {statistics.median(values):.1f}" for who, values in rates.items())
        print(
            f"{NETWORKS[name]}: {shown} images per processor second, altool {statistics.median(ratios):.2f} times the plain loop "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}); largest difference {np.abs(own - other).max():.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
