"""Rows of a table through a model: what is predicted for each, and a digest of what it held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from altool.payloads import pictures, pipeline
from altool.tables.rows import read_rows

if TYPE_CHECKING:
    from altool.models.labeled import Pictures
    from altool.models.shape import ImageModel
    from altool.models.store import Stored
    from altool.payloads.shape import Loaded, Payload
    from altool.scoring.predictor import Predictor
    from altool.tables.items import Items
    from altool.tables.read import Source

SHARD = 4096  # pictures whose outputs are put away together


@dataclass(frozen=True)
class Scored:
    """Consecutive rows in file order: their `ids`; `digests` of what they held, uint32 (n,) or uint8 (n, 16); what is predicted, `matrix`
    float32 (n, K + E); `vectors` float32 (n, D), or None where nobody wants them; a string in `reasons` where one could not be used."""

    ids: pa.Array
    digests: np.ndarray
    matrix: np.ndarray
    vectors: np.ndarray | None
    reasons: Sequence[str | None] = ()

    @property
    def blocks(self) -> list[np.ndarray]:
        """The matrix, and the vectors where they are wanted."""
        return [self.matrix] if self.vectors is None else [self.matrix, self.vectors]


def scored(
    source: Source, stored: Stored, predictor: Predictor, *, vectors: bool, threads: int = 0, seen: Pictures | None = None
) -> Iterator[Scored]:
    """The rows of a table of features or texts, a batch of a row group at a time, row groups in parallel threads; of the pictures in `seen`
    VAAL sees those of the same rows. Raises as `source.scan` and `read_rows`."""

    def work(batch: pa.RecordBatch) -> Scored:
        rows, sums = read_rows(source, batch, stored.reads, stored.model.width)
        shown = None if seen is None else seen.pixels[seen.index.positions(batch.column("id"))]
        matrix, found = predictor.predict(rows, shown)
        return Scored(batch.column("id"), sums, matrix, found if vectors else None)

    return source.scan(["id", stored.reads], work, threads=threads)


@dataclass
class _Network:
    """The model as the pipeline runs it: one matrix of what `predict` gives, the vectors last."""

    load: Callable[[Sequence[Payload]], Loaded]
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    threads: int
    minibatch: int

    def embed(self, values: Any) -> np.ndarray:
        return np.concatenate(self.predict(values), axis=1)


def scored_pictures(
    items: Items,
    stored: Stored,
    predictor: Predictor,
    *,
    vectors: bool,
    device: str,
    threads: int = 0,
    workers: int | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> Iterator[Scored]:
    """The rows of a table of images, while others are decoded by `workers` processes; numbers of one that cannot be used are 0."""
    model: ImageModel = stored.model.on(device)  # type: ignore[attr-defined]
    width = len(stored.classes) + len(predictor.extras)
    network = _Network(partial(pictures.load, model.recipe), predictor.predict, threads or model.threads, model.minibatch)
    done = 0
    for shard in pipeline.run(network, items.payloads(), len(items), shard_rows=SHARD, workers=workers, advance=advance):
        ids = items.ids.slice(done, len(shard.vectors)).combine_chunks()
        done += len(ids)
        yield Scored(ids, shard.digests, shard.vectors[:, :width], shard.vectors[:, width:] if vectors else None, shard.reasons)
