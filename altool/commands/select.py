"""`altool select`: choose what to label next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from altool import seeds
from altool.console import Console
from altool.engines.scratch import Scratch, available, parse_size
from altool.errors import InputError, NothingLeft
from altool.kernels.blocks import alike
from altool.labels.consensus import codes
from altool.metrics.gaps import all_met, gap
from altool.metrics.gaps import weights as class_weights
from altool.options import flag
from altool.reporting.strategies import print_strategies
from altool.selection.asking import fingerprint, found_facts, read_answers, whole_round
from altool.selection.budgets import affordable, tier_budgets
from altool.selection.inputs import Past, Tables, open_tables, read_past
from altool.selection.options import PARALLEL, Options, exports_of, prepare
from altool.selection.pool import (
    Pool,
    by_previous,
    first_order,
    first_place,
    read_arrays,
    read_candidates,
    read_head,
    read_pool,
    report_new,
    round_before,
)
from altool.strategies import registry
from altool.strategies.registry import Strategy
from altool.tables import check, outputs, rounds, space, write
from altool.tables import classes as class_lists
from altool.tables.outputs import Output
from altool.tables.read import Source, parse_classes
from altool.tables.targets import Targets
from altool.tiers import AUTO, TIERS
from altool.tiers import automatic as automatic_rows
from altool.wrappers.choose import Choice, Request, choose, class_options
from altool.wrappers.target_aware import taken

owned = registry.owned  # the strategies' options


def run(options: Options, console: Console) -> None:
    """Read the pool, leave out what is labeled, let the strategy and the wrappers choose, write the queries.

    Raises NothingLeft, after an empty table was written, when no candidate is left.
    """
    if options.list_strategies:
        print_strategies(console)
        return
    strategy, given = prepare(options)
    _select(options, strategy, given, console)


def _select(options: Options, strategy: Strategy, given: dict[str, Any], console: Console) -> None:
    exports, output, budget = exports_of(options), options.output or "", options.budget
    _check_outputs(options, output, exports, console)
    if options.items and not exports and (options.predictions or options.features):
        console.info("--items is not read: it is for --export, and the pool is that of --predictions or --features")
    scratch = Scratch(parse_size(options.memory) if options.memory else available() * 3 // 4)
    tables = open_tables(options, strategy, console)
    source = tables.pool
    if "features" in tables.matrices:
        space.told(tables.matrices["features"], console)
    past = read_past(tables, options, strategy)
    _match_classes(tables, past, options, console)
    numbers = codes(past.training, past.classes) if past.training is not None else np.empty(0, np.int64)
    weights = behind = None
    if tables.targets is not None:
        weights, behind = _class_weights(source, past.classes, tables.targets, tables.metrics, console)
    if options.suggest or strategy.inner:
        _ = source.classes  # a suggestion has a name; without names this says so
    keywords = dict(given)
    keywords |= _class_options(strategy, options, given, past.classes, numbers, tables.metrics, behind, source)
    if given.get(strategy.budgets) == AUTO:
        keywords[strategy.budgets] = tier_budgets(options, past, console)
    if strategy.budgets:
        budget = sum(keywords[strategy.budgets])
    elif budget is None:
        budget = affordable(options, past, console)
    with console.progress(f"reading {source.name}", source.num_rows) as advance:
        pool = read_pool(source, options, strategy, keywords, advance)
    inputs = {source.kind.name: pool.fingerprint}
    then = round_before(tables.previous, source, pool, strategy, options, keywords, console) if tables.previous is not None else None
    if then is not None:
        inputs["previous"] = then.fingerprint
        if then.kept is not None and pool.scores is not None and strategy.wrapped.across:
            pool = replace(pool, scores=strategy.wrapped.across[1](pool.scores, then.kept))
    elif strategy.wrapped.across:
        base = first_order(strategy.wrapped, given)
        console.info(f"{strategy.wrapped.name}: no --previous, so this is the first round: rows are in the order of {base}")
    candidates, ranks = read_candidates(tables, past, pool.index, options, inputs, console)

    per_row = {"scores": pool.scores, "likeliest": pool.likeliest, "confidence": pool.confidence, "ranks": ranks}
    if then is not None and by_previous(options, strategy):
        per_row["likeliest_before"] = then.likeliest
    if strategy.shape != "score":
        positions, arrays = read_arrays(
            tables.matrices, pool.index, candidates, past.training, numbers, strategy, options, scratch, inputs, console
        )
        if options.model:
            arrays["head"] = read_head(options.model, tables.matrices["features"], arrays["features"].shape[1], inputs, console)
        if "first" in given:
            keywords["first"] = first_place(given["first"], pool.index, positions, tables.id_type)
    else:
        positions, arrays = np.flatnonzero(candidates), {}
    arrays |= {name: values[positions] for name, values in per_row.items() if values is not None}
    arrays["classes"] = pool.classes
    if then is not None:
        report_new(then, positions, strategy, options, source, console)
    if pool.candidate_labels is not None:
        arrays["candidate_labels"] = taken(*pool.candidate_labels, positions)
    begun = None
    if strategy.shape == "ask":
        begun = fingerprint(options, strategy, given, past.round, inputs)
        for table in (*tables.earlier, *([tables.log] if tables.log is not None else [])):
            rounds.check_begun(table, past.round, begun)
        arrays |= read_answers(tables, past, pool.index, positions, options)
    request = Request(
        strategy,
        budget,
        partial(seeds.generator, options.seed, "select", past.round, strategy.name),
        keywords,
        diversify=options.diversify,
        partitions=options.partitions,
        class_weights=weights,
        queue_size=options.queue_size,
        threads=options.threads,
        parallel=options.parallel or PARALLEL,
    )
    choice = choose(request, len(positions), arrays)
    _report_ties(choice, strategy, len(positions), arrays, console)
    if tables.oracle is not None and choice.round is not None:
        choice = whole_round(choice, choice.round, tables.oracle, pool.index, positions)
    _report_targets(choice, request, len(positions), console)
    if strategy.inner:
        _report_tiers(choice, keywords, arrays, past.classes, console)
    elif 0 < len(choice.places) < budget and choice.round is None:
        console.info(f"only {len(choice.places):,} candidates are left for a budget of {budget:,}: all are chosen")

    automatic = np.zeros(len(choice.places), bool)
    if strategy.inner:
        draw = seeds.generator(options.seed, "select", past.round, "audit")
        automatic = automatic_rows(choice.marks["tier"], options.audit or 0, draw)
    named = past.classes if source.knows_classes else None  # a class that only the labels know may be suggested, and answered
    table = _queries(pool, positions[choice.places], choice, automatic, options, strategy, past, named)
    if tables.items is not None:
        _export(table, tables.items, exports, named or (), options, console)
    origin = _origin(choice, request, past, options, given, inputs, begun)
    write.write_table(table, "queries", output, origin=origin, classes=named, format=options.format)
    facts = {"candidates": len(positions), "pool": len(pool.index), "output": output, "exports": exports}
    if strategy.inner:
        tiers = _tiers(choice)
        facts |= {"tiers": tiers, "audited": tiers["easy"] - int(automatic.sum())}
    if weights is not None:
        facts["weights"] = origin["options"]["weights"]
    _conclude(choice, request, past, source, facts, options, console)


def _check_outputs(options: Options, output: str, exports: Mapping[str, str], console: Console) -> None:
    wanted = [Output("--output", output, "queries")]
    wanted += [Output(f"--export {name}", location, name) for name, location in exports.items()]
    if "label-studio" in exports:
        wanted.append(Output("--export label-studio", exports["label-studio"] + ".config.xml", "config", sidecar=True))
    tables = ("predictions", "features", "items", "labels", "queries", "targets", "metrics", "model", "queue", "within", "exclude")
    read = outputs.given(options, *tables, "previous", "oracle", "text:classes")
    outputs.check(wanted, read, overwrite=options.overwrite, json=console.json_output)


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
    names = ("diversify", "diversify_by", "suggest", "target_aware", "candidate_threshold", "queue_size", "partitions")
    changing = {name: getattr(options, name) for name in names} | dict(given)
    changing |= {"strategy": request.strategy.name, "budget": request.count, "audit": options.audit, "round": past.round}
    if budgets := request.strategy.budgets:
        changing[budgets] = list(request.keywords[budgets])
    if request.class_weights is not None:
        changing["weights"] = dict(zip(past.classes, request.class_weights.tolist(), strict=True))
    origin = write.provenance("select", changing, options.seed, inputs)
    if choice.round is not None:
        count = len(choice.places)
        origin |= {"begun": {str(past.round): [begun]}, "asked": len(choice.round.asked.rows) - count}
        if options.oracle is not None or not count:
            origin["found"] = found_facts(choice.round, past.classes)
    return origin


def _conclude(
    choice: Choice, request: Request, past: Past, source: Source, facts: Mapping[str, Any], options: Options, console: Console
) -> None:
    """Say what was written. Raises NothingLeft where that is an empty table."""
    count, strategy, asked = len(choice.places), request.strategy.name, choice.round.asked.rows if choice.round is not None else ()
    if not count and len(asked):
        text = f"nothing left to do: round {past.round} is complete with {len(asked):,} rows; wrote an empty table"
        raise NothingLeft(text, f"train and score, then begin the next round: --round {past.round + 1}")
    if not count:
        limits = {"in --exclude": options.exclude, "not in --within": options.within, "not in --queue": options.queue}
        reasons = ["labeled", "skipped", "held out", *(reason for reason, given in limits.items() if given)]
        raise NothingLeft(
            f"nothing left to do: none of the {facts['pool']:,} rows of {source.name} is a candidate; wrote an empty table",
            f"every row is {', '.join(reasons[:-1])} or {reasons[-1]}",
        )
    summary = {"command": "select", "strategy": strategy, "round": past.round, "budget": request.count, "selected": count, **facts}
    line = f"selected {count:,} of {facts['candidates']:,} candidates by {strategy}, round {past.round}"
    if choice.round is not None and options.oracle is None:
        summary["asked"] = len(asked)
        line += f": {len(asked):,} of its {min(request.count, facts['candidates']):,} rows are asked"
    console.result(summary, f"{line} -> {facts['output']}")


def _export(queries: pa.Table, items: Source, exports: dict[str, str], classes: Sequence[str], options: Options, console: Console) -> None:
    """Write the chosen rows that people are to see, as they see them and in rank order, in every format that is asked for."""
    from altool.labels import registry as formats
    from altool.labels.exchange import Task
    from altool.labels.table import fragile

    queries = queries.filter(pa.compute.not_equal(queries.column("source"), "auto"))
    wanted = queries.column("id").combine_chunks()
    columns = [name for name in ("id", "text", "image", "path") if name in items]
    batches = items.scan(
        columns, lambda batch: batch.filter(pa.compute.is_in(batch.column("id"), value_set=wanted)), threads=options.threads
    )
    payloads = {row.pop("id"): row for batch in batches for row in batch.to_pylist()}
    rows = queries.to_pylist()
    if missing := [row["id"] for row in rows if row["id"] not in payloads]:
        text = f"{items.name}: {len(missing):,} chosen rows are not in it (ids {check.naming(sorted(missing))})"
        if not payloads:
            raise InputError(f"{text}, nor any other", "give the items that belong to this pool")
        console.mismatch(text, "give the items that belong to this pool", strict=options.strict)
    fields = ("id", "rank", "round", "tier", "suggested_label", "suggested_probability")
    tasks = [Task(**{name: row.get(name) for name in fields}, **payloads.get(row["id"], {})) for row in rows]
    changed = fragile([task.id for task in tasks]) if "csv" in exports else []
    if changed:
        console.warn(
            f"--export csv: a spreadsheet changes {len(changed):,} of these ids ({check.naming(changed)}); open the sheet with that column "
            "as text, and leave altool_round and altool_rank in it: import-labels tells by them"
        )
    for name, location in exports.items():
        for ending, content in formats.export(name, tasks, classes).items():
            write.write_bytes(content, location + ending)


def _match_classes(tables: Tables, past: Past, options: Options, console: Console) -> None:
    """Say which classes the labels, the metrics and the model do not share. Raises InputError where they share none."""
    predictions = tables.matrices.get("predictions")
    known, whose = tables.classes or (), "--classes"
    if predictions is not None and predictions.knows_classes:
        known, whose = predictions.classes, predictions.name
    if tables.log is not None and known:
        parts = [part.table.column("label") for part in (past.labels, past.answers) if part is not None]
        labels = class_lists.counts(pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string()))
        hint = "give the labels and the predictions of one project; --classes names the classes where the table does not"
        if text := class_lists.match(labels, known, tables.log.name, whose, hint):
            console.mismatch(text, "train on them and score again, or leave --strict out", strict=options.strict)
        if lacking := [name for name in known if labels and name not in labels]:
            console.info(f"{whose}: {len(lacking):,} of its {len(known):,} classes have no label ({check.naming(lacking)})")
    if tables.metrics is not None and past.classes:
        measured = class_lists.counts(tables.metrics.column("class"))
        hint = "give the metrics of this project's last report"
        if text := class_lists.match(measured, past.classes, f"metrics {options.metrics}", "this run", hint):
            console.mismatch(text, hint, strict=options.strict)


def _class_options(
    strategy: Strategy,
    options: Options,
    given: Mapping[str, Any],
    known: Sequence[str],
    labels: np.ndarray,
    metrics: pa.Table | None,
    behind: list[int] | None,
    source: Source,
) -> dict[str, list[int]]:
    """The class numbers of --query-classes and --private-classes, or their defaults, as far as the strategy knows them."""
    named: dict[str, list[int]] = {}
    for name in ("query_classes", "private_classes"):
        if text := given.get(name):
            named[name] = check.class_numbers(parse_classes(text, flag(name)) or (), known, f"{source.name}: {flag(name)}")
    if behind is None and metrics is not None and "query_classes" in strategy.option_names:
        missing = {row["class"] for row in metrics.to_pylist() if (row.get("gap") or 0) > 0}
        behind = [code for code, class_ in enumerate(known) if class_ in missing]
        if not behind:
            text = f"metrics {options.metrics}: no class of this run is below its target"
            raise InputError(text, "name the classes: --query-classes A,B")
    return class_options(strategy, labels, named.get("query_classes"), named.get("private_classes"), behind or None)


def _class_weights(
    source: Source, known: Sequence[str], targets: Targets, metrics: pa.Table | None, console: Console
) -> tuple[np.ndarray, list[int]]:
    """float64 (K,) TAAL's weight of each known class (equations 1 and 2), and the classes that miss their target. Says what they are."""
    aims = targets.resolve(known)
    values = np.full(len(known), np.nan)
    if metrics is None:
        console.info("no --metrics: every class is taken to be at 0")
    else:
        found = {(row["class"], row["metric"]): row["value"] for row in metrics.to_pylist()}
        if lacking := [name for name in known if (name, aims[name].metric) not in found]:
            console.info(f"--metrics has no row of {len(lacking)} classes ({check.naming(lacking)}): they are taken to be at 0")
        values = np.array([found.get((name, aims[name].metric), np.nan) for name in known], np.float64)
    gaps = gap(values, np.array([aims[name].target for name in known]))
    priorities = np.array([aims[name].priority for name in known])
    weights = class_weights(gaps, priorities)
    if not weights.any():
        console.warn("every class has priority 0: the strategy's own order is kept")
    elif all_met(gaps, priorities):
        console.info("every target is met: all classes weigh the same")
    else:
        shares = weights / weights.sum()
        most = [f"{known[code]} {shares[code]:.0%}" for code in np.argsort(-shares, kind="stable")[:10] if shares[code] > 0]
        rest = int((weights > 0).sum()) - len(most)
        console.info(f"class weights: {', '.join(most)}{f' and {rest} more' if rest else ''}")
    return weights, np.flatnonzero((gaps > 0) & (priorities > 0)).tolist()


