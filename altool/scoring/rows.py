"""Rows of a table through a model: what is predicted for each, and a digest of what it held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from altool.engines.local import ordered_map
from altool.models.shape import ImageModel
from altool.payloads import pictures, pipeline, reading
from altool.tables.items import Items
from altool.tables.rows import read_rows

if TYPE_CHECKING:
    from altool.models.labeled import Pictures
    from altool.models.store import Stored
    from altool.payloads.shape import Loaded, Payload
    from altool.scoring.predictor import Predictor
    from altool.tables.read import Source

IMAGES = ("image", "path")  # the columns that hold them, or say where they are
SHARD = 4096  # pictures whose outputs are put away together


@dataclass(frozen=True)
class Scored:
    """Consecutive rows in file order: their `ids`; `digests` of what they held, uint32 (n,) or uint8 (n, 16); what is predicted, `matrix`
    float32 (n, K + E); `vectors` float32 (n, D), or None where nobody wants them; a string in `reasons` where one could not be used, whose
    numbers are 0 (empty: all could)."""

    ids: pa.Array
    digests: np.ndarray
    matrix: np.ndarray
    vectors: np.ndarray | None
    reasons: Sequence[str | None] = ()

    @property
    def blocks(self) -> list[np.ndarray]:
        """The matrix, and the vectors where they are wanted."""
        return [self.matrix] if self.vectors is None else [self.matrix, self.vectors]


@dataclass
class _Network:
    """The model as the pipeline runs it: one matrix of what `predict` gives, the vectors last."""

    load: Callable[[Sequence[Payload]], Loaded]
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    threads: int
    minibatch: int

    def embed(self, values: Any) -> np.ndarray:
        return np.concatenate(self.predict(values), axis=1)


@dataclass(frozen=True)
class Scorer:
    """The rows of `source`, the model that was loaded from `location` (None: made of texts) and what it predicts for them; their `vectors`
    are wanted or not. A row's numbers depend on nothing but the row, so rows may be cut anywhere."""

    source: Source
    stored: Stored
    location: str | None
    predictor: Predictor
    vectors: bool
    device: str = "auto"
    threads: int = 0
    workers: int | None = None
    allow_outside: bool = False

    @property
    def of_images(self) -> bool:
        return isinstance(self.stored.model, ImageModel)

    @cached_property
    def items(self) -> Items:
        """The rows, where they are images."""
        return Items(self.source, IMAGES, allow_outside=self.allow_outside)

    @property
    def column(self) -> str:
        """The column of images that rows may be refused for; "" where rows are no images."""
        return next((name for name in IMAGES if name in self.source), "") if self.of_images else ""

    @property
    def width(self) -> int:
        """The vectors' width."""
        model = self.stored.model
        return model.vectors(np.zeros((1, model.width), np.float32)).shape[1] if self.stored.reads == "features" else model.width

    def scored(self, advance: Callable[[int], None] = lambda rows: None, seen: Pictures | None = None) -> Iterator[Scored]:
        """All rows in file order, a batch after another: of features or texts, row groups are read in parallel threads, and of the pictures
        `seen` VAAL sees those of the same rows; images are decoded by `workers` processes while others are predicted. `advance` is told
        of rows as they are done. Raises InputError for rows that cannot be read."""
        return self._images(advance) if self.of_images else self._rows(advance, seen)

    def digests(self) -> Iterator[tuple[pa.Array, np.ndarray]]:
        """The ids and digests of all rows, as `scored` has them, of the rows as they are now; nothing is predicted."""
        if not self.of_images:
            yield from self.source.scan(["id", self.stored.reads], self._read, threads=self.threads)
            return
        done = 0
        chunks = pipeline.cut(self.items.payloads(), len(self.items), SHARD, SHARD, ())
        for found in ordered_map(lambda chunk: reading.digests(chunk.payloads), chunks, self.threads):
            yield self.items.ids.slice(done, len(found)).combine_chunks(), found
            done += len(found)

    def _read(self, batch: pa.RecordBatch) -> tuple[pa.Array, np.ndarray]:
        return batch.column("id"), read_rows(self.source, batch, self.stored.reads, self.stored.model.width)[1]

    def _rows(self, advance: Callable[[int], None], seen: Pictures | None) -> Iterator[Scored]:
        def work(batch: pa.RecordBatch) -> Scored:
            rows, sums = read_rows(self.source, batch, self.stored.reads, self.stored.model.width)
            shown = None if seen is None else seen.pixels[seen.index.positions(batch.column("id"))]
            matrix, found = self.predictor.predict(rows, shown)
            return Scored(batch.column("id"), sums, matrix, found if self.vectors else None)

        for part in self.source.scan(["id", self.stored.reads], work, threads=self.threads):
            yield part
            advance(len(part.digests))

    def _images(self, advance: Callable[[int], None]) -> Iterator[Scored]:
        assert isinstance(self.stored.model, ImageModel)
        model = self.stored.model.on(self.device)
        width = len(self.stored.classes) + len(self.predictor.extras)
        load = partial(pictures.load, model.recipe)
        network = _Network(load, self.predictor.predict, self.threads or model.threads, model.minibatch)
        payloads, rows = self.items.payloads(), len(self.items)
        done = 0
        for shard in pipeline.run(network, payloads, rows, shard_rows=SHARD, workers=self.workers, advance=advance):
            ids = self.items.ids.slice(done, len(shard.vectors)).combine_chunks()
            done += len(ids)
            vectors = shard.vectors[:, width:] if self.vectors else None
            yield Scored(ids, shard.digests, shard.vectors[:, :width], vectors, shard.reasons)
