"""Predictions of labeled rows: what a model says of rows whose label is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.console import Console
from altool.errors import InputError
from altool.tables import align
from altool.tables.align import Index
from altool.tables.read import Source, matrix
from altool.text import count


@dataclass(frozen=True)
class Predicted:
    """The labeled rows that have a prediction, in id order."""

    ids: Index
    probabilities: np.ndarray  # float (n, K)
    out_of_fold: np.ndarray  # boolean (n,)
    fingerprint: str


def read_predicted(source: Source, labeled: pa.ChunkedArray, console: Console) -> Predicted:
    """Check all predictions; hold those of the `labeled` ids. Raises InputError where there are none."""
    wanted = labeled.combine_chunks()
    width = len(source.classes)

    def work(batch: pa.RecordBatch) -> tuple[pa.Array, pa.RecordBatch]:
        source.check("probabilities", batch.column("id"), matrix(source, batch, "probabilities", width))
        return batch.column("id"), batch.filter(pc.is_in(batch.column("id"), value_set=wanted))

    columns = ["id", "probabilities", *(["fold"] if "fold" in source else [])]
    with console.progress(f"reading {source.name}", source.num_rows) as advance:
        parts = []
        for part in source.scan(columns, work):
            parts.append(part)
            advance(len(part[0]))
    align.index([ids for ids, _ in parts], source.name)  # refuses duplicate ids
    batches = [batch for _, batch in parts if batch.num_rows]
    if not batches:
        text = f"{source.name}: none of its rows is among the {count(len(wanted), 'labeled row')}"
        raise InputError(text, "give the predictions of the labeled rows: those of train --folds 5 --oof, or of a holdout")
    ids = align.index([batch.column("id") for batch in batches], source.name)
    probabilities = np.concatenate([matrix(source, batch, "probabilities") for batch in batches])
    folds = [batch.column("fold") if "fold" in source else pa.nulls(batch.num_rows, pa.int16()) for batch in batches]
    sums = [align.checksums([b.column("probabilities"), pc.fill_null(fold, -1)]) for b, fold in zip(batches, folds, strict=True)]
    return Predicted(
        ids,
        ids.arrange(probabilities),
        ids.arrange(np.concatenate([np.asarray(fold.is_valid()) for fold in folds])),
        align.fingerprint(ids, np.concatenate(sums), source.classes),
    )
