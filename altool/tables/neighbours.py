"""The index of a features table: a file in which `altool index` keeps what finds a row's nearest neighbours without looking at all rows.

The library is usearch (Apache-2.0): its graphs (HNSW; Malkov and Yashunin 2018) are mapped from where they lie in a file, hold no pickle,
and come out the same, byte for byte, when one thread builds them; with two threads they do not. faiss-cpu (MIT) would do as well: on 20,000
rows of 128 numbers (CIFAR-100) graphs of both find 99.9 % of the 100 nearest rows, are of the same size and take about as long, and both
have wheels for all versions of Python that altool runs on, of some 60 MB installed. faiss maps a graph from a file of its own alone.

The table is cut into parts of so many rows in id order, each a graph of its own that one thread builds: so threads change nothing, a
build holds a part per thread and not the table, and what a search finds is the best of all parts'. Of a part without a graph's
advantage (EXACT) all rows are compared.

The file: MAGIC, the graphs, each at a multiple of 64 bytes, the ids in id order as an Arrow stream, the facts as JSON, and the length of
these and MAGIC. A digest of each piece is in the facts, for neither library is safe to give a damaged file to.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from altool.engines.local import ordered_map
from altool.errors import AltoolError, InputError
from altool.extras import library
from altool.tables import objects, outputs
from altool.tables.align import Fingerprint, Index
from altool.tables.arrays import read_index, read_some
from altool.tables.ours import INDEX as MAGIC
from altool.tables.outside import load_json
from altool.tables.read import Source
from altool.text import count

END = struct.Struct("<Q16s")
ALIGNED = 64
ROWS = 1 << 18  # of a part
PART_BYTES = 256 << 20  # of a part's numbers
EXACT = 8192  # rows of which a graph is no quicker than comparing all of them
CONNECTIVITY, BREADTH = 16, 128  # links of a row in a graph, and how many rows are looked at to find them
WIDER = 4  # times as many rows as are wanted are looked at in a search, but at least:
LEAST = 256
QUERIES = 4096  # rows whose neighbours are found at once
METRICS = {"cosine": ("ip", "f16"), "l2": ("l2sq", "f32")}  # as usearch calls them; float16 would blur small distances of large numbers


def place(features: str) -> str:
    """Where the index of a table lies, if nothing else is said: beside it."""
    path, query, options = features.partition("?")
    path = path.rstrip("/")
    return f"{path.removesuffix('.parquet')}.index{query}{options}"


def part_rows(width: int) -> int:
    """The rows of a part of vectors of this width."""
    return max(1024, min(ROWS, PART_BYTES // (4 * width)))


def build(
    source: Source, metric: str, path: Path, *, threads: int = 0, advance: Callable[[int], None] = lambda rows: None
) -> dict[str, Any]:
    """Write the index of a features table; the same bytes for the same rows, in whatever order and by however many `threads`. Returns its
    facts. Raises InputError for faulty rows."""
    library("usearch.index", "ann", "altool index")
    index = read_index(source, threads)
    first, _ = read_some(source, "features", index, np.arange(1))
    width = first.shape[1]
    size = part_rows(width)
    starts = [*range(0, len(index), size), len(index)]
    whole, lock = Fingerprint(), Lock()

    def work(bounds: tuple[int, int]) -> tuple[int, bytearray]:
        positions = np.arange(*bounds)
        rows, sums = read_some(source, "features", index, positions, threads=1)
        if rows.shape[1] != width:
            text = f"{source.name}, column 'features': rows of {width} and of {rows.shape[1]} numbers"
            raise InputError(text, "write rows of equal lengths")
        with lock:
            whole.add(index.take(positions), sums)
        graph = _graph(metric, width)
        graph.add(positions.astype(np.uint64), _stored(rows, metric), threads=1)
        advance(len(rows))
        return len(rows), graph.save()

    with path.open("wb") as file:
        file.write(MAGIC)
        parts = []
        for rows, graph in ordered_map(work, pairwise(starts), threads):
            parts.append({"rows": rows, **_append(file, [graph])})
        ids = _append(file, _stream(index))
        made_by = f"usearch {library('usearch', 'ann', 'altool index').__version__}"
        facts = {"metric": metric, "rows": len(index), "width": width, "fingerprint": whole.text(None)}
        facts |= {"library": made_by, "parts": parts, "ids": ids}
        content = json.dumps(facts, sort_keys=True).encode()
        file.write(content + END.pack(len(content), MAGIC))
    return facts


def _graph(metric: str, width: int) -> Any:
    name, dtype = METRICS[metric]
    usearch = library("usearch.index", "ann", "altool index")
    return usearch.Index(ndim=width, metric=name, dtype=dtype, connectivity=CONNECTIVITY, expansion_add=BREADTH)


def _stored(rows: np.ndarray, metric: str) -> np.ndarray:
    """The rows as the index keeps them: of length 1 where only their direction counts, so that float16 can hold them. A row of zeros has
    no direction, and stays."""
    if metric == "l2":
        return rows.astype(np.float32, copy=False)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    return (rows / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float16)


def _append(file: BinaryIO, pieces: Iterable[bytes | bytearray]) -> dict[str, Any]:
    """Write `pieces` as one at the next aligned place. Returns where, how many bytes, and their digest."""
    file.write(b"\0" * (-file.tell() % ALIGNED))
    start, digest = file.tell(), hashlib.sha256()
    for piece in pieces:
        file.write(piece)
        digest.update(piece)
    return {"start": start, "bytes": file.tell() - start, "digest": digest.hexdigest()[:32]}


def _stream(index: Index) -> Iterator[bytes]:
    """The ids as an Arrow stream."""
    sink = pa.BufferOutputStream()
    type_ = pa.int64() if pa.types.is_integer(index.ids.type) else pa.large_string()
    with pa.ipc.new_stream(sink, pa.schema([("id", type_)])) as writer:
        for start in range(0, len(index), ROWS):
            chunk = index.ids.slice(start, ROWS).combine_chunks()
            writer.write_batch(pa.record_batch([chunk.cast(type_)], ["id"]))
    yield sink.getvalue()


@dataclass(frozen=True)
class Neighbours:
    """An index that is open: `ids` in id order, whose places are the keys of the `graphs`, and the `facts` that `build` gave."""

    name: str
    facts: dict[str, Any]
    ids: Index
    graphs: Sequence[Any]

    def near(self, wanted: pa.Array | pa.ChunkedArray, number: int, threads: int = 0) -> tuple[pa.Array, int]:
        """The ids of the `number` nearest rows of each of the distinct ids `wanted`, itself not counted, in id order and each once; and
        how many of `wanted` the index holds."""
        places = self.ids.positions(wanted)
        places = np.sort(places[places >= 0])
        found = np.zeros(len(self.ids), bool)
        for start in range(0, len(places), QUERIES):
            found[self._nearest(places[start : start + QUERIES], number, threads)] = True
        return self.ids.take(np.flatnonzero(found)), len(places)

    def _nearest(self, places: np.ndarray, number: int, threads: int) -> np.ndarray:
        """The places of the rows nearest to those at `places`."""
        size = len(self.graphs[0])
        owners = places // size
        vectors = [self.graphs[owner].get(int(place)) for place, owner in zip(places, owners, strict=True)]
        queries = np.stack(vectors if len(vectors) > 1 else vectors * 2)  # of a single one usearch gives another shape
        mine = slice(len(places))

        def search(graph: Any) -> tuple[np.ndarray, np.ndarray]:
            wanted = min(number + 1, len(graph))
            graph.expansion_search = max(LEAST, WIDER * wanted)
            found = graph.search(queries, wanted, threads=1, exact=len(graph) <= EXACT)
            keys = np.asarray(found.keys)[mine].astype(np.int64)
            empty = np.arange(wanted) >= np.asarray(found.counts)[mine, None]  # a graph may find fewer than it holds
            return keys, np.where(empty | (keys == places[:, None]), np.inf, np.asarray(found.distances, np.float32)[mine])

        keys, distances = np.empty((len(places), 0), np.int64), np.empty((len(places), 0), np.float32)
        for more, apart in ordered_map(search, self.graphs, threads):
            keys, distances = np.hstack([keys, more]), np.hstack([distances, apart])
            best = np.lexsort((keys, distances), axis=1)[:, :number]
            keys, distances = np.take_along_axis(keys, best, 1), np.take_along_axis(distances, best, 1)
        return keys[np.isfinite(distances)]

    def refuse(self, what: str, source: Source) -> None:
        """Raise InputError, which says what is wrong with it as the index of this table."""
        raise InputError(f"{self.name}: {what}", f"build it again: altool index --features {source.location} --overwrite")


def load(location: str, source: Source, threads: int = 0) -> Neighbours:
    """Open the index of a table in a file, which is mapped; an object is copied to TMPDIR first. Raises InputError for what is none, is
    damaged or is of another number of rows, and UsageError without usearch."""
    name, hint = f"index {location}", f"altool index --features {source.location}"
    usearch = library("usearch.index", "ann", "--within-neighbours")
    try:
        if objects.is_remote(location):
            with tempfile.TemporaryDirectory(prefix="altool-") as folder:
                objects.Place(location).fetch(Path(folder, "index"))
                mapped = _mapped(Path(folder, "index"))
        else:
            mapped = _mapped(outputs.local(location))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name}: cannot be read ({reason})", f"build it: {hint}") from error
    try:
        facts = _facts(mapped, name)
        pieces = [_piece(mapped, one) for one in (*facts["parts"], facts["ids"])]
        for one, digest in zip((*facts["parts"], facts["ids"]), ordered_map(_digest, pieces, threads), strict=True):
            if one["digest"] != digest:
                raise ValueError
        graphs = [usearch.Index.restore(piece, view=True) for piece in pieces[:-1]]
        ids = pa.ipc.open_stream(pa.py_buffer(pieces[-1])).read_all().column("id")
        if [len(graph) for graph in graphs] != [part["rows"] for part in facts["parts"]] or len(ids) != facts["rows"]:
            raise ValueError
    except (ValueError, KeyError, TypeError, RuntimeError, pa.ArrowException, AltoolError) as error:
        raise InputError(f"{name}: damaged, or no index of altool", f"build it again: {hint} --overwrite") from error
    type_ = pa.int64() if pa.types.is_integer(ids.type) else pa.string()
    found = Neighbours(name, facts, Index(ids.cast(type_), None), graphs)
    if source.num_rows != facts["rows"]:
        found.refuse(f"it holds {count(facts['rows'], 'row')}, and {source.name} has {source.num_rows:,}", source)
    return found


def _mapped(path: Path) -> memoryview:
    """The content of a file, which may be removed while it is mapped."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _facts(mapped: memoryview, name: str) -> dict[str, Any]:
    length, magic = END.unpack(mapped[-END.size :])
    if magic != MAGIC or mapped[: len(MAGIC)] != MAGIC or length > len(mapped) - END.size:
        raise ValueError
    facts: dict[str, Any] = load_json(bytes(mapped[-END.size - length : -END.size]), name)
    return facts


def _piece(mapped: memoryview, where: dict[str, Any]) -> memoryview:
    return mapped[where["start"] : where["start"] + where["bytes"]]


def _digest(piece: memoryview) -> str:
    return hashlib.sha256(piece).hexdigest()[:32]
