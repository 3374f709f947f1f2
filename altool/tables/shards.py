"""Finished shards of a long run, kept in a hidden folder beside its target until the whole is written, so that a killed run goes on."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool.errors import UsageError
from altool.tables import outputs, write
from altool.tables.align import Index, fingerprint

KEY, ROWS = b"altool.run", b"altool.rows"
FIT = "fit"  # what a backbone learned, until it lies beside the target
KEPT = (".arrow", ".checkpoint")  # files that a run can go on from


@dataclass(frozen=True)
class Shard:
    """What became of consecutive rows of the input, in file order: `digests` uint8 (n, 16) of what they held, `vectors` (n, width),
    `reasons` a string for each row that could not be used, else null."""

    digests: np.ndarray
    vectors: np.ndarray
    reasons: pa.Array


class Shards:
    """The stored shards of one run. Each carries the run that it belongs to and a digest of the rows that it was made from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, key: str, ids: pa.ChunkedArray, size: int, first: int | None = None) -> set[int]:
        """Say what the run is: its `key` (options and whatever else shapes a vector), its ids in file order and the rows per shard. Of
        a run that several processes share, these are the ids from the shard `first` on, and only their shards are looked at.

        Shards of another run are removed. Returns the numbers of those that are there; whether their rows are still the same,
        `fits` tells.
        """
        self._key, self._ids, self._size, self._first = key.encode(), ids, size, first or 0
        self._rows: dict[int, str] = {}
        for path in sorted(self._folder.glob("shard-*.arrow")):
            number = int(path.stem.removeprefix("shard-"))
            if first is not None and number not in self.numbers:
                continue
            with contextlib.suppress(pa.ArrowInvalid, OSError):
                facts = _open(path).schema.metadata or {}
                if facts.get(KEY) == self._key:
                    self._rows[number] = facts[ROWS].decode()
                    continue
            path.unlink(missing_ok=True)
        return set(self._rows)

    def __len__(self) -> int:
        """The number of shards that these ids have."""
        return -(-len(self._ids) // self._size)

    @property
    def numbers(self) -> range:
        return range(self._first, self._first + len(self))

    def ids(self, number: int) -> pa.ChunkedArray:
        return self._ids.slice((number - self._first) * self._size, self._size)

    def fits(self, number: int, digests: np.ndarray) -> bool:
        """Was the stored shard made from rows of these ids and these digests?"""
        return self._rows.get(number) == self._digest(number, digests)

    def write(self, number: int, digests: np.ndarray, vectors: np.ndarray, reasons: Sequence[str | None]) -> None:
        """Store a shard, whole or not at all."""
        width = vectors.shape[1]
        table = pa.table(
            {
                "digest": pa.FixedSizeListArray.from_arrays(pa.array(digests.reshape(-1)), digests.shape[1]),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width),
                "reason": pa.array(reasons, pa.string()),
            }
        ).replace_schema_metadata({KEY: self._key, ROWS: self._digest(number, digests)})
        with (
            write.replacing(self._path(number)) as temporary,
            pa.OSFile(str(temporary), "wb") as stream,
            pa.ipc.new_file(stream, table.schema) as writer,
        ):
            writer.write_table(table.combine_chunks())

    def read(self, number: int) -> Shard:
        """A stored shard, mapped into memory."""
        batch = _open(self._path(number)).get_batch(0)
        digests, vectors = (
            batch.column(name).values.to_numpy().reshape(batch.num_rows, batch.column(name).type.list_size) for name in ("digest", "vector")
        )
        return Shard(digests, vectors, batch.column("reason"))

    def remove(self) -> None:
        """The whole is written, or there is nothing to go on with."""
        clear(self._folder)

    def _digest(self, number: int, digests: np.ndarray) -> str:
        places = hashlib.sha256(digests.tobytes()).hexdigest()  # which row lies where, that a fingerprint leaves open
        return fingerprint(Index(self.ids(number), None), digests, places)

    def _path(self, number: int) -> Path:
        return self._folder / f"shard-{number:06d}.arrow"


def _open(path: Path) -> Any:
    return pa.ipc.open_file(pa.memory_map(str(path)))


@contextlib.contextmanager
def beside(target: str | Path) -> Iterator[Shards]:
    """The shards of the run that makes `target`, in its `partial` folder."""
    with partial(target) as folder:
        yield Shards(folder)


@contextlib.contextmanager
def partial(target: str | Path) -> Iterator[Path]:
    """A hidden folder beside `target` for what the run that makes it has done so far. It stays, with what is in it, where the run fails
    or is killed; one without shards and checkpoints goes.

    Raises UsageError while another run makes the same target.
    """
    target = outputs.local(target)
    folder = target.parent / f".{target.name}.partial"
    with _lock(folder, target):
        try:
            yield folder
        finally:
            if folder.exists() and not any(path.suffix in KEPT and not path.name.startswith(".") for path in folder.iterdir()):
                clear(folder)


def clear(folder: Path) -> None:
    """Remove what runs have put into their `partial` folder, and the folder itself unless somebody else has put something there."""
    for path in folder.iterdir():
        if path.name == "lock" or path.stem == FIT or path.suffix in (*KEPT, ".tmp", ".tmp-lock"):
            path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def _lock(folder: Path, target: Path) -> Iterator[None]:
    path = folder / "lock"
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = open(path, "wb")  # noqa: SIM115 (held below)
        except FileNotFoundError:  # its owner removed the folder just now
            continue
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"{target} is being written by another run", "wait for it, or give another --output") from None
            if path.exists() and os.path.samestat(os.fstat(handle.fileno()), path.stat()):  # else it was removed before it was ours
                yield
                return
