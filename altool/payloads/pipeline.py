"""From payloads to vectors: rows are loaded in worker processes while the backbone works on earlier ones."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from altool.engines import local, processes
from altool.payloads.reading import DIGEST_BYTES
from altool.payloads.shape import Embedder, Loaded, Payload

CHUNK_ROWS = 64
CHUNK_BYTES = 4 << 20


@dataclass(frozen=True)
class Chunk:
    """Rows that are loaded together. `full` says that a minibatch ends with them, `last` that their shard does."""

    shard: int
    payloads: Sequence[Payload]
    full: bool
    last: bool


@dataclass(frozen=True)
class Shard:
    """The vectors of consecutive rows: `digests` uint8 (n, 16) of the payloads, `vectors` float32 (n, width), zero where one of
    the `reasons` says why the row could not be used."""

    number: int
    digests: np.ndarray
    vectors: np.ndarray
    reasons: list[str | None]


def cut(batches: Iterable[Sequence[Payload]], rows: int, shard_rows: int, minibatch: int, skip: Collection[int]) -> Iterator[Chunk]:
    """Cut `rows` payloads into shards of `shard_rows`, these into minibatches, and these into chunks of at most 64 rows and about
    4 MiB. The shards in `skip` are passed over. Minibatches begin anew with each shard, so a shard is the same in any run."""
    held: list[Payload] = []
    size = 0
    for row, payload in enumerate(chain.from_iterable(batches), 1):
        shard = (row - 1) // shard_rows
        if shard in skip:
            continue
        held.append(payload)
        size += len(payload) if isinstance(payload, bytes | str) else 0
        last = row == rows or row % shard_rows == 0
        full = last or row % shard_rows % minibatch == 0
        if full or len(held) == CHUNK_ROWS or size >= CHUNK_BYTES:
            yield Chunk(shard, held, full, last)
            held, size = [], 0


def run(
    backbone: Embedder,
    batches: Iterable[Sequence[Payload]],
    rows: int,
    *,
    shard_rows: int,
    skip: Collection[int] = (),
    workers: int | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> Iterator[Shard]:
    """The shards in order. `workers` processes load (None: as many as it takes, 0: this one); memory holds one shard's vectors and
    a bounded number of chunks. `advance` is told of rows as they are done."""
    chunks = cut(batches, rows, shard_rows, backbone.minibatch, skip)
    load = functools.partial(_load, backbone.load)
    minibatches = _gather(processes.ordered_map(load, chunks, workers))
    done: list[tuple[Loaded, np.ndarray]] = []

    def embed(minibatch: tuple[Chunk, Loaded]) -> tuple[Chunk, Loaded, np.ndarray]:
        chunk, loaded = minibatch
        vectors = backbone.embed(loaded.values)
        vectors[[reason is not None for reason in loaded.reasons]] = 0
        return chunk, loaded, vectors

    for chunk, loaded, vectors in local.ordered_map(embed, minibatches, backbone.threads):
        done.append((loaded, vectors))
        advance(len(vectors))
        if chunk.last:
            reasons = [reason for loaded, _ in done for reason in loaded.reasons]
            digests = np.concatenate([loaded.digests for loaded, _ in done])
            yield Shard(chunk.shard, digests, np.concatenate([vectors for _, vectors in done]), reasons)
            done = []


def decode(
    load: Callable[[Sequence[Payload]], Loaded],
    batches: Iterable[Sequence[Payload]],
    places: np.ndarray,
    result: np.ndarray,
    *,
    workers: int | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> tuple[np.ndarray, list[str | None]]:
    """Load pictures into `result` uint8 (n, height, width, 3), the one of payload i at `places[i]`. Returns uint8 (n, 16) digests of
    the payloads and the reasons why a row cannot be used (its picture is black), both by place."""
    rows = len(places)
    digests = np.zeros((rows, DIGEST_BYTES), np.uint8)
    reasons: list[str | None] = [None] * rows
    done = 0
    for _, loaded in processes.ordered_map(functools.partial(_load, load), cut(batches, rows, rows, rows, ()), workers):
        to = places[done : done + len(loaded.reasons)]
        result[to], digests[to] = loaded.values, loaded.digests
        for place, reason in zip(to, loaded.reasons, strict=True):
            reasons[place] = reason
        done += len(to)
        advance(len(to))
    return digests, reasons


def _load(load: Callable[[Sequence[Payload]], Loaded], chunk: Chunk) -> tuple[Chunk, Loaded]:
    return Chunk(chunk.shard, (), chunk.full, chunk.last), load(chunk.payloads)


def _gather(pieces: Iterable[tuple[Chunk, Loaded]]) -> Iterator[tuple[Chunk, Loaded]]:
    """Chunks put together to minibatches."""
    held: list[Loaded] = []
    for chunk, loaded in pieces:
        held.append(loaded)
        if chunk.full:
            yield chunk, _join(held)
            held = []


def _join(parts: list[Loaded]) -> Loaded:
    if len(parts) == 1:
        return parts[0]
    values = [part.values for part in parts]
    joined = np.concatenate(values) if isinstance(values[0], np.ndarray) else list(chain.from_iterable(values))
    return Loaded(np.concatenate([part.digests for part in parts]), joined, list(chain.from_iterable(part.reasons for part in parts)))
