"""What a strategy is given: the pool, its candidates, the labeled rows and the round before, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.engines.device import choose as choose_device
from altool.engines.scratch import Scratch
from altool.errors import InputError
from altool.selection.inputs import Past, Tables, matrices
from altool.selection.options import Options
from altool.strategies.registry import Strategy
from altool.tables import align, check, space
from altool.tables.align import Index
from altool.tables.arrays import read_index, read_matrices
from altool.tables.derive import derive
from altool.tables.previous import Previous, read_previous
from altool.tables.queue import read_ranks
from altool.tables.read import Source
from altool.wrappers.choose import function_options
from altool.wrappers.suggest import predicted
from altool.wrappers.target_aware import Ragged, candidate_labels, stacked, taken


@dataclass(frozen=True)
class Pool:
    """The pool's rows in id order: what the strategy and the wrappers need of each, and no more."""

    index: Index
    classes: int  # 0 where no probabilities are read
    scores: np.ndarray | None  # float64 (n,), of a strategy that scores row by row, or what it keeps of a row to compare rounds
    likeliest: np.ndarray | None  # int32 (n,) class numbers
    confidence: np.ndarray | None  # float32 (n,)
    candidate_labels: Ragged | None  # the classes that each row may be of (TAAL)
    fingerprint: str


