"""The supplier of `select`: what a strategy is given (strategies/inputs.py), from tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.engines import device as devices
from altool.engines.scratch import Scratch
from altool.errors import InputError
from altool.selection import clusters
from altool.selection.derived import Derived, Pool
from altool.selection.first_pass import Narrowed
from altool.selection.inputs import Past, Tables, matrices
from altool.selection.limits import read_limits, report_strangers, told
from altool.selection.options import Options
from altool.selection.vectors import fitted, read_vectors, standing_in
from altool.strategies.inputs import INPUTS, Vectors, wanted
from altool.strategies.registry import Strategy
from altool.tables import align, check, space
from altool.tables.align import Index
from altool.tables.arrays import read_index, read_matrices
from altool.tables.derive import derive
from altool.tables.previous import Previous, read_previous
from altool.tables.queue import read_ranks
from altool.tables.read import Source
from altool.text import count
from altool.wrappers.target_aware import taken


@dataclass(frozen=True)
class Supply:
    """What a choice is given: the `positions` of the candidates in the pool, increasing, and what `strategies.inputs` has `arrays` of, by
    name. `fingerprints` are those of the tables that it is from; `fitted`: a model of the labels stood in for predictions. Where the first
    pass left a part of the pool, all but `rows` and `candidates` are those of that part."""

    pool: Pool
    positions: np.ndarray
    arrays: dict[str, Any]
    fingerprints: dict[str, str]
    rows: int  # of the whole pool
    candidates: int  # in the whole pool
    fitted: bool = False


def supply(
    tables: Tables,
    past: Past,
    strategy: Strategy,
    given: Mapping[str, Any],
    budget: int,
    options: Options,
    scratch: Scratch,
    narrowed: Narrowed | None,
    console: Console,
) -> Supply:
    """What the strategy and its wrappers take, from the tables, or from those that the first pass `narrowed` them to. Each table's rows are
    read and checked once: while the pool's table is streamed or, where the strategy is given its matrix, while that is read. Raises
    InputError for tables that do not fit together."""
    tables = narrowed.tables if narrowed is not None else tables
    names = wanted(strategy, given, diversify=options.diversify, suggest=options.suggest, target_aware=options.target_aware)
    model = fitted(tables, past, strategy, names, options, console)
    if "predictions" not in tables.matrices and model is None:
        names = frozenset(name for name in names if name in strategy.takes or INPUTS[name].table != "predictions")
    source, derived = tables.pool, Derived(names, strategy, given, options)
    whole = derived.columns == ["probabilities"] and "predictions" in matrices(strategy, options).values()
    fingerprints: dict[str, str] = {}
    if whole:
        pool = Pool(read_index(source, options.threads))
    else:
        columns, work = derived.columns, derived.work
        if model is not None:
            columns, work = ["features"], lambda values: derived.work(standing_in(model, source, values["features"]))
        with console.progress(f"reading {source.name}", source.num_rows) as advance:
            index, results, fingerprints[source.kind.name] = derive(source, columns, work, threads=options.threads, advance=advance)
        pool = derived.pool(index, results)
    if narrowed is not None:
        candidates, ranks = pool.index.mask(narrowed.chosen), None
        fingerprints |= narrowed.inputs
    else:
        candidates, ranks = read_candidates(tables, past, pool.index, options, fingerprints, console)
    arrays: dict[str, Any] = {}
    positions = np.flatnonzero(candidates)
    if strategy.shape != "score":
        also = (lambda rows: derived.work({"probabilities": rows})) if whole else None
        positions, arrays, results = read_arrays(
            tables, pool.index, candidates, past, strategy, options, scratch, also, fingerprints, console
        )
        if whole:
            pool = derived.pool(pool.index, results)
        if options.model:
            width = arrays["features"].shape[1]
            arrays["head"] = read_head(options.model, tables.matrices["features"], width, fingerprints, console)
    if options.clusters:
        wrapped, rows = strategy.wrapped, arrays["features"]
        arrays["clusters"] = clusters.kept(tables, wrapped, given, rows, pool.index, positions, budget, options, fingerprints, console)
    if "vectors" in names and "features" in tables.matrices:
        arrays["vectors"] = _there(read_vectors(tables, pool.index, positions, past, options, fingerprints, console), options.device)
    before = None
    if tables.previous is not None:
        before = round_before(tables.previous, source, pool, strategy, options, given, console)
        fingerprints["previous"] = before.fingerprint
        if before.kept is not None and pool.scores is not None and strategy.wrapped.across:
            pool = replace(pool, scores=strategy.wrapped.across[1](pool.scores, before.kept))
        report_new(before, positions, strategy, options, source, console)
    elif strategy.wrapped.across:
        base = first_order(strategy.wrapped, given)
        console.info(f"{strategy.wrapped.name}: no --previous, so this is the first round: rows are in the order of {base}")
    per_row = {"scores": pool.scores, "likeliest": pool.likeliest, "confidence": pool.confidence, "margin": pool.margin, "ranks": ranks}
    if before is not None and by_previous(options, strategy):
        per_row["likeliest_before"] = before.likeliest
    arrays |= {name: values[positions] for name, values in per_row.items() if values is not None}
    arrays["classes"] = pool.classes or len(past.classes)
    if pool.candidate_labels is not None:
        arrays["candidate_labels"] = taken(*pool.candidate_labels, positions)
    if narrowed is None:
        return Supply(pool, positions, arrays, fingerprints, len(pool.index), len(positions), model is not None)
    fingerprints |= narrowed.inputs
    return Supply(pool, positions, arrays, fingerprints, narrowed.rows, narrowed.candidates)


def _there(vectors: Vectors, name: str) -> Vectors:
    """The vectors on the device of that name, when they are read."""
    device = devices.of_choices(name)
    if device is None:
        return vectors

    def fetch(places: np.ndarray) -> tuple[Any, Any]:
        rows, labeled = devices.put(vectors.fetch(places), device, "features")
        return rows, labeled

    return replace(vectors, fetch=fetch)


def by_previous(options: Options, strategy: Strategy) -> bool:
    """Is --diversify to go by the previous round's classes?"""
    return options.diversify_by == "previous" or (options.diversify_by is None and strategy.wrapped.across is not None)


