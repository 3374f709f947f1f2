"""Makes the pools that the benchmarks race on: `python -m benchmarks.pools T|S|M|L --out FOLDER`.

FOLDER/POOL/ gets `features` (width 512), `predictions`, `labels` (1,000 rows; 500 for T), `truth` and, but for L, `items`
(texts). Rows: T 5,000, S 50,000, M 200,000, L 1,000,000; classes 10, 10, 100, 100. The features are a mixture of one cluster
per class (class prior geometric, 1:100), each with a decaying 64-dimensional spectrum of its own plus isotropic noise; the
probabilities are those of an L2 logistic model fitted on the labeled rows.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

POOLS = {"T": (5_000, 10, 500), "S": (50_000, 10, 1000), "M": (200_000, 100, 1000), "L": (1_000_000, 100, 1000)}  # rows, classes, labels
WIDTH = 512
RANK = 64
SPREAD = {10: 0.16, 100: 0.28}  # of the cluster means, so that the model errs on 10 to 20 % of the pool
GROUP = 65_536


def clusters(seed: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (classes, WIDTH) and factor (classes, RANK, WIDTH) of each cluster, and its share."""
    draw = np.random.default_rng(seed)
    shared = np.linalg.qr(draw.standard_normal((WIDTH, RANK)))[0].T
    means = (draw.standard_normal((classes, RANK)) * SPREAD[classes] @ shared).astype(np.float32)
    spectrum = (2.2 * np.arange(1, RANK + 1) ** -0.5).astype(np.float32)
    factors = np.empty((classes, RANK, WIDTH), np.float32)
    for class_ in range(classes):  # half in the shared subspace, rotated, half in one of its own
        rotation = np.linalg.qr(draw.standard_normal((RANK, RANK)))[0]
        own = np.linalg.qr(draw.standard_normal((WIDTH, RANK)))[0].T
        factors[class_] = (0.8 * rotation @ shared + 0.6 * own) * spectrum[:, None]
    prior = 100.0 ** (-np.arange(classes) / (classes - 1))
    return means, factors, prior / prior.sum()


def rows_of(draw: np.random.Generator, labels: np.ndarray, means: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """float32 (n, WIDTH): a row of each label's cluster."""
    rows = np.empty((len(labels), WIDTH), np.float32)
    for class_ in np.unique(labels):
        mine = np.flatnonzero(labels == class_)
        rows[mine] = draw.standard_normal((len(mine), RANK), dtype=np.float32) @ factors[class_] + means[class_]
    rows += 0.12 * draw.standard_normal(rows.shape, dtype=np.float32)
    return rows


def fit(rows: np.ndarray, labels: np.ndarray, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and bias of an L2 logistic model."""
    x, y = torch.from_numpy(rows), torch.from_numpy(labels)
    weights, bias = torch.zeros(classes, WIDTH, requires_grad=True), torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS([weights, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weights.T + bias, y) + 0.5e-3 * (weights**2).sum()
        loss.backward()
        return loss

    solver.step(closure)
    return weights.detach(), bias.detach()


def texts(draw: np.random.Generator, labels: np.ndarray, vocabulary: int = 30_000) -> list[str]:
    """Texts of 8 to 39 words, one in seven of them of the label's own 50."""
    zipf = 1.0 / np.arange(1, vocabulary + 1) ** 1.05
    lengths = draw.integers(8, 40, len(labels))
    words = draw.choice(vocabulary, lengths.sum(), p=zipf / zipf.sum())
    own = draw.random(lengths.sum()) < 0.15
    words = np.where(own, vocabulary + np.repeat(labels, lengths) * 50 + words % 50, words)
    return [" ".join(f"w{word}" for word in part) for part in np.split(words, np.cumsum(lengths)[:-1])]


def matrix(rows: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", choices=list(POOLS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    count, classes, labeled = POOLS[options.pool]
    folder = options.out / options.pool
    folder.mkdir(parents=True, exist_ok=True)
    means, factors, prior = clusters(options.seed, classes)
    draw = np.random.default_rng(options.seed + 1)
    first = np.concatenate([np.repeat(np.arange(classes), 3), draw.choice(classes, labeled - 3 * classes, p=prior)]).astype(np.int64)
    rows = rows_of(draw, first, means, factors)
    weights, bias = fit(rows, first, classes)
    names = [f"class-{class_:03d}" for class_ in range(classes)]
    metadata = {"altool.kind": "predictions", "altool.classes": json.dumps(names)}
    writers: dict[str, pq.ParquetWriter] = {}

    def put(name: str, table: pa.Table) -> None:
        if name not in writers:
            large = name in ("features", "predictions")
            writers[name] = pq.ParquetWriter(
                folder / f"{name}.parquet", table.schema, compression="NONE" if large else "ZSTD", use_dictionary=not large
            )
        writers[name].write_table(table, row_group_size=GROUP)

    def write(ids: list[str], rows: np.ndarray, labels: np.ndarray) -> None:
        probabilities = torch.softmax(torch.from_numpy(rows) @ weights.T + bias, 1).numpy()
        put("features", pa.table({"id": ids, "features": matrix(rows)}))
        put("predictions", pa.table({"id": ids, "probabilities": matrix(probabilities)}).replace_schema_metadata(metadata))
        put("truth", pa.table({"id": ids, "label": [names[label] for label in labels]}))
        if options.pool != "L":
            put("items", pa.table({"id": ids, "text": texts(draw, labels)}))

    ids = [f"lab-{number:08d}" for number in range(labeled)]
    write(ids, rows, first)
    known = {"id": ids, "label": [names[label] for label in first], "source": ["seed"] * labeled}
    put("labels", pa.table({**known, "round": pa.array([0] * labeled, pa.int32())}))
    for start in range(0, count, GROUP):
        size = min(GROUP, count - start)
        labels = draw.choice(classes, size, p=prior).astype(np.int64)
        write([f"row-{number:08d}" for number in range(start, start + size)], rows_of(draw, labels, means, factors), labels)
    for writer in writers.values():
        writer.close()


if __name__ == "__main__":
    main()
