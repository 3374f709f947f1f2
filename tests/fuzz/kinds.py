"""Every kind of table, and every command that takes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Answer = Callable[[Path], Any]


@dataclass(frozen=True)
class Use:
    """A call: `{x}` is the table that is tried, `{w}` the folder of the good ones. `answer` is what it made of it, for comparisons.

    `grows` and `keeps` are as in `harness.faults`.
    """

    words: str
    answer: Answer
    grows: bool = False
    keeps: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of table: its name, the good table of this kind (the name by default), and its uses."""

    name: str
    uses: tuple[Use, ...]
    good: str = ""


def chosen(out: Path) -> list[str]:
    """The ids in rank order."""
    return [str(value) for value in pq.read_table(out / "q.parquet", columns=["id"]).column("id").to_pylist()]


def measured(out: Path) -> list[Any]:
    table = pq.read_table(out / "m.parquet")
    return [(row["class"], row["metric"], row["value"], row["support"], row["target"]) for row in table.to_pylist()]


def summed_up(out: Path) -> list[Any]:
    return [[row[name] for name in ("run", "scope", "class", "quantity", "value")] for row in pq.read_table(out / "s.parquet").to_pylist()]


def trained(out: Path) -> Any:
    return json.loads((out / "model" / "model.json").read_text())["classes"], hashlib.sha256(
        (out / "model" / "weights.safetensors").read_bytes()
    ).hexdigest()


def matrix(out: Path) -> Any:
    table = pq.read_table(out / "x.parquet")
    return [(str(row["id"]), [round(value, 4) for value in row[table.column_names[1]]]) for row in table.to_pylist()]


def imported(out: Path) -> Any:
    tables = [pq.read_table(path) for path in (out / "log").glob("*.parquet")]
    return sorted(str((str(row["id"]), row["label"], row["annotator"], row["source"])) for table in tables for row in table.to_pylist())


def simulated(out: Path) -> Any:
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (out / "s").rglob("history.parquet")}


def nothing(out: Path) -> None:
    return None


def select(words: str) -> Use:
    return Use(f"select --budget 3 -o out/q.parquet {words}", chosen)


def report(words: str) -> Use:
    return Use(f"report --metrics-output out/m.parquet {words}", measured)


def simulate(words: str) -> Use:
    return Use(f"simulate --seed-size 4 --rounds 1 --budget 2 --jobs 1 -o out/s {words}", simulated, keeps=True)


def importing(words: str) -> Use:
    return Use(f"import-labels --labels out/log {words}", imported)


SHEET = "--export csv=out/s.csv --items {w}/texts.parquet"
POOL = "--predictions {w}/predictions.parquet"
LABELS = "--labels {w}/labels.parquet"
FEATURES = "--features {w}/features.parquet"
TRAIN = "train -o out/model --device cpu"
FASTTEXT = "--classifier fasttext --fasttext-dim 2 --fasttext-epochs 1 --fasttext-buckets 100"

KINDS = (
    Kind(
        "predictions",
        (
            select("--strategy margin --predictions {x} --labels {w}/labels.parquet --classes ant,bee,cat"),
            select(f"--strategy most-likely-positive --query-classes bee --predictions {{x}} --suggest {SHEET}"),
            select("--strategy badge --predictions {x} --classes ant,bee,cat " + FEATURES),
            report("--predictions {x} --classes ant,bee,cat " + LABELS),
        ),
    ),
    Kind("previous", (select(f"--strategy alamp --previous {{x}} --classes ant,bee,cat {POOL} {LABELS}"),)),
    Kind(
        "features",
        (
            select("--strategy coreset --features {x} " + LABELS),
            Use(f"{TRAIN} --features {{x}} {LABELS}", trained),
            Use("score --model {w}/model --features {x} -o out/x.parquet", matrix),
            report(f"-o out/r.html --features {{x}} {POOL} {LABELS}"),
            simulate("--strategy margin --features {x} --labels {w}/truth.parquet"),
        ),
    ),
    Kind(
        "texts",
        (
            Use("embed --backbone hashing --width 4 --projection random --items {x} -o out/x.parquet", matrix),
            Use(f"{TRAIN} {FASTTEXT} --items {{x}} {LABELS}", trained),
            Use("score --model {w}/fasttext --items {x} -o out/x.parquet", matrix),
            select("--strategy random --items {x} --export label-studio=out/t.json --export csv=out/t.csv"),
            importing("{w}/answers.parquet --items {x}"),
        ),
    ),
    Kind("images", (Use("embed --backbone pixels --image-size 4 --workers 0 --items {x} -o out/x.parquet", matrix),)),
    Kind(
        "labels",
        (
            select(f"--strategy margin --labels {{x}} {POOL}"),
            Use(f"{TRAIN} --labels {{x}} {FEATURES}", trained),
            report(f"--labels {{x}} {POOL} --evaluate-on all"),
            importing("{x}"),
            importing("{x} --queries {w}/queries.parquet --items {w}/texts.parquet"),
        ),
    ),
    Kind("log", (Use("import-labels --labels {x} {w}/answers.parquet", nothing, grows=True),), good="labels"),
    Kind(
        "truth",
        (
            simulate(f"--strategy margin --labels {{x}} {FEATURES}"),
            select(f"--strategy direct --oracle {{x}} {POOL} {LABELS}"),
        ),
    ),
    Kind("held", (simulate(f"--strategy random --holdout-labels {{x}} --labels {{w}}/rest.parquet {FEATURES}"),)),
    Kind("answers", (importing("{x} --queries {w}/queries.parquet"), importing("{x}"))),
    Kind(
        "queries",
        (
            importing("{w}/answers.parquet --queries {x}"),
            importing("--auto {x}"),
            report(f"-o out/r.html --queries {{x}} {FEATURES} {POOL} {LABELS}"),
            select(f"--strategy clarifier --clarifier-budgets auto --queries {{x}} {FEATURES} {POOL} {LABELS}"),
        ),
    ),
    Kind(
        "queue",
        (
            select(f"--strategy queue --queue {{x}} {POOL} {LABELS}"),
            simulate(f"--strategy queue --queue {{x}} --labels {{w}}/truth.parquet {FEATURES}"),
        ),
        good="queries",
    ),
    Kind(
        "targets",
        (
            report(f"--targets {{x}} {POOL} {LABELS}"),
            select(f"--strategy margin --target-aware --targets {{x}} --metrics {{w}}/metrics.parquet {POOL} {LABELS}"),
            importing("{w}/answers.parquet --targets {x}"),
        ),
    ),
    Kind(
        "metrics",
        (
            select(f"--strategy margin --target-aware --targets {{w}}/targets.parquet --metrics {{x}} {POOL} {LABELS}"),
            Use(f"score --model {{w}}/model --thresholds {{x}} -o out/x.parquet {FEATURES}", matrix),
            report(f"--history {{x}} {POOL} {LABELS}"),
        ),
    ),
    Kind("history", (Use("report --history {x} --summary-output out/s.parquet", summed_up),)),
    Kind("ids", (select(f"--strategy margin --within {{x}} {POOL} {LABELS}"), select(f"--strategy entropy --exclude {{x}} {POOL}"))),
    Kind("confusion", (simulate(f"--strategy random --label-noise {{x}} --labels {{w}}/truth.parquet {FEATURES}"),)),
)
