"""Part files: what became of consecutive rows of a table, as one of several processes left it, until `altool merge` puts all together.

A part is an Arrow file of the columns `id`, `digest`, `values` and `reason`; its metadata say, as JSON, which part of which run it is.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool.errors import InputError, UsageError
from altool.tables import check, write
from altool.tables.listing import PART_FILE

FACTS = b"altool.part"


@dataclass(frozen=True)
class Block:
    """Consecutive rows in file order: `ids`; `digests` of what they held, uint32 (n,) or uint8 (n, 16); `values` (n, width); `reasons`, a
    string for each row that could not be used, else null."""

    ids: pa.Array
    digests: np.ndarray
    values: np.ndarray
    reasons: pa.Array


@dataclass(frozen=True)
class Part:
    """A stored part, mapped into memory: the `number`-th of `of`, from 0, with the rows of the table from `first` on. `key` is what all
    parts of a run have in common; `facts` are what putting them together needs."""

    path: Path
    key: str
    facts: dict[str, Any]
    number: int
    of: int
    first: int

    @cached_property
    def _file(self) -> Any:
        return pa.ipc.open_file(pa.memory_map(str(self.path)))

    @cached_property
    def rows(self) -> int:
        return sum(batch.num_rows for batch in self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for number in range(self._file.num_record_batches):
            yield self._file.get_batch(number)

    def column(self, name: str) -> pa.ChunkedArray:
        """`id` or `reason` of all rows."""
        return pa.chunked_array([batch.column(name) for batch in self._batches()], self._file.schema.field(name).type)

    def blocks(self) -> Iterator[Block]:
        for batch in self._batches():
            digest, values = batch.column("digest"), batch.column("values")
            if pa.types.is_fixed_size_list(digest.type):
                digests = digest.values.to_numpy().reshape(-1, digest.type.list_size)
            else:
                digests = digest.to_numpy()
            rows = values.values.to_numpy().reshape(len(batch), values.type.list_size)
            yield Block(batch.column("id"), digests, rows, batch.column("reason"))


@contextlib.contextmanager
def writer(path: Path, key: str, facts: Mapping[str, Any], number: int, of: int, first: int) -> Iterator[Callable[..., None]]:
    """Yields `append(ids, digests, values, reasons)`, which adds rows to the part; it is there whole, or not at all. The first rows, of
    which there may be none, say how wide values are. `reasons`: a string or None for each row; empty where all can be used."""
    said = {"key": key, "number": number, "of": of, "first": first, "facts": dict(facts)}
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(write.replacing(path))
        stream = stack.enter_context(pa.OSFile(str(temporary), "wb"))
        opened: list[Any] = []

        def append(
            ids: pa.Array | pa.ChunkedArray, digests: np.ndarray, values: np.ndarray, reasons: pa.Array | Sequence[str | None] = ()
        ) -> None:
            flat = pa.array(np.ascontiguousarray(digests).reshape(-1))
            whole = ids if isinstance(ids, pa.Array) else pa.concat_arrays(ids.chunks) if ids.chunks else pa.array([], ids.type)
            batch = pa.record_batch(
                {
                    "id": whole,
                    "digest": flat if digests.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, digests.shape[1]),
                    "values": pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1]),
                    "reason": pa.array(reasons, pa.string()) if len(reasons) else pa.nulls(len(whole), pa.string()),
                }
            )
            if not opened:
                schema = batch.schema.with_metadata({FACTS: json.dumps(said, ensure_ascii=False).encode()})
                opened.append(stack.enter_context(pa.ipc.new_file(stream, schema)))
            opened[0].write_batch(batch)

        yield append


def part(path: Path) -> Part:
    """The part that is stored at `path`. Raises InputError where there is none that can be read."""
    try:
        with pa.memory_map(str(path)) as file:
            found = json.loads((pa.ipc.open_file(file).schema.metadata or {})[FACTS])
        return Part(path, found["key"], found["facts"], found["number"], found["of"], found["first"])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a part ({' '.join(str(error).split())[:200]})", "run its shard again") from error


def refuse_others(others: Sequence[str], shown: str) -> None:
    """Raise UsageError where the folder of an output, which is called `shown`, holds `others`: files that are none of parts."""
    if others:
        text = f"{shown} holds other files than parts of --shard ({check.naming(sorted(others)[: check.SHOWN])})"
        raise UsageError(text, "give another folder")


def name(number: int, of: int) -> str:
    """The name that the `number`-th part of `of` has in the folder of its table; hidden, as it is no table yet."""
    return f".shard-{number:05d}-of-{of:05d}.arrow"


def stored(folder: Path) -> list[Path]:
    """The parts in a folder, in the order of their numbers."""
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    return sorted(path for path in there if PART_FILE.fullmatch(path.name))
