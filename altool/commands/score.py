"""`altool score`: predict the probability of every class for every row."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.engines.local import limited
from altool.errors import InputError, UsageError
from altool.models import store
from altool.models.thresholds import decided
from altool.tables import align, check, write
from altool.tables.arrays import read_index
from altool.tables.read import Reader, Source
from altool.tables.rows import open_rows, read_rows


@dataclass(frozen=True)
class Options:
    model: str
    output: str
    features: str | None = None
    items: str | None = None
    features_output: str | None = None
    thresholds: str | None = None
    columns: str | None = None
    seed: int = 0
    threads: int = 0
    overwrite: bool = False


def run(options: Options, console: Console) -> None:
    """Stream the rows through the model. The ids are read first, so that duplicates are refused before any work."""
    _check_outputs(options)
    stored = store.load(options.model)
    who = f"model {options.model} ({stored.facts['classifier']})"
    if options.features_output and stored.reads == "features":
        raise UsageError(f"--features-output: {who} makes no features", "what it sees are those of --features")
    reader = Reader(options.columns)
    source = open_rows(reader, stored.reads, who, options.features, options.items)
    metrics = reader.open(options.thresholds, "metrics") if options.thresholds else None
    reader.match_ids()
    index = read_index(source, options.threads)
    inputs: dict[str, str] = {}
    derived = {}
    if metrics is not None:
        limits, inputs["thresholds"] = _thresholds(metrics, stored.classes)
        if np.isinf(limits).all():
            console.warn(f"{metrics.name}: no class of the model has a threshold that is precise enough; no row is decided")
        names, counts = pa.array(stored.classes, pa.string()), []

        def decide(probabilities: np.ndarray) -> pa.Array:
            bounds, classes = decided(probabilities, limits)
            counts.append(int(np.count_nonzero(np.diff(bounds))))
            return pa.ListArray.from_arrays(pa.array(bounds), names.take(pa.array(classes)))

        derived = {"decided": decide}

    def work(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        rows, sums = read_rows(source, batch, stored.reads, stored.model.width)
        vectors, probabilities = stored.model.predict(rows)
        return probabilities, vectors if options.features_output else None, sums

    origin = write.provenance("score", {"model": stored.facts["label_digest"]}, options.seed, inputs)
    classes, width = len(stored.classes), stored.model.width
    with (
        limited(options.threads),  # the row groups are the threads' work
        ExitStack() as stack,
        console.progress(f"scoring {source.name}", len(index)) as advance,
    ):
        append = stack.enter_context(
            write.matrix_writer(
                options.output, "predictions", "probabilities", classes, np.float32, index, origin, stored.classes, derived=derived
            )
        )
        append_vectors: Callable[[np.ndarray], None] | None = None
        if options.features_output:
            append_vectors = stack.enter_context(
                write.matrix_writer(options.features_output, "features", "features", width, np.float32, index, origin)
            )
        sums = []
        for probabilities, vectors, part in source.scan(["id", stored.reads], work, threads=options.threads):
            append(probabilities)
            if append_vectors and vectors is not None:
                append_vectors(vectors)
            sums.append(part)
            advance(len(part))
        origin["inputs"][source.kind.name] = align.fingerprint(index, np.concatenate(sums))
    summary = {"command": "score", "rows": len(index), "classes": list(stored.classes), "output": options.output}
    text = f"scored {len(index):,} rows for {classes} classes -> {options.output}"
    if options.features_output:
        summary |= {"width": width, "features_output": options.features_output}
        text += f"; {width} features -> {options.features_output}"
    if derived:
        summary["decided"] = sum(counts)
        text += f"; {sum(counts):,} rows are above a threshold"
    console.result(summary, text)


def _check_outputs(options: Options) -> None:
    write.check_target(options.output, options.overwrite)
    if options.features_output:
        write.check_target(options.features_output, options.overwrite)
        if Path(options.features_output).absolute() == Path(options.output).absolute():
            raise UsageError(f"--features-output {options.features_output} is the --output", "give each a path of its own")


def _thresholds(source: Source, classes: tuple[str, ...]) -> tuple[np.ndarray, str]:
    """float64 (K,): each class's threshold of recall at precision, infinity where it has none; and the table's fingerprint.

    Of several rounds the last one counts. Raises InputError for a table without thresholds, for a class that has two in one round,
    and for one that the model does not know.
    """
    source.require("threshold")
    table = source.read()
    rows = [row for row in table.to_pylist() if row["metric"] == "recall_at_precision" and row["class"] is not None]
    if not rows:
        raise InputError(f"{source.name}: no row of recall_at_precision", "give what altool report --metrics-output wrote")
    last = max((row["round"] for row in rows if row.get("round") is not None), default=None)
    found: dict[str, float] = {}
    for row in rows:
        if row.get("round") == last:
            if row["class"] in found:
                raise InputError(f"{source.name}: two thresholds for class {row['class']!r}", "give the metrics of one run")
            value = row["threshold"]
            found[row["class"]] = np.inf if value is None or np.isnan(value) else value
    unknown = sorted(name for name, value in found.items() if np.isfinite(value) and name not in classes)
    if unknown:
        text = f"{source.name}: thresholds of {len(unknown)} classes that the model does not know ({check.naming(unknown)})"
        raise InputError(text, "give the metrics of this model's out-of-fold predictions")
    return np.array([found.get(name, np.inf) for name in classes]), align.table_fingerprint(table)