def read_pool(source: Source, options: Options, strategy: Strategy, keywords: dict[str, Any], advance: Callable[[int], None]) -> Pool:
    """Stream the pool's table once, holding a few numbers per row. Only ids are read where nothing more is asked for."""
    wanted = options.diversify or options.suggest or "likeliest" in strategy.takes
    share = (options.candidate_threshold if options.candidate_threshold is not None else 0.5) if options.target_aware else None
    scorer = strategy.wrapped
    scored = scorer.takes[0] if scorer.rowwise else None
    function = scorer.across[0] if scorer.across and options.previous else scorer.function
    score = partial(function, **function_options(scorer.own(keywords)))
    columns = ["probabilities"] if wanted or share is not None else []
    if scored and scored not in columns:
        columns.append(scored)

    def work(values: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        scores = score(values[scored]) if scored else None
        labels = candidate_labels(values["probabilities"], share) if share is not None else None
        width = values["probabilities"].shape[1] if "probabilities" in values else 0
        return scores, predicted(values["probabilities"]) if wanted else None, labels, width

    index, results, fingerprint = derive(source, columns, work, threads=options.threads, advance=advance)
    scores, likeliest, labels, widths = zip(*results, strict=True)

    def arranged(values: Sequence[Any]) -> np.ndarray | None:
        return None if values[0] is None else index.arrange(np.concatenate(values))

    ragged = stacked(labels) if share is not None else None
    return Pool(
        index,
        max(widths),
        arranged(scores),
        arranged([pair and pair[0] for pair in likeliest]),
        arranged([pair and pair[1] for pair in likeliest]),
        ragged if ragged is None or index.order is None else taken(*ragged, index.order),
        fingerprint,
    )


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
        console.warn(f"{previous.name}: it does not know {len(found.added)} of today's classes ({check.naming(found.added)})")
    return found


def report_new(before: Previous, positions: np.ndarray, strategy: Strategy, options: Options, source: Source, console: Console) -> None:
    """Say how many candidates the previous round never scored, and what becomes of them."""
    new = int((before.likeliest[positions] < 0).sum())
    if new:
        text = f"{new:,} of {len(positions):,} candidates of {source.name} are not in --previous"
        if strategy.wrapped.across:
            text += f": they come after the others, in the order of {options.alamp_base or 'margin'}"
        if options.diversify and by_previous(options, strategy):
            text += "; they count as what they are predicted to be now"
        console.info(text)


def read_candidates(
    tables: Tables, past: Past, pool: Index, options: Options, inputs: dict[str, str], console: Console
) -> tuple[np.ndarray, np.ndarray | None]:
    """bool (n,): which rows of the pool may be asked for; and their ranks in --queue, if that is given."""
    candidates = np.ones(len(pool), bool)
    if past.labels is not None and past.rows is not None:
        inputs["labels"] = align.table_fingerprint(past.rows if past.answers is None else past.labels.table)
        gone = past.labels.taken if len(past.labels.taken) else pa.array([], tables.id_type)
        candidates &= ~pool.mask(gone)
        if tables.pool.kind.name != "queries":  # a queue is an excerpt of the pool: labels of other rows are to be expected
            held = past.labels.holdout.column("id").combine_chunks()
            pooled = gone.filter(pa.compute.invert(pa.compute.is_in(gone, value_set=held)))
            report_strangers(pool, pooled, "labels", options, console)
    if past.asked:
        inputs["queries"] = align.table_fingerprint(pa.table({"row": sorted(repr(sorted(row.items())) for row in past.asked)}))
    if tables.metrics is not None:
        inputs["metrics"] = align.table_fingerprint(tables.metrics)
    for name, limit in tables.limits.items():
        ids = pa.compute.unique(limit.read(["id"]).column("id"))
        if name == "within":
            align.refuse_foreign(
                ids, f"--within {limit.location}: none of its {len(ids):,} ids", pool, tables.pool.name, "give ids of this pool"
            )
        inputs[name] = align.fingerprint(align.index([pa.compute.take(ids, pa.compute.array_sort_indices(ids))], limit.name), None)
        report_strangers(pool, ids, f"--{name}", options, console)
        mask = pool.mask(ids)
        candidates &= mask if name == "within" else ~mask
    ranks = None
    if tables.queue is not None:
        ranks, strangers, inputs["queue"] = read_ranks(tables.queue, pool)
        if not np.isfinite(ranks).any():
            what = f"{tables.queue.name}: none of its {len(strangers):,} rows"
            align.refuse_foreign(strangers, what, pool, tables.pool.name, "give the queue and the pool of one project")
        report_strangers(pool, strangers, "queue", options, console)
        candidates &= np.isfinite(ranks)
    return candidates, ranks


def read_arrays(
    tables: dict[str, Source],
    pool: Index,
    candidates: np.ndarray,
    training: pa.Table | None,
    numbers: np.ndarray,
    strategy: Strategy,
    options: Options,
    scratch: Scratch,
    inputs: dict[str, str],
    console: Console,
) -> tuple[np.ndarray, dict[str, Any]]:
    """The candidates' positions in the pool, and what the strategy is given of them and of the labeled rows."""
    given = {*strategy.takes, *strategy.optional}
    wanted = matrices(strategy, options)
    # Where the rows of the pool, and those that were labeled, lie in each table.
    labeled = pool.positions(training.column("id")) if training is not None else np.empty(0, np.int64)
    held = labeled >= 0
    found: dict[str, tuple[Index, np.ndarray]] = {}
    for name in sorted(wanted.values()):
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
            text = f"{source.name}: {len(missing):,} candidates are not in it (ids {check.naming(check.first_ids(missing))})"
            console.mismatch(text, "they cannot be chosen; give every row of the pool in both tables", strict=options.strict)
        candidates = candidates & (places >= 0)
        held[held] = places[labeled[held]] >= 0
    uses_labeled = any(name == "labels" or name.startswith("labeled_") for name in given)
    if uses_labeled and training is not None and not held.all():
        lost = training.column("id").filter(pa.array(~held))
        lacking = " or no ".join(sorted(wanted.values()))
        text = f"labels: {len(lost):,} labeled rows have no {lacking} (ids {check.naming(check.first_ids(lost))})"
        if not held.any():
            raise InputError(f"{text}, and there are no others", f"give the labeled rows' {lacking} too")
        console.mismatch(text, "the strategy works from the others", strict=options.strict)
    positions = np.flatnonzero(candidates)

    arrays: dict[str, Any] = {"labels": numbers[held]}
    if "automatic" in given and training is not None:
        arrays["automatic"] = np.asarray(pa.compute.fill_null(pa.compute.equal(training.column("source"), "auto"), False))[held]
    device = choose_device(options.device) if options.device != "cpu" else None
    for column, name in sorted(wanted.items(), reverse=True):  # probabilities first: the smaller and more often read stay in memory
        index, places = found[name]
        known_width = len(tables[name].classes) if column == "probabilities" and tables[name].knows_classes else None
        parts = [places[positions], places[labeled[held] if f"labeled_{column}" in given else labeled[:0]]]
        with console.progress(f"reading {tables[name].name}", len(index)) as advance:
            # Increasing positions in the pool are increasing ones in any table that is in id order.
            found_rows, inputs[name] = read_matrices(
                tables[name], column, index, parts, scratch, width=known_width, threads=options.threads, advance=advance
            )
        if device is not None:
            import torch

            found_rows = [torch.from_numpy(rows).to(device) for rows in found_rows]
        arrays[column], arrays[f"labeled_{column}"] = found_rows
    return positions, arrays


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
        raise InputError(f"--first: {text} is no candidate", "name the id of a row that has no label yet")
    return place


def report_strangers(index: Index, ids: pa.Array, table: str, options: Options, console: Console) -> None:
    """Warn of ids that the pool has never held; an error with --strict."""
    strangers = ids.filter(pa.array(index.positions(ids) < 0)) if len(ids) else ids
    if len(strangers):
        text = (
            f"{table}: {len(strangers):,} {'id is' if len(strangers) == 1 else 'ids are'} not in the pool "
            f"(ids {check.naming(check.first_ids(strangers))})"
        )
        console.mismatch(text, "give the table that belongs to this pool, or leave --strict out", strict=options.strict)
