"""Clusters of the whole pool that are kept over a project's rounds, as the paper of cluster-margin has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from altool import seeds
from altool.console import Console
from altool.errors import InputError
from altool.selection.inputs import Tables
from altool.selection.options import Options
from altool.strategies.registry import Strategy
from altool.tables import align, check, rounds, space, write
from altool.tables.align import Index
from altool.text import count


def kept(
    tables: Tables,
    strategy: Strategy,
    given: Mapping[str, Any],
    rows: Any,
    pool: Index,
    positions: np.ndarray,
    budget: int,
    options: Options,
    fingerprints: dict[str, str],
    console: Console,
) -> np.ndarray:
    """int64 (n,): the cluster of each candidate, which lie at `positions` in the pool, by the table of --clusters. Where there is none yet
    the candidates, whose features are `rows` (n, D), are clustered, and it is written. A row that it lacks is a cluster of its own.

    Raises InputError for clusters of another vector space or made with other options, and where it has none of the candidates.
    """
    location, made_of = options.clusters or "", space.of(tables.matrices["features"])
    facts = {name: given[name] for name in strategy.option_names if name in given} | ({"space": made_of.digest} if made_of else {})
    ids = pool.take(positions)
    if tables.clusters is None:
        if strategy.clustered is None:
            raise AssertionError(strategy.name)
        found = strategy.clustered(rows, budget, seeds.generator(options.seed, "select", "clusters"), strategy.own(given))
        table = pa.table({"id": ids, "cluster": pa.array(found.astype(np.int64))})
        write.write_table(table, "clusters", location, origin=write.provenance("select", facts, options.seed, {}))
        console.info(f"--clusters: {count(len(np.unique(found)), 'cluster')} of {count(len(table), 'row')} -> {location}")
        fingerprints["clusters"] = align.table_fingerprint(table)
        return found
    source = tables.clusters
    for fragment, origin in rounds.origins(source):
        if origin.get("options", facts) != facts:
            text = f"{source.name}: {fragment.path} was made of features of another space, or with other options of {strategy.name}"
            raise InputError(text, "give the features and the options of the first round, or another --clusters")
    table = source.read()
    fingerprints["clusters"] = align.table_fingerprint(table)
    index = align.index(table.column("id").chunks, source.name)
    places = index.positions(ids)
    if len(ids):
        what = f"{tables.pool.name}: none of its {len(ids):,} candidates"
        align.refuse_foreign(ids, what, index, source.name, "give the --clusters of this pool")
    if lacking := int((places < 0).sum()):
        first = check.naming(check.first_ids(ids.filter(pa.array(places < 0))))
        console.info(f"{source.name}: {count(lacking, 'candidate')} not in it (ids {first}); each is a cluster of its own")
    clusters = index.arrange(table.column("cluster").to_numpy())
    return np.where(places >= 0, clusters[places], clusters.max() + 1 + np.arange(len(places)))
