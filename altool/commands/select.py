"""`altool select`: choose what to label next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow.compute as pc

from altool import seeds
from altool.console import Console
from altool.engines import device as devices
from altool.engines import placement
from altool.engines.scratch import Scratch, available, parse_size
from altool.labels import queries as asked_of
from altool.metrics.tiers import EASY, TIERS, automatic
from altool.reporting.strategies import print_strategies
from altool.selection import asking, likeness, neighbours, queries, relabel, said
from altool.selection.aims import Aims, read_aims
from altool.selection.first_pass import narrow
from altool.selection.from_tables import first_place, supply
from altool.selection.inputs import Past, open_tables, read_past
from altool.selection.options import Options, exports_of, placed, prepare
from altool.strategies import registry
from altool.strategies.registry import Strategy
from altool.tables import align, carry, rounds, space, write
from altool.tables.queue import read_queries
from altool.wrappers.choose import PARALLEL, Choice, Request, choose
from altool.wrappers.shortlist import MARGIN
from altool.wrappers.unique import LeftOut, choose_unique

owned = registry.owned  # the strategies' options


def run(options: Options, console: Console) -> None:
    """Read the pool, leave out what is labeled, let the strategy and the wrappers choose, write the queries.

    Raises NothingLeft, after an empty table was written, when no candidate is left.
    """
    if options.list_strategies:
        print_strategies(console)
    elif options.relabel is not None:
        relabel.run(options, options.relabel, console)
    else:
        _select(*prepare(options), console)


def _select(options: Options, strategy: Strategy, given: Mapping[str, Any], console: Console) -> None:
    exports, output = exports_of(options), options.output or ""
    queries.check_outputs(options, output, exports, console)
    scratch = Scratch(parse_size(options.memory) if options.memory else available() * 3 // 4)
    tables = open_tables(options, strategy, console)
    if "features" in tables.matrices:
        space.told(tables.matrices["features"], console)
    if options.items and not exports and options.unique is None and tables.pool.kind.name != "items":
        console.info("--items is not read: it is for --export, and the pool is that of --predictions or --features")
    past = read_past(tables, options, strategy)
    aims = read_aims(tables, past, strategy, given, options, console)
    nearby = neighbours.limited(tables, past, aims, options, console)
    tables = nearby.tables
    request = _request(aims, past, strategy, options)
    with placement.engine(placed(options), console) as engine:
        narrowed = narrow(tables, past, strategy, request, options, engine, console)
    supplied = supply(tables, past, strategy, aims.keywords, aims.budget, options, scratch, narrowed, console)
    nearby.check(supplied.fingerprints, options, console)
    if "first" in given:
        aims.keywords["first"] = first_place(given["first"], supplied.pool.index, supplied.positions, tables.id_type)
    begun = asking.begin(tables, past, strategy, given, supplied, options) if strategy.shape == "ask" else None
    if options.target_aware and "candidate_labels" not in supplied.arrays:
        console.info("no predictions yet, and no two classes with a label: the targets do not steer this round")
        aims = replace(aims, weights=None)
    request = replace(_request(aims, past, strategy, options), sifted=supplied.candidates > len(supplied.positions))
    if console.dry_run:
        said.rehearse(request, past, supplied.candidates, {"pool": supplied.rows, "output": output, "exports": exports}, console)
        return
    left_out = LeftOut()
    with devices.memory(options.device):
        if options.unique is None:
            choice = choose(request, len(supplied.positions), supplied.arrays)
        else:
            alike = likeness.read(tables, past, supplied, options, options.unique, console)
            choice, left_out = choose_unique(request, len(supplied.positions), supplied.arrays, alike)
    if nearby.facts:  # what is drawn at random among neighbours is no random sample of the pool
        choice = replace(choice, explored=np.zeros(len(choice.places), bool))
    if tables.oracle is not None and choice.round is not None:
        choice = asking.whole_round(choice, choice.round, tables.oracle, supplied.pool.index, supplied.positions)
    seen = supplied.arrays if narrowed is None or options.shortlist is not None else {}  # of those chosen alone
    said.report(choice, request, seen, len(supplied.positions), past.classes, left_out, options, console)

    nobody = np.zeros(len(choice.places), bool)
    if strategy.tiers:
        nobody = automatic(choice.marks["tier"], options.audit or 0, seeds.generator(options.seed, "select", past.round, "audit"))
    # A class that only the labels know may be suggested, and answered.
    named = past.classes if tables.pool.knows_classes or supplied.fitted else None
    asked = read_queries(tables.queue) if tables.queue is not None else None
    if tables.queue is not None and asked is not None:
        supplied.fingerprints["queue"] = align.rows_fingerprint(asked.to_pylist())
        named = named or asked_of.classes([tables.queue])
    table = queries.table_of(supplied, choice, nobody, options, strategy, past, named, asked)
    if asked is not None and (latest := pc.max(table.column("round")).as_py()) is not None:
        past = replace(past, round=latest)
    if tables.items is not None and exports:
        queries.export(table, tables.items, exports, named or (past.classes if tables.classes else ()), options, console)
    origin = _origin(choice, request, past, options, given, supplied.fingerprints | tables.versions, begun)
    if tables.queue is not None and asked is not None and (carried := rounds.begun([tables.queue])):
        origin["begun"] = carried
    ids = "id"
    if options.keep is not None:
        table, ids = carry.onto(table, tables.pool, options.keep, "queries"), carry.id_name(tables.pool)
    write.write_table(table, "queries", output, origin=origin, classes=named, format=options.format, id_name=ids)
    facts: dict[str, Any] = {"candidates": supplied.candidates, "pool": supplied.rows, "output": output, "exports": exports}
    if options.shortlist is not None:
        facts["shortlist"] = len(supplied.positions)
    if nearby.facts:
        facts["within_neighbours"] = nearby.facts
    if strategy.tiers:
        tiers = said.tier_sizes(choice)
        facts |= {"tiers": tiers, "audited": tiers[TIERS[EASY]] - int(nobody.sum())}
    if options.unique is not None:
        facts["copies"] = {"batch": left_out.batch, "labeled": left_out.labeled}
    if choice.account is not None:
        facts |= {**choice.account.facts, "reasons": said.reasons(choice)}
    if aims.weights is not None:
        facts["weights"] = origin["options"]["weights"]
    said.conclude(choice, request, past, tables.pool, facts, options, console)


def _request(aims: Aims, past: Past, strategy: Strategy, options: Options) -> Request:
    return Request(
        strategy,
        aims.budget,
        partial(seeds.generator, options.seed, "select", past.round, strategy.name),
        aims.keywords,
        diversify=options.diversify,
        partitions=options.partitions,
        class_weights=aims.weights,
        queue_size=options.queue_size,
        threads=options.threads,
        parallel=options.parallel or PARALLEL,
    )


def _origin(
    choice: Choice,
    request: Request,
    past: Past,
    options: Options,
    given: Mapping[str, Any],
    inputs: Mapping[str, str],
    begun: str | None,
) -> dict[str, Any]:
    """The queries' provenance; for a strategy that asks, also what its round began with and what it found so far."""
    names = ("diversify", "diversify_by", "unique", "suggest", "target_aware", "weights_from", "candidate_threshold", "queue_size")
    changing = {name: getattr(options, name) for name in names} | dict(given)
    if options.suggest_wrong is not None:
        changing["suggest_wrong"] = options.suggest_wrong
    changing |= {"strategy": request.strategy.name, "budget": request.count, "audit": options.audit}
    changing |= {"round": past.round, "source": options.source, "partitions": options.partitions}
    if options.shortlist is not None:
        changing |= {"shortlist": options.shortlist, "shortlist_by": options.shortlist_by or MARGIN}
    if options.within_neighbours is not None:
        changing |= {"within_neighbours": options.within_neighbours, "query_classes": options.own.get("query_classes")}
    if options.keep is not None:
        changing["keep"] = options.keep
    if budgets := request.strategy.budgets:
        changing[budgets] = list(request.keywords[budgets])
    if request.class_weights is not None:
        changing["weights"] = dict(zip(past.classes, request.class_weights.tolist(), strict=True))
    origin = write.provenance("select", changing, options.seed, inputs)
    if choice.round is not None:
        count = len(choice.places)
        origin |= {"begun": {str(past.round): [begun]}, "asked": len(choice.round.asked.rows) - count}
        if options.oracle is not None or not count:
            origin["found"] = asking.found_facts(choice.round, past.classes)
    return origin
