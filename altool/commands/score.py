"""`altool score`: predict the probability of every class for every row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.engines.local import limited
from altool.models import store
from altool.tables import align, check, write
from altool.tables.arrays import read_index
from altool.tables.read import Reader, matrix


@dataclass(frozen=True)
class Options:
    model: str
    features: str
    output: str
    columns: str | None = None
    seed: int = 0
    threads: int = 0
    overwrite: bool = False


def run(options: Options, console: Console) -> None:
    """Stream the features through the model. The ids are read first, so that duplicates are refused before any work."""
    write.check_target(options.output, options.overwrite)
    stored = store.load(options.model)
    reader = Reader(options.columns)
    source = reader.open(options.features, "features")
    reader.match_ids()
    index = read_index(source, options.threads)

    def work(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        features = matrix(source, batch, "features", stored.model.width)
        check.features(batch.column("id"), features)
        return stored.model.probabilities(features), align.checksums([batch.column("features")])

    origin = write.provenance("score", {"model": stored.facts["label_digest"]}, options.seed, {})
    classes = len(stored.classes)
    with (
        limited(options.threads),  # the row groups are the threads' work
        write.matrix_writer(options.output, "predictions", "probabilities", classes, np.float32, index, origin, stored.classes) as append,
        console.progress(f"scoring {source.name}", len(index)) as advance,
    ):
        sums = []
        for probabilities, part in source.scan(["id", "features"], work, threads=options.threads):
            append(probabilities)
            sums.append(part)
            advance(len(part))
        origin["inputs"]["features"] = align.fingerprint(index, np.concatenate(sums))
    summary = {"command": "score", "rows": len(index), "classes": list(stored.classes), "output": options.output}
    console.result(summary, f"scored {len(index):,} rows for {classes} classes -> {options.output}")
