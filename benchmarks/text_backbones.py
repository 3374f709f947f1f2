"""What the text backbones, and images through onnx, cost beside a plain loop over the same library, in one run: rows per processor second.

    python -m benchmarks.text_backbones [ROWS]

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


def measured(run: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Processor seconds of a run, and what it gave; the best of two."""
    best = np.inf
    for _ in range(2):
        start = time.process_time()
        found = run()
        best = min(best, time.process_time() - start)
    return best, found


def report(name: str, rows: int, plain: Callable[[], np.ndarray], own: Callable[[], np.ndarray]) -> None:
    before, wanted = measured(plain)
    after, found = measured(own)
    apart = float(np.abs(found - wanted).max())
    assert apart < 1e-4, f"{name}: the vectors differ by {apart}"
    rates = f"plain loop {rows / before:8.1f} rows/s   altool {rows / after:8.1f} rows/s   {before / after:5.2f} x"
    print(f"{name:<12} {rates}   apart {apart:.1e}", flush=True)


def main() -> None:
    import torch

    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sentences = tiny.sentences(folder / "st", longest=512, sizes=SIZES)
        some = texts(rows)
        report("st", rows, plain_st(sentences, some), ours(f"st:{sentences}", some))
        report("hf", rows, plain_hf(folder / "st-inner", some), ours(f"hf:{folder / 'st-inner'}", some))


if __name__ == "__main__":
    main()
