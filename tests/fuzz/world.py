"""A small project in which all is well: the tables that each case spoils one of. Once with text ids, once with integers."""

from __future__ import annotations

import datetime
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz.harness import OUTPUT, Run, Runner
from fuzz.writers import CLASSES
from PIL import Image

ROWS = 24
NAMES = json.loads(CLASSES)
WORDS = ("wing leg hive", "sting honey comb", "paw tail purr")
IDS = ("text", "integer")

TARGETS = b"""[default]
metric = "f1"
target = 0.5

[class."ant"]
metric = "recall_at_precision"
target = 0.25
at_precision = 0.9
priority = 2
"""
PLAN = b"""features = "features.parquet"
labels = "truth.parquet"
seed_size = 4
rounds = 1
budget = 2
holdout_share = 0.25

[[run]]
strategy = "margin"

[[run]]
name = "mine"
strategy = "random"
skip = 0.1
seconds = [2, 6, 5]
"""


class World:
    """The good tables by name, and the folder in which they and what was made of them lie."""

    def __init__(self, folder: Path, ids: str, altool: Runner) -> None:
        self.folder = folder
        self.ids = [f"r-{row:02d}" for row in range(ROWS)] if ids == "text" else list(range(1, ROWS + 1))
        self.tables = self._tables()
        (folder / OUTPUT).mkdir(parents=True)
        for name, table in self.tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        (folder / "log").mkdir()
        pq.write_table(self.tables["labels"], folder / "log" / "round-0000-a.parquet")
        (folder / "targets.toml").write_bytes(TARGETS)
        (folder / "plan.toml").write_bytes(PLAN)
        (folder / "classes.txt").write_text("".join(f"{name}\n" for name in NAMES))
        (folder / "vectors.vec").write_text("9 2\n" + "".join(f"{word} {n} 0.5\n" for n, word in enumerate(" ".join(WORDS).split())))
        train = "train --labels labels.parquet --quiet --device cpu"
        for call in (
            f"{train} --features features.parquet -o model",
            f"{train} --features features.parquet --classifier mlp --epochs 2 --mlp-hidden 3 -o mlp",
            f"{train} --features features.parquet --classifier svm --svm-c 1 -o svm",
            f"{train} --items texts.parquet --classifier fasttext --fasttext-dim 2 --fasttext-epochs 1 --fasttext-buckets 100 -o fasttext",
            "report --predictions predictions.parquet --labels labels.parquet --targets targets.toml --metrics-output metrics.parquet",
            "simulate --features features.parquet --labels truth.parquet --strategy margin --strategy random --jobs 1 -o simulated"
            " --seed-size 4 --rounds 1 --budget 2",
        ):
            ended = altool(Run(tuple(call.split()), folder))
            assert ended.status == 0, f"{call}\n{ended.said}"
        self.tables["metrics"] = pq.read_table(folder / "metrics.parquet")
        self.tables["history"] = pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("simulated/runs/*/history.parquet"))])
        pq.write_table(self.tables["history"], folder / "history.parquet")

    def _tables(self) -> dict[str, pa.Table]:
        draw = np.random.default_rng(0)
        truth = np.arange(ROWS) % 3
        ids = pa.array(self.ids)
        named = {"altool.classes": CLASSES}
        matrix = (0.6 * np.eye(3)[truth] + 0.4 * draw.dirichlet(np.ones(3), ROWS)).astype(np.float32)
        vectors = (2 * np.eye(3, 4)[truth] + draw.normal(size=(ROWS, 4))).astype(np.float32)
        images = []
        for _ in range(ROWS):
            stream = io.BytesIO()
            Image.fromarray(draw.integers(0, 255, (8, 8, 3), np.uint8)).save(stream, "PNG")
            images.append(stream.getvalue())
        known = {"id": ids, "label": [NAMES[number] for number in truth]}
        done = 12
        labels = {
            "id": ids[:done],
            "label": [NAMES[number] for number in truth[:done]],
            "source": ["seed"] * 6 + ["holdout"] * 6,
            "round": pa.array([0] * done, pa.int32()),
            "annotator": ["kim"] * done,
            "status": ["labeled"] * done,
            "labeled_at": pa.array(
                [datetime.datetime(2024, 5, 1, 10, row, tzinfo=datetime.UTC) for row in range(done)], pa.timestamp("us", "UTC")
            ),
            "seconds": pa.array([2.5] * done, pa.float32()),
        }
        queries = {
            "id": ids[done : done + 6],
            "rank": pa.array(range(1, 7), pa.int32()),
            "score": pa.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], pa.float32()),
            "strategy": ["margin"] * 6,
            "round": pa.array([1] * 6, pa.int32()),
            "source": ["exploit"] * 4 + ["auto"] * 2,
            "tier": ["hard", "hard", "intermediate", "intermediate", "easy", "easy"],
            "suggested_label": [NAMES[number] for number in truth[done : done + 6]],
        }
        answers = {"id": ids[done : done + 6], "label": queries["suggested_label"], "annotator": ["lee"] * 6}
        return {
            "predictions": pa.table({"id": ids, "probabilities": _fixed(matrix)}).replace_schema_metadata(named),
            "previous": pa.table({"id": ids, "probabilities": _fixed(matrix[::-1])}).replace_schema_metadata(named),
            "features": pa.table({"id": ids, "features": _fixed(vectors)}),
            "texts": pa.table({"id": ids, "text": [f"{WORDS[number]} {row}" for row, number in enumerate(truth)]}),
            "images": pa.table({"id": ids, "image": images}),
            "labels": pa.table(labels),
            "truth": pa.table(known),
            "rest": pa.table(known).slice(0, 15),
            "held": pa.table(known).slice(15),
            "queries": pa.table(queries).replace_schema_metadata(named),
            "answers": pa.table(answers),
            "ids": pa.table({"id": ids[10:20]}),
            "targets": pa.table({"class": NAMES, "metric": ["f1"] * 3, "target": [0.5, 0.6, 0.7], "priority": [1.0, 2.0, 1.0]}),
            "confusion": pa.table({"class": ["ant", "bee"], "answer": ["bee", "cat"], "share": [0.1, 0.2]}),
        }


def _fixed(matrix: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(matrix).reshape(-1)), matrix.shape[1])
