"""`select --within-neighbours K` (SEALS; Coleman et al. 2022): candidates are the rows nearest to labeled ones of the query classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.errors import InputError
from altool.selection.aims import Aims
from altool.selection.inputs import NEAR, Past, Tables
from altool.selection.options import Options
from altool.tables import check, neighbours
from altool.tables.derive import derive
from altool.tables.fragments import MemoryFragment
from altool.tables.read import Source
from altool.tables.schema import KINDS
from altool.text import count


@dataclass(frozen=True)
class Nearby:
    """The tables, with the neighbours as a limit where there are any, the index that they were found in, and how many there are."""

    tables: Tables
    index: neighbours.Neighbours | None = None
    facts: dict[str, int] = field(default_factory=dict)

    def check(self, fingerprints: dict[str, str], options: Options, console: Console) -> None:
        """Raise InputError where the features changed since they were indexed: by their fingerprint, for which the table is read unless
        the `fingerprints` of what was read hold it."""
        source = self.tables.near
        if source is None or self.index is None or self.index.facts["fingerprint"] == fingerprints.get("features"):
            return
        with console.progress(f"checking {source.name}", source.num_rows) as advance:
            _, _, found = derive(source, ["features"], lambda values: None, threads=options.threads, advance=advance)
        if found != self.index.facts["fingerprint"]:
            self.index.refuse(f"{source.name} changed since it was built", source)


def limited(tables: Tables, past: Past, aims: Aims, options: Options, console: Console) -> Nearby:
    """The tables, whose candidates are limited to the neighbours of the labeled rows of the query classes; where none of these rows is
    labeled yet, to nothing, for SEALS begins with some. Raises InputError for an index of another table, or without these rows."""
    source = tables.near
    if source is None:
        return Nearby(tables)
    opened = neighbours.load(options.index or neighbours.place(source.location), source, options.threads)
    names = [past.classes[code] for code in aims.query]
    mine = np.isin(past.numbers, aims.query)
    if past.training is None or not mine.any():
        console.info(f"--within-neighbours: no labeled row of {_named(names)} yet, so all candidates are taken")
        return Nearby(tables)
    wanted = past.training.column("id").filter(pa.array(mine))
    with console.progress(f"looking up {opened.name}", None):
        near, held = opened.near(wanted, int(options.within_neighbours or 0), options.threads)
    if held < len(wanted):
        lost = wanted.filter(pa.array(opened.ids.positions(wanted) < 0))
        ids = check.naming(check.first_ids(lost))
        text = f"{source.name}: {count(len(lost), 'labeled row')} of the query classes not in it (ids {ids})"
        if not held:
            raise InputError(f"{text}: that is all of them", "give the labeled rows' features too, and index them")
        console.mismatch(text, "only the others' neighbours are candidates", strict=options.strict)
    told = f"{count(len(near), 'neighbour')} of {count(held, 'labeled row')} of {_named(names)}"
    console.info(f"--within-neighbours: {told}, by {opened.facts['metric']}")
    table = MemoryFragment(opened.name, pa.table({"id": near}))
    limit = Source(KINDS["ids"], opened.name, [table], {}, tables.id_type, {}, None)
    return Nearby(replace(tables, limits={**tables.limits, NEAR: limit}), opened, {"labeled": held, "neighbours": len(near)})


def _named(classes: Sequence[str]) -> str:
    return f"{count(len(classes), 'class', 'classes')} ({check.naming(classes)})" if classes else "any class"