def round_before(
    previous: Source, source: Source, pool: Pool, strategy: Strategy, options: Options, keywords: Mapping[str, Any], console: Console
) -> Previous:
    """The previous round, read row by row and joined to the pool."""
    compared = strategy.wrapped
    keep = partial(compared.across[0], **compared.own(keywords)) if compared.across else None
    with console.progress(f"reading {previous.name}", previous.num_rows) as advance:
        found = read_previous(previous, source, pool.index, pool.classes, keep, threads=options.threads, advance=advance)
    if found.added:
        console.warn(f"{previous.name}: it lacks {len(found.added)} of today's classes ({check.naming(found.added)})")
    return found


def first_order(strategy: Strategy, given: Mapping[str, Any]) -> str:
    """The order of rows that a strategy which compares rounds cannot compare."""
    return str(given.get(strategy.base) or strategy.default(strategy.base))


def report_new(before: Previous, positions: np.ndarray, strategy: Strategy, options: Options, source: Source, console: Console) -> None:
    """Say how many candidates the previous round never scored, and what becomes of them."""
    new = int((before.likeliest[positions] < 0).sum())
    if new:
        text = f"{new:,} of {len(positions):,} candidates of {source.name} are not in --previous"
        if strategy.wrapped.across:
            text += f": they come after the others, in the order of {first_order(strategy.wrapped, options.own)}"
        if options.diversify and by_previous(options, strategy):
            text += "; they count as what they are predicted to be now"
        console.info(text)


def read_candidates(
    tables: Tables, past: Past, pool: Index, options: Options, inputs: dict[str, str], console: Console
) -> tuple[np.ndarray, np.ndarray | None]:
    """bool (n,): which rows of the pool may be asked for; and their ranks in --queue, if that is given."""
    candidates = np.ones(len(pool), bool)
    limits = read_limits(tables, past, inputs)
    left = [len(pool)]
    for limit in limits:
        candidates &= limit.mask(pool.ids)
        left.append(int(candidates.sum()))
    told(limits, [pool.positions(limit.ids) >= 0 for limit in limits], left, lambda: pool, tables, options, console)
    ranks = None
    if tables.queue is not None:
        ranks, strangers, inputs["queue"] = read_ranks(tables.queue, pool)
        if not np.isfinite(ranks).any():
            what = f"{tables.queue.name}: none of its {len(strangers):,} rows"
            align.refuse_foreign(strangers, what, pool, tables.pool.name, "give the queue and the pool of one project")
        report_strangers(strangers, "queue", options, console)
        candidates &= np.isfinite(ranks)
    return candidates, ranks


