"""Which rows of a pool may be asked for: those that no label, --within and --exclude rule out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.console import Console
from altool.selection.inputs import NEAR, Past, Tables
from altool.selection.options import Options
from altool.tables import align, check
from altool.tables.align import Index
from altool.text import count

LABELS = "labels"


@dataclass(frozen=True)
class Limit:
    """Distinct `ids`, of which `expected` bool (n,) should be in the pool: candidates are none of them or, with `within`, no others.
    `name` is what a message calls the table; its ids may be none of the pool where they are `near` ones."""

    name: str
    ids: pa.Array
    expected: np.ndarray
    within: bool = False
    near: bool = False

    def mask(self, ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Which of these ids may be candidates, bool (n,)."""
        inside = np.asarray(pc.is_in(ids, value_set=self.ids))
        return inside if self.within else ~inside


def read_limits(tables: Tables, past: Past, inputs: dict[str, str]) -> list[Limit]:
    """What the tables say, whose digests become part of `inputs`."""
    limits = []
    if past.labels is not None and past.rows is not None:
        inputs["labels"] = align.table_fingerprint(past.rows if past.answers is None else past.labels.table)
        gone = past.labels.taken if len(past.labels.taken) else pa.array([], tables.id_type)
        if tables.pool.kind.name == "queries":  # a queue is an excerpt of the pool: labels of other rows are to be expected
            expected = np.zeros(len(gone), bool)
        else:
            held = past.labels.holdout.column("id").combine_chunks()
            expected = ~np.asarray(pc.is_in(gone, value_set=held))
        limits.append(Limit(LABELS, gone, expected))
    if past.asked:
        inputs["queries"] = align.rows_fingerprint(past.asked)
    if tables.metrics is not None:
        inputs["metrics"] = align.table_fingerprint(tables.metrics)
    for name, table in tables.limits.items():
        ids = pc.unique(table.read(["id"]).column("id"))
        if name == NEAR:
            inputs[name] = align.fingerprint(align.index([ids], table.name), None)
            limits.append(Limit("--within-neighbours", ids, np.zeros(len(ids), bool), within=True, near=True))
            continue
        inputs[name] = align.fingerprint(align.index([pc.take(ids, pc.array_sort_indices(ids))], table.name), None)
        limits.append(Limit(f"--{name}", ids, np.ones(len(ids), bool), within=name == "within"))
    return limits


def told(
    limits: Sequence[Limit],
    present: Sequence[np.ndarray],
    left: Sequence[int],
    pool: Callable[[], Index],
    tables: Tables,
    options: Options,
    console: Console,
) -> None:
    """Say which expected ids are not `present` in the pool (for each limit bool (n,)), an error with --strict, and how many candidates
    neighbours leave: `left` are the rows of the pool, and those that are left by each limit and the ones before it. Raises InputError for
    a --within that has no row of the pool, which is called for the message."""
    for limit, there, before, after in zip(limits, present, left[:-1], left[1:], strict=True):
        if limit.near:
            console.info(f"{limit.name} {options.within_neighbours}: {after:,} of {count(before, 'candidate')} left")
            continue
        if limit.within and not there.any():
            what = f"--within {tables.limits['within'].location}: none of its {len(limit.ids):,} ids"
            align.refuse_foreign(limit.ids, what, pool(), tables.pool.name, "give ids of this pool")
        report_strangers(limit.ids.filter(pa.array(limit.expected & ~there)), limit.name, options, console)


def report_strangers(strangers: pa.Array, table: str, options: Options, console: Console) -> None:
    """Warn of ids that the pool has never held; an error with --strict."""
    if len(strangers):
        text = f"{table}: {count(len(strangers), 'id')} not in the pool (ids {check.naming(check.first_ids(strangers))})"
        console.mismatch(text, "give the table that belongs to this pool, or leave --strict out", strict=options.strict)
