"""Which query a row of an export answers, and whether it still has the id of its row."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.labels.pictures import parts
from altool.tables.schema import KINDS, RELABEL

COLUMNS = KINDS["labels"].columns
RANK = re.compile(r"([1-9][0-9]{0,9})(?:\.0+)?")
CELL = 32_000  # a spreadsheet cuts longer texts


def asked(answers: pa.Table, queries: pa.Table | None) -> pa.Table:
    """The query that each row answers, null where there is none: that of the row's own round, else the latest.

    `again`, boolean: it asks about a row that has a label, and it is certain that the row answers it: it says the round, or no other
    query has asked about its id."""
    wanted = {name: COLUMNS[name] for name in ("round", "source", "suggested_label")}
    if queries is None or not queries.num_rows or not answers.num_rows:
        nothing = {name: pa.nulls(answers.num_rows, kind) for name, kind in wanted.items()}
        return pa.table({**nothing, "again": np.zeros(answers.num_rows, bool)})
    queries = queries.set_column(queries.column_names.index("round"), "round", pc.fill_null(queries.column("round"), -1))
    queries = queries.sort_by([(name, "ascending") for name in ("round", "source", "suggested_label")])
    distinct = pc.unique(queries.column("id"))
    codes = np.asarray(pc.index_in(queries.column("id"), value_set=distinct)).astype(np.int64)
    latest = np.empty(len(distinct), np.int64)
    latest[codes] = np.arange(len(codes))  # the last one stays
    keys = codes << 32 | (np.asarray(queries.column("round")) + 1)
    order = np.argsort(keys, kind="stable")
    mine = np.asarray(pc.fill_null(pc.index_in(answers.column("id"), value_set=distinct), -1)).astype(np.int64)
    own = mine << 32 | (np.asarray(pc.fill_null(answers.column("round"), -1)) + 1)
    place = np.searchsorted(keys[order], own, "right") - 1
    exact = (place >= 0) & (keys[order][place] == own)
    found = np.where(exact, order[place], latest[mine])
    taken = queries.select(list(wanted)).take(pa.array(found, pa.int64(), mask=mine < 0))
    unknown = pc.equal(taken.column("round"), -1)
    again = np.zeros(len(answers), bool)
    if "strategy" in queries.column_names:
        relabel = np.asarray(pc.fill_null(pc.equal(queries.column("strategy"), RELABEL), False))
        again = (mine >= 0) & relabel[found] & (exact | (np.bincount(codes)[mine] == 1))
    taken = taken.append_column("again", pa.array(again))
    return taken.set_column(0, "round", pc.if_else(unknown, pa.scalar(None, pa.int32()), taken.column("round").cast(pa.int32())))


def misplaced(table: pa.Table, queries: pa.Table | None) -> list[str | None]:
    """For each row whose id is not that of the query of its own `rank` and `round`, what is wrong; None where all is well.

    Rows without either, and ranks that no query has, say nothing. `table` has `id`, `own_round` and `rank`.
    """
    if queries is None or "rank" not in queries.column_names or not table.column("rank").null_count < len(table):
        return [None] * len(table)
    found: list[str | None] = []
    rounds, texts = (table.column(name).to_pylist() for name in ("own_round", "rank"))
    only = _only_round(queries)
    for id_, round_, text, right in zip(table.column("id").to_pylist(), rounds, texts, ranks(rounds, texts, queries), strict=True):
        wrong = bool(right) and id_ not in right
        where = f"rank {_rank(text)} of round {only if round_ is None else round_}"
        found.append(f"{where} is {' or '.join(map(str, right[:3]))}" if wrong else None)
    return found


def ranks(rounds: Sequence[int | None], texts: Sequence[str | None], queries: pa.Table | None) -> list[list[Any]]:
    """The ids of the queries of each row's round and rank (a text). A row without a round is of the only one that was asked."""
    if queries is None or "rank" not in queries.column_names:
        return [[] for _ in texts]
    ids: dict[tuple[Any, int], list[Any]] = {}
    for id_, round_, rank in zip(*(queries.column(name).to_pylist() for name in ("id", "round", "rank")), strict=True):
        if round_ is not None and rank is not None:
            ids.setdefault((round_, rank), []).append(id_)
    only = _only_round(queries)
    own = [only if round_ is None else round_ for round_ in rounds]
    return [ids.get((round_, _rank(text)), []) if round_ is not None else [] for round_, text in zip(own, texts, strict=True)]


def _only_round(queries: pa.Table) -> int | None:
    rounds = set(queries.column("round").to_pylist())
    return next(iter(rounds)) if len(rounds) == 1 else None


def _rank(text: str | None) -> int:
    match = RANK.fullmatch(text or "")
    return int(match[1]) if match else 0


def other_text(table: pa.Table, shown: pa.Table | None) -> np.ndarray:
    """Boolean: the rows whose `text` (or `path`) is another one than that of the item with their id. `shown` has `id` and these."""
    wrong = np.zeros(len(table), bool)
    for name in ("text", "path"):
        if shown is None or name not in shown.column_names or table.column(name).null_count == len(table):
            continue
        right: Mapping[Any, str | None] = dict(zip(shown.column("id").to_pylist(), shown.column(name).to_pylist(), strict=True))
        for row, (id_, text) in enumerate(zip(table.column("id").to_pylist(), table.column(name).to_pylist(), strict=True)):
            item = right.get(id_)
            wrong[row] |= text is not None and item is not None and not (_same_path if name == "path" else _same)(text, item)
    return wrong


def key(text: str) -> str:
    """A text as tools give it back: blanks and normal forms change on the way, and spreadsheets' guards stay."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).lstrip("'")


def _same(text: str, item: str) -> bool:
    """Spreadsheets cut what is too long."""
    one, other = key(text), key(item)
    return one == other or (len(text) >= CELL and other.startswith(one))


def _same_path(path: str, item: str) -> bool:
    """Tools that were given files have the end of their paths alone."""
    one, other = parts(path), parts(item)
    return path == item or all(a == b for a, b in zip(reversed(one), reversed(other), strict=False))
