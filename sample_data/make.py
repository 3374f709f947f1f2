"""Makes the sample projects: `python sample_data/make.py --titles pricerunner.parquet`.

digits/  scikit-learn's handwritten digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0) as 8 x 8 PNG, with a long tail.
titles/  product titles of PriceRunner (UCI Product Classification and Clustering, CC BY 4.0), with a long tail; the table given has
         id, text, label and cluster_id (the product), and no product is both in the pool and in the holdout.

Each gets items.parquet (pool and holdout), classes.txt, holdout.csv (the measured rows' labels) and truth.csv (the pool's labels, as
an annotator would export them). The same seed makes the same files.
"""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
DIGITS_POOL = {1: 140, 7: 130, 0: 120, 4: 100, 6: 80, 9: 60, 3: 40, 2: 25, 5: 16, 8: 12}  # 1 is common, 8 is rare
DIGITS_HOLDOUT = 35  # per class
TITLES_POOL = 1600  # rows of the most frequent class; the k-th class gets 0.6 times those of the one before it
TITLES_HOLDOUT = 60


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.round(pixels * 255 / 16).astype(np.uint8), "L").save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write(folder: Path, ids: list[str], column: str, values: pa.Array, labels: list[str], held: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({"id": ids, column: values}), folder / "items.parquet", compression="zstd")
    (folder / "classes.txt").write_text("".join(name + "\n" for name in sorted(set(labels))), "utf-8")
    for name, wanted in (("holdout", True), ("truth", False)):
        with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["altool_id", "label"])
            writer.writerows((id_, label) for id_, label, hold in zip(ids, labels, held, strict=True) if bool(hold) == wanted)


def digits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = load_digits()
    rows, held = [], []
    for digit, count in DIGITS_POOL.items():
        mine = rng.permutation(np.flatnonzero(source.target == digit))[: count + DIGITS_HOLDOUT]
        rows.append(mine)
        held.append(np.arange(len(mine)) >= count)
    order = rng.permutation(sum(map(len, rows)))
    chosen, hold = np.concatenate(rows)[order], np.concatenate(held)[order]
    ids = [f"digit-{number:04d}" for number in range(len(chosen))]
    images = pa.array([png(source.images[row]) for row in chosen], pa.binary())
    write(HERE / "digits", ids, "image", images, [str(source.target[row]) for row in chosen], hold)


def titles(table: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = pq.read_table(table)
    label, text, cluster = (np.array(source.column(name).to_pylist()) for name in ("label", "text", "cluster_id"))
    names, counts = np.unique(label, return_counts=True)
    rows, held = [], []
    for place, name in enumerate(names[np.argsort(-counts, kind="stable")]):
        mine = rng.permutation(np.flatnonzero(label == name))
        products = rng.permutation(np.unique(cluster[mine]))
        kept = np.isin(cluster[mine], products[: len(products) // 4])
        pool = mine[~kept][: max(12, int(TITLES_POOL * 0.6**place))]
        holdout = mine[kept][:TITLES_HOLDOUT]
        rows += [pool, holdout]
        held += [np.zeros(len(pool), bool), np.ones(len(holdout), bool)]
    order = rng.permutation(sum(map(len, rows)))
    chosen, hold = np.concatenate(rows)[order], np.concatenate(held)[order]
    ids = [f"title-{number:05d}" for number in range(len(chosen))]
    write(HERE / "titles", ids, "text", pa.array(text[chosen].tolist()), label[chosen].tolist(), hold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--titles", help="the PriceRunner table; without it only the digits are made")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    digits(options.seed)
    if options.titles:
        titles(options.titles, options.seed)


if __name__ == "__main__":
    main()