def _report_ties(choice: Choice, strategy: Strategy, candidates: int, arrays: Mapping[str, Any], console: Console) -> None:
    """Say where the strategy was given nothing, or less than usual, to tell the candidates apart by."""
    if choice.tied:
        text = f"{strategy.wrapped.name}: all {candidates:,} candidates {choice.tied}"
        console.warn(f"{text}: nothing tells them apart, so they come in a random order (by --seed), not in that of their ids")
        return
    for name in ("probabilities", "confidence", "features"):
        if candidates > 1 and name in arrays and alike(arrays[name]):
            console.warn(f"{strategy.name}: all {candidates:,} candidates have the same {name}, which cannot tell them apart")
            return


def _report_targets(choice: Choice, request: Request, candidates: int, console: Console) -> None:
    """Say how far the targets could be served."""
    if choice.target_class is None:
        return
    strategy, budget = request.strategy.wrapped, request.count
    target_class, explored = choice.target_class, choice.explored
    if "tier" in choice.marks:
        hard = choice.marks["tier"] == 0
        target_class, explored, budget = target_class[hard], explored[hard], int(hard.sum())
    size = request.queue_size or 10 * budget
    if strategy.shape == "pick" and size <= budget < candidates:
        console.warn(f"a queue of {size:,} rows for a budget of {budget:,}: only their order can change; raise --queue-size")
    unserved = int(((target_class < 0) & ~(explored & ("explored" in strategy.marks))).sum())
    if unserved:
        console.info(f"{unserved:,} of {len(target_class):,} rows follow {strategy.name} alone: no class could be served any more")


