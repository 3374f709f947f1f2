"""The previous round's predictions, as this round's strategies and wrappers need them: a number and a class per row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from altool.errors import InputError
from altool.tables import align, check
from altool.tables.align import Index
from altool.tables.derive import derive
from altool.tables.read import Source
from altool.text import count


@dataclass(frozen=True)
class Previous:
    """Of every row of the pool: what was kept of its probabilities (float64 (n,), NaN for a row that was not scored then; None where
    nothing was to be kept) and its predicted class in today's numbers (int32 (n,), -1). `added` are the classes that are new since."""

    kept: np.ndarray | None
    likeliest: np.ndarray
    added: tuple[str, ...]
    fingerprint: str


def read_previous(
    previous: Source,
    now: Source,
    pool: Index,
    classes: int,
    keep: Callable[[np.ndarray], np.ndarray] | None,
    *,
    threads: int = 0,
    advance: Callable[[int], None] = lambda rows: None,
) -> Previous:
    """Stream the previous predictions, joined to the pool by id. `keep` makes float64 (n,) of probabilities (n, K).
    `now` has so many `classes`.

    Raises InputError for a class that today's predictions `now` do not have; classes may have been added.
    """

    def work(values: Mapping[str, np.ndarray]) -> tuple[np.ndarray | None, np.ndarray, int]:
        rows = values["probabilities"]
        return keep(rows) if keep else None, rows.argmax(axis=1).astype(np.int32), rows.shape[1]

    codes, added = _classes(previous, now)
    index, results, fingerprint = derive(previous, ["probabilities"], work, threads=threads, advance=advance)
    kept, likeliest, widths = zip(*results, strict=True)
    if codes is None:  # no names: as many of them, in the same order
        if max(widths) != classes:
            raise InputError(f"{previous.name}: it has {max(widths)} classes, {now.name} has {classes}", "write both with named classes")
        codes = np.arange(classes)
    places = np.arange(len(pool)) if index.ids.equals(pool.ids) else index.positions(pool.ids)
    known = places >= 0
    if not known.any():
        what = f"{previous.name}: none of its {count(len(index), 'row')}"
        align.refuse_foreign(index.ids, what, pool, now.name, "give this pool's predictions of the round before")

    def joined(values: np.ndarray, none: float) -> np.ndarray:
        found = np.full(len(pool), none, values.dtype)
        found[known] = index.arrange(values)[places[known]]
        return found

    numbers = codes[np.concatenate(likeliest)].astype(np.int32)
    return Previous(joined(np.concatenate(kept), np.nan) if keep else None, joined(numbers, -1), added, fingerprint)


def _classes(previous: Source, now: Source) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Today's number of each previous class (None where the tables name none), and the classes that were added."""
    if not previous.knows_classes and not now.knows_classes:
        return None, ()
    gone = [name for name in previous.classes if name not in now.classes]
    if gone:
        raise InputError(
            f"{previous.name}: {count(len(gone), 'class', 'classes')} not in {now.name} ({check.naming(gone)}): rounds cannot be compared",
            "give predictions of the round before with classes of this one; or leave --previous out to begin anew",
        )
    number = {name: code for code, name in enumerate(now.classes)}
    return np.array([number[name] for name in previous.classes]), tuple(name for name in now.classes if name not in previous.classes)