def read_arrays(
    opened: Tables,
    pool: Index,
    candidates: np.ndarray,
    past: Past,
    strategy: Strategy,
    options: Options,
    scratch: Scratch,
    also: Callable[[np.ndarray], Any] | None,
    fingerprints: dict[str, str],
    console: Console,
) -> tuple[np.ndarray, dict[str, Any], list[Any]]:
    """The candidates' positions in the pool; the matrices, and the labels, that the strategy is given of them and of the labeled rows; and
    what `also` makes of all rows of the probabilities, batch by batch."""
    tables, training, numbers = opened.matrices, past.training, past.numbers
    given = {*strategy.takes, *strategy.optional}
    tables_of = matrices(strategy, options)
    results: list[Any] = []
    # Where the rows of the pool, and those that were labeled, lie in each table.
    labeled = pool.positions(training.column("id")) if training is not None else np.empty(0, np.int64)
    held = labeled >= 0
    found: dict[str, tuple[Index, np.ndarray]] = {}
    for name in sorted(tables_of.values()):
        source = tables[name]
        index = pool if name == next(iter(tables)) else read_index(source, options.threads)
        places = np.arange(len(pool)) if index.ids.equals(pool.ids) else index.positions(pool.ids)
        found[name] = index, places
        if candidates.any() and not (candidates & (places >= 0)).any():
            wanted_ids = pool.take(np.flatnonzero(candidates))
            whole, what = next(iter(tables.values())), f"{len(wanted_ids):,} candidates"
            text = f"{whole.name}, which has {len(pool):,} rows: none of its {what}"
            align.refuse_foreign(wanted_ids, text, index, source.name, "give every row of the pool in both tables")
        if len(missing := pool.take(np.flatnonzero(candidates & (places < 0)))):
            text = f"{source.name}: {count(len(missing), 'candidate')} not in it (ids {check.naming(check.first_ids(missing))})"
            console.mismatch(text, "they cannot be chosen; give every row of the pool in both tables", strict=options.strict)
        candidates = candidates & (places >= 0)
        held[held] = places[labeled[held]] >= 0
    if not tables_of:
        held[:] = True  # what is asked of them is how many there are, of which classes
    uses_labeled = any(name == "labels" or name.startswith("labeled_") for name in given)
    if uses_labeled and training is not None and not held.all():
        lost = training.column("id").filter(pa.array(~held))
        lacking = " or ".join(sorted(tables_of.values()))
        text = f"labels: {count(len(lost), 'labeled row')} without {lacking} (ids {check.naming(check.first_ids(lost))})"
        if not held.any():
            raise InputError(f"{text}: that is all of them", f"give the labeled rows' {lacking} too")
        console.mismatch(text, "the strategy works from the others", strict=options.strict)
    positions = np.flatnonzero(candidates)

    arrays: dict[str, Any] = {"labels": numbers[held]}
    if "automatic" in given and training is not None:
        arrays["automatic"] = np.asarray(pa.compute.fill_null(pa.compute.equal(training.column("source"), "auto"), False))[held]
    device = devices.of_choices(options.device)
    for column, name in sorted(tables_of.items(), reverse=True):  # probabilities first: the smaller and more often read stay in memory
        index, places = found[name]
        known_width = len(tables[name].classes) if column == "probabilities" and tables[name].knows_classes else None
        parts = [places[positions], places[labeled[held] if f"labeled_{column}" in given else labeled[:0]]]
        with console.progress(f"reading {tables[name].name}", len(index)) as advance:
            # Increasing positions in the pool are increasing ones in any table that is in id order.
            found_rows, fingerprints[name], made = read_matrices(
                tables[name],
                column,
                index,
                parts,
                scratch,
                width=known_width,
                threads=options.threads,
                advance=advance,
                also=also if column == "probabilities" else None,
            )
        results = results or made
        arrays[column], arrays[f"labeled_{column}"] = found_rows if device is None else devices.put(found_rows, device, name)
    return positions, arrays, results


def read_head(location: str, features: Source, width: int, inputs: dict[str, str], console: Console) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, D) and bias (K,) of a model that is one linear layer, for these features. Raises InputError for another, and where the
    features are of another vector space than those that the layer sees."""
    from altool.models import store  # here alone: few strategies ask for a model
    from altool.models.shape import Deep

    stored = store.load(location)
    head = stored.model.head
    if head is None:
        raise InputError(f"model {location}: it has no linear head", "give a model of --classifier logistic or linear-svm")
    seen = stored.reads == "features" and not isinstance(stored.model, Deep)
    theirs = space.of_model(stored.facts, location) if seen else space.made_by(stored.facts, location)
    space.match(space.of(features), features, theirs, location, console)
    if head.width != width:
        raise InputError(
            f"model {location}: its head takes {head.width} features, not {width}",
            "give those that it was trained on or, of a deep model, altool score --features-output",
        )
    inputs["model"] = stored.facts["label_digest"]
    return head.weights, head.bias


def first_place(text: str, pool: Index, positions: np.ndarray, id_type: pa.DataType) -> int:
    """The place among the candidates of the row that --first names."""
    try:
        position = int(pool.positions(pa.array([text]).cast(id_type))[0])
    except pa.ArrowInvalid:
        position = -1
    place = int(np.searchsorted(positions, position))
    if position < 0 or place == len(positions) or positions[place] != position:
        raise InputError(f"--first: {text} is not a candidate", "name the id of a row that has no label yet")
    return place