def _tiers(choice: Choice) -> dict[str, int]:
    """{tier: how many rows}."""
    sizes = np.bincount(choice.marks["tier"], minlength=len(TIERS))
    return dict(zip(TIERS, sizes.tolist(), strict=True))


def _report_tiers(choice: Choice, keywords: Mapping[str, Any], arrays: Mapping[str, Any], known: Sequence[str], console: Console) -> None:
    """Say what each tier lacks, and why."""
    wanted = dict(zip(TIERS, keywords["clarifier_budgets"], strict=True))
    found = _tiers(choice)
    if wanted["intermediate"]:
        labels = arrays["labels"] if keywords.get("clarifier_use_auto") else arrays["labels"][~arrays["automatic"]]
        lacking = [name for code, name in enumerate(known) if code not in set(labels.tolist())]
        if lacking:
            console.info(f"intermediate: no label is of {len(lacking):,} classes ({check.naming(lacking)}): the others share their budget")
    reasons = {
        "hard": "no other candidates are left",
        "intermediate": "rows that several classes want are asked once, and classes without candidates ask nothing",
        "easy": "too few rows are predicted as some classes; --clarifier-easy global takes any class",
    }
    for tier, budget in wanted.items():
        if found[tier] < budget:
            console.info(f"{tier}: {found[tier]:,} of {budget:,} rows: {reasons[tier]}")


