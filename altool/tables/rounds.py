"""A round of a strategy that asks, waits and asks again, as its tables tell it: what it began with, what was asked and answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.tables import check
from altool.tables.align import Index
from altool.tables.fragments import Fragment
from altool.tables.outside import load_json
from altool.tables.read import Source
from altool.text import count

LAST = 2**31 - 1  # the contract's rounds are int32


def next_round(log: pa.Table | None) -> int:
    """One more than the last round in the label log; 0 for the first of all.

    A round whose labels were all retracted is over too: its auto labels stay retracted.
    """
    last = pc.max(log.filter(pc.invert(_held(log))).column("round")).as_py() if log is not None else None
    if last == LAST:
        raise InputError(f"labels: the log has reached round {LAST:,}, the last possible", "give the round's number: --round R")
    return 0 if last is None else last + 1


def _held(log: pa.Table) -> pa.ChunkedArray:
    """Which rows are held out: they belong to no round."""
    return pc.fill_null(pc.equal(log.column("source"), "holdout"), False)


def parted(log: pa.Table, round_: int) -> tuple[pa.Table, pa.Table]:
    """The rows of the label log but for the answers of a round, and those answers."""
    own = pc.and_(pc.fill_null(pc.equal(log.column("round"), round_), False), pc.invert(_held(log)))
    return log.filter(pc.invert(own)), log.filter(own)


def fingerprint(facts: Mapping[str, Any]) -> str:
    """Of what a round begins with (JSON): whoever goes on with the round must have the same."""
    return "sha256:" + hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def origins(source: Source) -> list[tuple[Fragment, dict[str, Any]]]:
    """Each of its files with the provenance that it carries; an empty one where it is from elsewhere.

    Raises InputError for one of another shape than altool writes.
    """
    return [(one, _origin(f"{source.name}: {one.path}: its metadata altool.provenance", one)) for one in source.fragments]


# What of a provenance is read again, and its type; of each class that a round asked for, and the type but for null.
READ_AGAIN = {"options": dict, "begun": dict, "asked": int, "found": list}
FOUND = {"class": str, "size": int, "threshold": int, "gap": int | float, "first": int, "last": int, "unlabeled": int}


def _origin(where: str, file: Fragment) -> dict[str, Any]:
    origin = load_json(file.facts.get("provenance", "{}"), where)
    strange = InputError(f"{where} is not as altool writes it", "write the table again with altool, or without metadata")
    if not isinstance(origin, dict) or not all(isinstance(origin.get(name, kind()), kind) for name, kind in READ_AGAIN.items()):
        raise strange
    rounds_ = origin.get("begun", {})
    if not all(
        number.isdecimal() and isinstance(prints, list) and all(isinstance(one, str) for one in prints)
        for number, prints in rounds_.items()
    ):
        raise strange
    for fact in origin.get("found", ()):
        if (
            not isinstance(fact, dict)
            or not isinstance(fact.get("class"), str)
            or not isinstance(origin.get("options", {}).get("round"), int)
        ):
            raise strange
        if not all(fact.get(name) is None or isinstance(fact[name], kind) for name, kind in FOUND.items()):
            raise strange
    return origin


def begun(sources: Sequence[Source]) -> dict[str, list[str]]:
    """{round: fingerprints of what it began with} of the rounds that tables have rows of, as their files carry them."""
    found: dict[str, set[str]] = {}
    for _, origin in (pair for source in sources for pair in origins(source)):
        for round_, prints in origin.get("begun", {}).items():
            found.setdefault(round_, set()).update(prints)
    return {round_: sorted(prints) for round_, prints in sorted(found.items())}


def check_begun(source: Source, round_: int, own: str) -> None:
    """Raises InputError where a table is of this round, but the round began with something else."""
    if set(begun([source]).get(str(round_), ())) - {own}:
        raise InputError(
            f"{source.name}: its round {round_} began with another strategy, seed, budget or option, or with other predictions, candidates "
            "or labels of earlier rounds",
            f"give what the round began with, or begin another one: --round {round_ + 1}",
        )


def recorded(sources: Sequence[Source], round_: int, pool: Index, positions: np.ndarray) -> list[tuple[np.ndarray, list[Any], np.ndarray]]:
    """The round's question tables in the order in which they were asked: of each the candidates (int64 places in `positions`), the classes
    that they were asked for (names), and whether the search asked. Raises InputError for tables of another round or other candidates."""
    parts = [(source, *pair) for source in sources for pair in origins(source)]
    for source, fragment, origin in parts:
        if str(round_) not in origin.get("begun", {}) or "asked" not in origin:
            raise InputError(f"{source.name}: {fragment.path} is not of round {round_}", "give this round's queries alone")
    batches = []
    for source, fragment, _ in sorted(parts, key=lambda part: int(part[2]["asked"])):
        table = replace(source, fragments=[fragment]).read(["id", "rank", "target_class", "phase"]).sort_by("rank")
        found = pool.positions(table.column("id"))
        places = np.minimum(np.searchsorted(positions, found), max(len(positions) - 1, 0))
        strange = table.column("id").filter(pa.array(positions[places] != found if len(positions) else found == found))
        if len(strange):
            named = check.naming(check.first_ids(strange))
            text = f"{source.name}: {count(len(strange), 'row')} not among the candidates of this round (ids {named})"
            raise InputError(text, "give the queries that altool select wrote in this round")
        batches.append((places, table.column("target_class").to_pylist(), np.asarray(pc.equal(table.column("phase"), "search"))))
    return batches
