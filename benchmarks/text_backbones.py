"""What the text backbones, and images through onnx, cost beside a plain loop over the same library, in one run: rows per processor second.

    python -m benchmarks.text_backbones [ROWS] [st] [hf] [onnx]

The models have random weights and the sizes of small well-known ones (six layers, 384 wide, as all-MiniLM-L6-v2). The loops are what one
writes first: `model.encode(texts, batch_size=32)`, which sorts by length itself; tokenizer and model on 32 texts at a time; and an image at
a time decoded, 16 at a time run. The vectors must agree.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import tiny

from altool.backbones import create
from altool.payloads import pipeline
from altool.payloads.shape import Payload

SIZES = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
LENGTHS = (3.3, 0.8)  # mean and deviation of the logarithm of the words of a text: most have 10 to 60, few some hundred


def texts(rows: int) -> list[str]:
    draw = np.random.default_rng(0)
    counts = np.clip(np.exp(draw.normal(*LENGTHS, rows)), 1, 400).astype(int)
    return [" ".join(draw.choice(tiny.WORDS, count)) for count in counts]


def images(rows: int) -> list[bytes]:
    from PIL import Image

    draw = np.random.default_rng(0)
    found = []
    for _ in range(rows):
        stream = io.BytesIO()
        Image.fromarray(draw.integers(0, 256, (48, 64, 3), np.uint8)).resize((320, 240)).save(stream, "JPEG")
        found.append(stream.getvalue())
    return found


def ours(name: str, rows: list[Any], **options: Any) -> Callable[[], np.ndarray]:
    encoder = create(name, device="cpu", **options)
    encoder.prepare(None)  # type: ignore[arg-type]

    def run() -> np.ndarray:
        batches: Iterator[list[Payload]] = iter([rows])
        shards = pipeline.run(encoder, batches, len(rows), shard_rows=4096, workers=0)
        return np.concatenate([shard.vectors for shard in shards])

    return run


def plain_st(folder: Path, rows: list[str]) -> Callable[[], np.ndarray]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return lambda: model.encode(rows, batch_size=32, show_progress_bar=False)


def plain_hf(folder: Path, rows: list[str]) -> Callable[[], np.ndarray]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)

    def run() -> np.ndarray:
        found = []
        for start in range(0, len(rows), 32):
            given = tokenizer(rows[start : start + 32], padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                states = model(**given).last_hidden_state
            mask = given["attention_mask"][:, :, None].float()
            found.append(((states * mask).sum(1) / mask.sum(1)).numpy())
        return np.concatenate(found)

    return run


def onnx_network(file: Path) -> Path:
    """Four convolutions of 64 channels on 56 x 56 places of 224 x 224 pixels, as the first stage of a ResNet-18."""
    from onnx import helper

    draw = np.random.default_rng(1)
    values = {"stem": draw.normal(size=(64, 3, 4, 4)).astype(np.float32) / 7}
    nodes = [helper.make_node("Conv", ["pixels", "stem"], ["map0"], strides=[4, 4])]
    for layer in range(4):
        values[f"kernel{layer}"] = draw.normal(size=(64, 64, 3, 3)).astype(np.float32) / 24
        nodes.append(helper.make_node("Conv", [f"map{layer}", f"kernel{layer}"], [f"sum{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"sum{layer}"], [f"map{layer + 1}"]))
    nodes.append(helper.make_node("ReduceMean", ["map4"], ["vector"], axes=[2, 3], keepdims=0))
    return tiny.onnx_file(file, {"pixels": ("n", 3, 224, 224)}, {"vector": ("n", 64)}, nodes, values)


def plain_onnx(file: Path, rows: list[bytes]) -> Callable[[], np.ndarray]:
    import onnxruntime
    from PIL import Image

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)

    def pixels(data: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        image = image.resize((256 * image.width // image.height, 256), Image.Resampling.BILINEAR)
        left, top = round((image.width - 224) / 2), 16
        found = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
        return ((found - mean) / std).transpose(2, 0, 1)

    def run() -> np.ndarray:
        steps = range(0, len(rows), 16)
        return np.concatenate([session.run(None, {"pixels": np.stack([*map(pixels, rows[at : at + 16])])})[0] for at in steps])

    return run


def report(name: str, rows: int, plain: Callable[[], np.ndarray], own: Callable[[], np.ndarray], times: int = 2) -> None:
    """Print the best processor seconds of both, which run in turn."""
    best = [np.inf, np.inf]
    for _ in range(times):
        results = []
        for place, run in enumerate((plain, own)):
            start = time.process_time()
            results.append(run())
            best[place] = min(best[place], time.process_time() - start)
    (before, after), (wanted, found) = best, results
    apart = float(np.abs(found - wanted).max())
    assert apart < 1e-4, f"{name}: the vectors differ by {apart}"
    rates = f"plain loop {rows / before:8.1f} rows/s   altool {rows / after:8.1f} rows/s   {before / after:5.2f} x"
    print(f"{name:<12} {rates}   apart {apart:.1e}", flush=True)


def main() -> None:
    import torch

    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    wanted = sys.argv[2:] or ["st", "hf", "onnx"]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if {"st", "hf"} & {*wanted}:
            sentences, some = tiny.sentences(folder / "st", longest=512, sizes=SIZES), texts(rows)
        if "st" in wanted:
            report("st", rows, plain_st(sentences, some), ours(f"st:{sentences}", some))
        if "hf" in wanted:
            report("hf", rows, plain_hf(folder / "st-inner", some), ours(f"hf:{folder / 'st-inner'}", some))
        if "onnx" in wanted:
            pictures = images(max(rows // 32, 2) * 16)  # whole minibatches, as but for the last those of a large pool are
            options = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "resize": 256}
            file = onnx_network(folder / "model.onnx")
            report("onnx, images", len(pictures), plain_onnx(file, pictures), ours(f"onnx:{file}", pictures, **options), times=6)


if __name__ == "__main__":
    main()