def _queries(
    pool: Pool,
    positions: np.ndarray,
    choice: Choice,
    automatic: np.ndarray,
    options: Options,
    strategy: Strategy,
    past: Past,
    classes: Sequence[str] | None,
) -> pa.Table:
    count, known = len(positions), past.classes
    columns = {
        "id": pool.index.take(positions),
        "rank": pa.array(np.arange(1, count + 1, dtype=np.int32)),
        "score": pa.array(choice.scores.astype(np.float32)),
        "strategy": pa.array([strategy.name] * count, pa.string()),
        "round": pa.array(np.full(count, past.round, np.int32)),
        "source": pa.array(np.where(choice.explored, "explore", "exploit"), pa.string()),
    }
    if "tier" in choice.marks:
        tiers = choice.marks["tier"]
        # Audited rows are a random sample of the easy rows, but none of the pool: nothing else may be measured on them.
        source = np.where(choice.explored, "explore", np.where(automatic, "auto", "exploit"))
        columns["source"] = pa.array(source, pa.string())
        columns["tier"] = pa.array([TIERS[tier] for tier in tiers], pa.string())
        columns |= _suggestions(choice.marks["suggested"], choice.marks["confidence"], known)
    elif options.suggest and pool.likeliest is not None and pool.confidence is not None:
        columns |= _suggestions(pool.likeliest[positions], pool.confidence[positions], known)
    if choice.search is not None:
        names = np.array([*known, None], object)  # -1 is the last
        columns["target_class"] = pa.array(names[choice.target_class], pa.string())
        columns["phase"] = pa.array(np.where(choice.search, "search", "spend"), pa.string())
    elif choice.target_class is not None and classes is not None and pool.candidate_labels is not None:
        starts, codes_ = taken(*pool.candidate_labels, positions)
        names = np.array([*classes, None], object)  # -1 is the last
        columns["target_class"] = pa.array(names[choice.target_class], pa.string())
        columns["candidate_labels"] = pa.array([names[codes_[a:b]].tolist() for a, b in pairwise(starts)], pa.list_(pa.string()))
    return pa.table(columns)


def _suggestions(suggested: np.ndarray, confidence: np.ndarray, known: Sequence[str]) -> dict[str, pa.Array]:
    return {
        "suggested_label": pa.array([known[code] for code in suggested], pa.string()),
        "suggested_probability": pa.array(confidence),
    }
