"""`altool select`: choose what to label next."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from altool import seeds
from altool.console import Console
from altool.engines.device import choose as choose_device
from altool.engines.scratch import Scratch, available, parse_size
from altool.errors import InputError, NothingLeft, UsageError
from altool.labels.consensus import Labels, codes, resolve
from altool.metrics import cost
from altool.metrics.gaps import all_met, gap
from altool.metrics.gaps import weights as class_weights
from altool.models import store
from altool.reporting.cost import Cost, of_log
from altool.strategies import clarifier, registry
from altool.strategies.registry import PENDING, Question, Strategy
from altool.tables import align, check, label_log, rounds, write
from altool.tables.align import Index
from altool.tables.arrays import read_index, read_matrices
from altool.tables.derive import derive
from altool.tables.previous import Previous, read_previous
from altool.tables.queue import read_ranks
from altool.tables.read import Reader, Source
from altool.tables.targets import Targets, read_targets
from altool.wrappers.ask import Round
from altool.wrappers.choose import PARALLEL, Choice, Request, asked, choose, class_options, function_options
from altool.wrappers.suggest import predicted
from altool.wrappers.target_aware import Ragged, candidate_labels, stacked, taken


@dataclass(frozen=True)
class Options:
    strategy: str | None = None
    budget: int | None = None
    budget_seconds: float | None = None
    output: str | None = None
    predictions: str | None = None
    features: str | None = None
    items: str | None = None
    labels: str | None = None
    targets: str | None = None
    metrics: str | None = None
    previous: str | None = None
    model: str | None = None
    queue: str | None = None
    within: str | None = None
    exclude: str | None = None
    diversify: bool = False
    diversify_by: str | None = None
    suggest: bool = False
    target_aware: bool = False
    candidate_threshold: float | None = None
    queue_size: int | None = None
    partitions: int | None = None
    query_classes: str | None = None
    private_classes: str | None = None
    similarity: str | None = None
    kernel: str | None = None
    eta: float | None = None
    nu: float | None = None
    ridge: float | None = None
    first: str | None = None
    bait_lambda: float | None = None
    bait_oversample: float | None = None
    bait_components: int | None = None
    cluster_margin_factor: float | None = None
    cluster_margin_threshold: float | None = None
    e3g_decay: float | None = None
    e3g_epsilon_min: float | None = None
    e3g_clusters: int | None = None
    total_budget: int | None = None
    direct_min_per_class: int | None = None
    parallel: int | None = None
    wait: bool | None = None
    oracle: str | None = None
    queries: Sequence[str] | None = None
    alamp_base: str | None = None
    clarifier_budgets: str | None = None
    clarifier_hard: str | None = None
    clarifier_measure: str | None = None
    clarifier_easy: str | None = None
    clarifier_use_auto: bool = False
    audit: int | None = None
    subset_factor: int | None = None
    export: Sequence[str] | None = None
    round: int | None = None
    format: str | None = None
    columns: str | None = None
    classes: str | None = None
    seed: int = 0
    device: str = "cpu"
    memory: str | None = None
    threads: int = 0
    strict: bool = False
    overwrite: bool = False
    list_strategies: bool = False


# Options that belong to strategies: each strategy names those that it knows.
STRATEGY_OPTIONS = (
    *("query_classes", "private_classes", "similarity", "kernel", "eta", "nu", "ridge", "first"),
    *("bait_lambda", "bait_oversample", "bait_components", "cluster_margin_factor", "cluster_margin_threshold"),
    *("e3g_decay", "e3g_epsilon_min", "e3g_clusters", "total_budget", "direct_min_per_class", "alamp_base"),
    *("subset_factor", "clarifier_budgets", "clarifier_hard", "clarifier_measure", "clarifier_easy", "clarifier_use_auto"),
)
AUTO = "auto"  # of --clarifier-budgets
UNMEASURED = (1.0, 3.0, 3.0)  # c_v and c_a where nobody measured them: the lower end of what the CLARIFIER paper saw
MATRICES = {"probabilities": "predictions", "features": "features"}


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


def run(options: Options, console: Console) -> None:
    """Read the pool, leave out what is labeled, let the strategy and the wrappers choose, write the queries.

    Raises NothingLeft, after an empty table was written, when no candidate is left.
    """
    if options.list_strategies:
        _list_strategies(console)
        return
    strategy, budget, output = options.strategy, options.budget, options.output
    if options.clarifier_budgets not in (None, AUTO):
        budget = _sum_of_tiers(options.clarifier_budgets, budget)
    if strategy is None or (budget is None and options.budget_seconds is None) or output is None:
        given = {"strategy": strategy, "budget": budget or options.budget_seconds, "output": output}
        missing = [name for name, value in given.items() if value is None]
        raise UsageError(f"missing --{', --'.join(missing)}", "for example --strategy margin --budget 100 -o queries.parquet")
    _select(options, registry.load(strategy, _strategy_options(options)), budget, output, console)


def _sum_of_tiers(text: str | None, budget: int | None) -> int:
    """The budget of CLARIFIER's tiers together; `--budget` need not repeat it. Raises UsageError where it says otherwise."""
    tiers = clarifier.budgets(text or "")
    if budget not in (None, sum(tiers)):
        raise UsageError(f"--budget {budget} is not the sum of --clarifier-budgets {text}: {sum(tiers)}", "leave --budget out")
    return sum(tiers)


def _select(options: Options, strategy: Strategy, budget: int | None, output: str, console: Console) -> None:
    _check_options(options, strategy)
    exports = _exports(options)
    for location in (output, *exports.values()):
        write.check_target(location, options.overwrite)
    scratch = Scratch(parse_size(options.memory) if options.memory else available() * 3 // 4)
    reader = Reader(options.columns, options.classes)
    source = _open_pool(reader, options)
    _check_vaal(source, strategy.wrapped)
    tables = {source.kind.name: source}
    for name in _matrices(strategy, options).values():
        if name not in tables:
            tables[name] = reader.open(getattr(options, name), name)
    previous = reader.open(options.previous, "predictions") if options.previous else None
    log = reader.open(options.labels, "labels", allow_empty=True) if options.labels else None
    metrics = reader.open(options.metrics, "metrics").read() if options.metrics else None
    targets = read_targets(reader, options.targets) if options.targets else None
    ids_of = {"within": options.within, "exclude": options.exclude}
    limits = {name: reader.open(location, "ids") for name, location in ids_of.items() if location}
    queue = reader.open(options.queue, "queries") if options.queue else None
    items = reader.open(options.items, "items") if options.items and options.export else None
    oracle = reader.open(options.oracle, "labels") if options.oracle else None
    earlier = [reader.open(location, "queries", allow_empty=strategy.shape != "ask") for location in options.queries or ()]
    id_type = reader.match_ids()

    rows = label_log.read(log) if log else None
    labels = resolve(rows) if rows is not None else None
    round_ = options.round if options.round is not None else _next_round(rows)
    known = _known_classes(tables, labels.training if labels is not None else None, reader)
    answers = None
    if strategy.shape == "ask" and rows is not None:  # what the round knew when it began, and its answers so far
        before, answers = (resolve(part) for part in rounds.parted(rows, round_))
        labels = before
    training = labels.training if labels is not None else None
    weights = behind = None
    if targets is not None:
        weights, behind = _class_weights(source, known, targets, metrics, console)
    numbers = codes(training, known) if training is not None else np.empty(0, np.int64)
    if options.suggest or strategy.inner:
        _ = source.classes  # a suggestion has a name; without names this says so
    keywords = _strategy_options(options)
    keywords |= _class_options(strategy, options, known, numbers, metrics, behind, source)
    asked = [row for queries in earlier for row in queries.read().to_pylist()] if strategy.shape != "ask" else []
    if options.clarifier_budgets == AUTO:
        keywords["clarifier_budgets"] = _tier_budgets(options, rows, labels, asked, console)
    elif options.clarifier_budgets:
        keywords["clarifier_budgets"] = clarifier.budgets(options.clarifier_budgets)
    if "clarifier_budgets" in keywords:
        budget = sum(keywords["clarifier_budgets"])
    elif budget is None:
        budget = _affordable(options, rows, labels, asked, console)
    with console.progress(f"reading {source.name}", source.num_rows) as advance:
        pool = _read_pool(source, options, strategy, keywords, advance)
    inputs = {source.kind.name: pool.fingerprint}
    then = _before(previous, source, pool, strategy, options, keywords, console) if previous is not None else None
    if then is not None:
        inputs["previous"] = then.fingerprint
        if then.kept is not None and pool.scores is not None and strategy.wrapped.across:
            pool = replace(pool, scores=strategy.wrapped.across[1](pool.scores, then.kept))
    elif strategy.wrapped.across:
        base = options.alamp_base or "margin"
        console.info(f"{strategy.wrapped.name}: no --previous, so this is the first round: rows are in the order of {base}")
    candidates = np.ones(len(pool.index), bool)
    if labels is not None and rows is not None:
        inputs["labels"] = align.table_fingerprint(labels.table if strategy.shape == "ask" else rows)
        gone = labels.taken if len(labels.taken) else pa.array([], id_type)
        candidates &= ~pool.index.mask(gone)
        if source.kind.name != "queries":  # a queue is an excerpt of the pool: labels of other rows are to be expected
            held = labels.holdout.column("id").combine_chunks()
            pooled = gone.filter(pa.compute.invert(pa.compute.is_in(gone, value_set=held)))
            _report_strangers(pool.index, pooled, "labels", options, console)
    if asked:
        inputs["queries"] = align.table_fingerprint(pa.table({"row": sorted(repr(sorted(row.items())) for row in asked)}))
    if metrics is not None:
        inputs["metrics"] = align.table_fingerprint(metrics)
    for name, limit in limits.items():
        ids = pa.compute.unique(limit.read(["id"]).column("id"))
        inputs[name] = align.fingerprint(align.index([pa.compute.take(ids, pa.compute.array_sort_indices(ids))], limit.name), None)
        _report_strangers(pool.index, ids, f"--{name}", options, console)
        mask = pool.index.mask(ids)
        candidates &= mask if name == "within" else ~mask

    ranks = None
    if queue is not None:
        ranks, strangers, inputs["queue"] = read_ranks(queue, pool.index)
        _report_strangers(pool.index, strangers, "queue", options, console)
        candidates &= np.isfinite(ranks)

    per_row = {"scores": pool.scores, "likeliest": pool.likeliest, "confidence": pool.confidence, "ranks": ranks}
    if then is not None and _by_previous(options, strategy):
        per_row["likeliest_before"] = then.likeliest
    if strategy.shape != "score":
        positions, arrays = _arrays(tables, pool.index, candidates, training, numbers, strategy, options, scratch, inputs, console)
        if options.model:
            arrays["head"] = _head(options.model, arrays["features"].shape[1], inputs)
        if options.first is not None:
            keywords["first"] = _first(options.first, pool.index, positions, id_type)
    else:
        positions, arrays = np.flatnonzero(candidates), {}
    arrays |= {name: values[positions] for name, values in per_row.items() if values is not None}
    arrays["classes"] = pool.classes
    if then is not None:
        _report_new(then, positions, strategy, options, source, console)
    if pool.candidate_labels is not None:
        arrays["candidate_labels"] = taken(*pool.candidate_labels, positions)
    begun = None
    if strategy.shape == "ask":
        begun = _begun(options, strategy, round_, inputs)
        arrays["answers"] = _answers(pool.index, positions, known, answers, oracle)
        for source_ in (*earlier, *([log] if log is not None else [])):
            rounds.check_begun(source_, round_, begun)
        if options.wait is False:
            code = {name: number for number, name in enumerate(known)}
            arrays["recorded"] = [
                Question(places, np.array([code.get(name, -1) for name in names], np.int32), search)
                for places, names, search in rounds.recorded(earlier, round_, pool.index, positions)
            ]
            told = set().union(*(batch.rows.tolist() for batch in arrays["recorded"]))
            untold = [place for place in np.flatnonzero(arrays["answers"] != PENDING).tolist() if place not in told]
            if untold:
                ids = check.naming(pool.index.take(positions[untold[: check.SHOWN]]).to_pylist())
                text = f"labels: {len(untold):,} answers of round {round_} are to questions that no --queries holds (ids {ids})"
                raise InputError(text, "with --no-wait give every table of questions that this round wrote")
    request = Request(
        strategy,
        budget,
        partial(seeds.generator, options.seed, "select", round_, strategy.name),
        keywords,
        diversify=options.diversify,
        partitions=options.partitions,
        class_weights=weights,
        queue_size=options.queue_size,
        threads=options.threads,
        parallel=options.parallel or PARALLEL,
    )
    choice = choose(request, len(positions), arrays)
    if oracle is not None and choice.round is not None:
        choice = _whole(choice, choice.round, oracle, pool.index, positions)
    count = len(choice.places)
    audited = np.zeros(count, bool)
    if options.audit:
        easy = np.flatnonzero(choice.marks["tier"] == clarifier.TIERS.index("easy"))
        draw = seeds.generator(options.seed, "select", round_, "audit").choice
        audited[draw(easy, min(options.audit, len(easy)), replace=False)] = True
    _report_targets(choice, request, len(positions), console)
    if strategy.inner:
        _report_tiers(choice, keywords, arrays, known, console)
    elif 0 < count < budget and choice.round is None:
        console.info(f"only {count:,} candidates are left for a budget of {budget:,}: all are chosen")
    classes = source.classes if source.knows_classes else None
    table = _queries(pool, positions[choice.places], choice, audited, options, strategy, round_, classes, known)
    names = ("diversify", "diversify_by", "suggest", "target_aware", "candidate_threshold", "queue_size", "partitions")
    changing = {name: getattr(options, name) for name in names} | _strategy_options(options)
    changing |= {"strategy": strategy.name, "budget": budget, "audit": options.audit}
    changing |= {"clarifier_budgets": list(keywords["clarifier_budgets"])} if "clarifier_budgets" in keywords else {}
    if weights is not None:
        changing["weights"] = dict(zip(known, weights.tolist(), strict=True))
    origin = write.provenance("select", {**changing, "round": round_}, options.seed, inputs)
    if choice.round is not None:
        origin |= {"begun": {str(round_): [begun]}, "asked": len(choice.round.asked.rows) - count}
        if oracle is not None or not count:
            origin["found"] = _found(choice.round, known)
    if items is not None:
        _export(table, items, exports, classes or (), options, console)
    write.write_table(table, "queries", output, origin=origin, classes=classes, format=options.format)
    summary = {
        "command": "select",
        "strategy": strategy.name,
        "round": round_,
        "budget": budget,
        "selected": count,
        "candidates": len(positions),
        "pool": len(pool.index),
        "output": output,
        "exports": exports,
        **({"tiers": _tiers(choice), "audited": int(audited.sum())} if strategy.inner else {}),
        **({"weights": changing["weights"]} if weights is not None else {}),
    }
    if not count and choice.round is not None and len(choice.round.asked.rows):
        text = f"nothing left to do: round {round_} is complete with {len(choice.round.asked.rows):,} rows; wrote an empty table"
        raise NothingLeft(text, f"train and score, then begin the next round: --round {round_ + 1}")
    if not count:
        raise NothingLeft(
            f"nothing left to do: none of the {len(pool.index):,} rows of {source.name} is a candidate; wrote an empty table",
            "every row is labeled, skipped, held out or excluded",
        )
    line = f"selected {count:,} of {len(positions):,} candidates by {strategy.name}, round {round_}"
    if choice.round is not None and oracle is None:
        summary["asked"] = len(choice.round.asked.rows)
        line += f": {summary['asked']:,} of its {min(budget, len(positions)):,} rows are asked"
    console.result(summary, f"{line} -> {output}")


def _prices(found: Cost | None) -> np.ndarray | None:
    """float64 (3,): the seconds of an answer of each kind, times the answers that a row gets. None where nothing was measured."""
    prices = np.array([np.nan if value is None else value for value in found.prices.values()]) if found else np.full(3, np.nan)
    return prices * max(1.0, found.per_row) if found and np.isfinite(prices).all() and prices[cost.SCRATCH] > 0 else None


def _affordable(options: Options, rows: pa.Table | None, labels: Labels | None, asked: Sequence[dict[str, Any]], console: Console) -> int:
    """How many rows --budget-seconds pays for. Raises InputError where nothing was measured, or not even one."""
    found = of_log(rows, labels, asked) if rows is not None and labels is not None else None
    prices = _prices(found)
    if found is None or prices is None:
        raise InputError(
            f"labels {options.labels}: nothing says how long an answer takes", "import exports that have seconds (Label Studio's have)"
        )
    price, how = float(prices[cost.SCRATCH]), "from scratch"
    if options.suggest:
        suggested, accepted = found.suggestions()
        price = float(cost.per_suggestion(prices, np.array(accepted / suggested if suggested else 0.0)))
        how = f"{accepted:,} of {suggested:,} suggestions were accepted" if suggested else "no suggestion was answered yet"
    budget = cost.affordable(options.budget_seconds or 0.0, price)
    told = f"--budget-seconds {options.budget_seconds:g} at {price:.4g} seconds a row ({how})"
    if not budget:
        raise InputError(f"{told} pays for no row", "give more seconds, or --budget")
    console.info(f"{told} pays for {budget:,} {'row' if budget == 1 else 'rows'}")
    return budget


def _tier_budgets(
    options: Options, rows: pa.Table | None, labels: Labels | None, asked: Sequence[dict[str, Any]], console: Console
) -> tuple[int, int, int]:
    """--clarifier-budgets auto, for --budget rows in all or for --budget-seconds. Raises InputError where they pay for no row."""
    found = of_log(rows, labels, asked) if rows is not None and labels is not None else None
    prices = _prices(found)
    if prices is None and options.budget_seconds is not None:
        raise InputError(
            f"labels {options.labels}: nothing says how long an answer takes", "import exports that have seconds (Label Studio's have)"
        )
    if prices is None:
        console.info(f"no answer has seconds: an answer is taken to cost {UNMEASURED[cost.SCRATCH]:g} times what it takes to verify one")
    seen = np.array([found.suggestions(tier) if found else (0, 0) for tier in clarifier.TIERS])
    tiers = cost.tiers(
        np.array(UNMEASURED) if prices is None else prices,
        seen[:, 0],
        seen[:, 1],
        rows=options.budget,
        seconds=options.budget_seconds or 0.0,
        audit=options.audit or 0,
    )
    if not tiers[0] + tiers[1]:
        given = f"--budget {options.budget}" if options.budget is not None else f"--budget-seconds {options.budget_seconds:g}"
        raise InputError(f"{given} pays for no row of the hard and intermediate tiers", "give more, or a smaller --audit")
    if not seen[2, 0]:
        console.info("no easy row was ever audited, so few are labeled automatically: give --audit N and the earlier --queries")
    parts = [f"{name} {size:,} ({yes} of {n} accepted)" for name, size, (n, yes) in zip(clarifier.TIERS, tiers, seen.tolist(), strict=True)]
    console.info(f"tiers: {', '.join(parts)}")
    return tiers


def _list_strategies(console: Console) -> None:
    """Print every strategy with the tables it needs and its paper."""
    found = [registry.load(name) for name in registry.names()]
    if console.json_output:
        facts = [
            {
                "name": strategy.name,
                "shape": strategy.shape,
                "tables": list(strategy.tables),
                "options": _flags(strategy),
                "cold_start": strategy.cold_start,
                "summary": strategy.summary,
                "paper": strategy.paper,
            }
            for strategy in found
        ]
        console.result({"strategies": facts}, "")
        return
    from rich.table import Table

    table = Table("strategy", "needs", "what it asks for first", "paper")
    for strategy in found:
        needs = [*strategy.tables, *_flags(strategy)]
        table.add_row(strategy.name, ", ".join(needs) or "nothing", strategy.summary, strategy.paper)
    console.print(table)


def _flags(strategy: Strategy) -> list[str]:
    """Its own options; the previous round, for one that compares rounds."""
    return [_flag(name) for name in (*(("previous",) if strategy.across else ()), *strategy.options)]


def _check_options(options: Options, strategy: Strategy) -> None:
    """Refuse what cannot work, or would do nothing. Raises UsageError."""
    for table in strategy.tables:
        if not getattr(options, table):
            raise UsageError(f"--strategy {strategy.name} needs --{table}")
    if not (options.predictions or options.features or options.queue or options.items):
        raise UsageError("nothing says what the pool is", "give --predictions, --features, --queue or --items")
    if options.queue and "ranks" not in strategy.takes:
        raise UsageError(f"--queue means nothing to --strategy {strategy.name}", "use --strategy queue")
    given, who = _strategy_options(options), f"--strategy {strategy.name}"
    registry.check(strategy, given, diversify=options.diversify, partitions=options.partitions, who=who, flag=_flag)
    _check_budgets(options, strategy)
    if options.similarity == "gradient" and not options.predictions:
        raise UsageError("--similarity gradient needs --predictions")
    if options.model and "head" not in strategy.takes:
        raise UsageError(f"--model means nothing to --strategy {strategy.name}")
    if options.target_aware and not (options.targets and options.predictions):
        raise UsageError("--target-aware needs --targets and --predictions", "and --metrics, once a report has written them")
    if not options.target_aware:
        for name in ("targets", "candidate_threshold", "queue_size"):
            if getattr(options, name) is not None:
                raise UsageError(f"{_flag(name)} means nothing without --target-aware")
        if options.metrics and ("query_classes" not in strategy.options or options.query_classes):
            raise UsageError("--metrics means nothing here", "it says what --target-aware, or a measure without --query-classes, is after")
    if strategy.shape == "ask":
        if options.round is None and not options.oracle:
            raise UsageError(f"--strategy {strategy.name} needs --round", "its answers are the labels of that round")
        if options.queries and options.wait is not False:
            raise UsageError("--queries means nothing without --no-wait", "a round that waits follows from its answers")
        if options.wait is False and options.oracle:
            raise UsageError("--no-wait means nothing with --oracle", "an oracle answers at once")
        if options.target_aware or options.diversify:
            wrapper = "--target-aware" if options.target_aware else "--diversify"
            raise UsageError(f"{wrapper} re-orders a queue; --strategy {strategy.name} asks and decides what to ask next")
    else:
        for name in ("parallel", "wait", "oracle"):
            if getattr(options, name) is not None:
                raise UsageError(f"{_flag(name)} means nothing to --strategy {strategy.name}", "it does not ask and wait")
    if options.queue_size is not None and strategy.wrapped.shape != "pick":
        raise UsageError(f"--queue-size means nothing to --strategy {strategy.name}", "its queue is the whole pool")
    if strategy.shape == "score" and options.device not in ("cpu", "auto"):
        raise UsageError(f"--device {options.device}: --strategy {strategy.name} computes on the processor while it reads")
    if options.previous and not (strategy.wrapped.across or options.diversify_by == "previous"):
        hint = "it is for strategies that compare rounds, and for --diversify-by previous"
        raise UsageError(f"--previous means nothing to --strategy {strategy.name}", hint)
    if options.diversify_by is not None and not options.diversify:
        raise UsageError("--diversify-by means nothing without --diversify")
    if options.diversify_by not in (None, "previous", "current"):
        raise UsageError(f"--diversify-by: there is no {options.diversify_by!r}", "give previous or current")
    if options.diversify_by == "previous" and not options.previous:
        raise UsageError("--diversify-by previous needs --previous")
    if options.partitions is not None and options.budget is not None and options.partitions > options.budget and not strategy.inner:
        raise UsageError(f"--partitions {options.partitions} is more than --budget {options.budget}: every part picks one row at least")
    for name in ("diversify", "suggest"):
        if getattr(options, name) and not options.predictions:
            raise UsageError(f"--{name} needs --predictions")


def _check_budgets(options: Options, strategy: Strategy) -> None:
    """Refuse budgets that say nothing, or two things. Raises UsageError."""
    auto = options.clarifier_budgets == AUTO
    if options.budget_seconds is not None and (options.budget is not None or (options.clarifier_budgets and not auto)):
        other = "--budget" if options.budget is not None else "--clarifier-budgets"
        raise UsageError(f"{other} and --budget-seconds both say how many rows", "give one of them")
    if options.budget_seconds is not None and not options.labels:
        raise UsageError("--budget-seconds needs --labels", "their seconds say what an answer takes")
    if options.audit and "tier" not in strategy.marks:
        raise UsageError(f"--audit means nothing to --strategy {strategy.name}", "it is for the easy tier of clarifier")
    if strategy.shape == "ask" and options.budget_seconds is not None:
        raise UsageError(f"--budget-seconds means nothing to --strategy {strategy.name}", "every call of a round needs the same --budget")
    if strategy.shape != "ask" and options.queries and not (auto or options.budget_seconds is not None):
        raise UsageError(
            f"--queries means nothing to --strategy {strategy.name}", "it is for --clarifier-budgets auto, --budget-seconds and --no-wait"
        )


def _strategy_options(options: Options) -> dict[str, Any]:
    given = {name: getattr(options, name) for name in STRATEGY_OPTIONS}
    return {name: value for name, value in given.items() if value is not None and value is not False}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _exports(options: Options) -> dict[str, str]:
    """{format: file} of `--export`. Raises UsageError."""
    exports: dict[str, str] = {}
    if not options.export:
        if options.items and (options.predictions or options.features):
            raise UsageError("--items means nothing without --export here", "the pool is that of --predictions or --features")
        return exports
    from altool.labels import registry as formats

    for text in options.export:
        name, equals, location = text.partition("=")
        if not equals or not location or name in exports:
            raise UsageError(f"--export: {text!r} is not FORMAT=FILE, or a format is named twice", "for example --export csv=todo.csv")
        formats.export(name, (), ())  # an unknown format is refused before any work
        exports[name] = location
    if not options.items:
        raise UsageError("--export needs --items: what people are to see")
    return exports


def _export(queries: pa.Table, items: Source, exports: dict[str, str], classes: Sequence[str], options: Options, console: Console) -> None:
    """Write the chosen rows that people are to see, as they see them and in rank order, in every format that is asked for."""
    from altool.labels import registry as formats
    from altool.labels.exchange import Task

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
        console.mismatch(text, "give the items that belong to this pool", strict=options.strict)
    fields = ("id", "rank", "round", "suggested_label", "suggested_probability")
    tasks = [Task(**{name: row.get(name) for name in fields}, **payloads.get(row["id"], {})) for row in rows]
    for name, location in exports.items():
        for ending, content in formats.export(name, tasks, classes).items():
            write.write_bytes(content, location + ending)


def _open_pool(reader: Reader, options: Options) -> Source:
    """The table whose rows are the pool: the first given of predictions, features, items and queue."""
    given = {"predictions": options.predictions, "features": options.features, "items": options.items, "queries": options.queue}
    kind, location = next((kind, location) for kind, location in given.items() if location)
    return reader.open(location, kind)


def _matrices(strategy: Strategy, options: Options) -> dict[str, str]:
    """{array: table} for the matrices that the strategy is to be given."""
    given = set(strategy.takes)
    if options.similarity != "features" or strategy.inner:
        found = {name: MATRICES.get(name.removeprefix("labeled_")) for name in strategy.optional}
        given |= {name for name, table in found.items() if table and getattr(options, table)}
    return {name: table for name, table in MATRICES.items() if strategy.shape != "score" and given & {name, f"labeled_{name}"}}


def _known_classes(tables: dict[str, Source], training: pa.Table | None, reader: Reader) -> tuple[str, ...]:
    """The classes of the run: those of the probabilities (or of --classes), then those that only labels know."""
    predictions = tables.get("predictions")
    first = predictions.classes if predictions is not None and predictions.knows_classes else reader.classes or ()
    found = set(pa.compute.unique(training.column("label")).to_pylist()) if training is not None else set()
    return (*first, *sorted(found - set(first)))


def _class_options(
    strategy: Strategy,
    options: Options,
    known: Sequence[str],
    labels: np.ndarray,
    metrics: pa.Table | None,
    behind: list[int] | None,
    source: Source,
) -> dict[str, list[int]]:
    """The class numbers of --query-classes and --private-classes, or their defaults, as far as the strategy knows them."""
    named: dict[str, list[int]] = {}
    for name in ("query_classes", "private_classes"):
        if text := getattr(options, name):
            named[name] = check.class_numbers(text.split(","), known, f"{source.name}: {_flag(name)}")
    if behind is None and metrics is not None and "query_classes" in strategy.options:
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
        if not any(name in known for name, _ in found):
            raise InputError(f"metrics: no row is of a class of {source.name}", "give the metrics of this project's last report")
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
    sizes = np.bincount(choice.marks["tier"], minlength=len(clarifier.TIERS))
    return dict(zip(clarifier.TIERS, sizes.tolist(), strict=True))


def _report_tiers(choice: Choice, keywords: Mapping[str, Any], arrays: Mapping[str, Any], known: Sequence[str], console: Console) -> None:
    """Say what each tier lacks, and why."""
    wanted = dict(zip(clarifier.TIERS, keywords["clarifier_budgets"], strict=True))
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


def _by_previous(options: Options, strategy: Strategy) -> bool:
    """Is --diversify to go by the previous round's classes?"""
    return options.diversify_by == "previous" or (options.diversify_by is None and strategy.wrapped.across is not None)


def _before(
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


def _report_new(before: Previous, positions: np.ndarray, strategy: Strategy, options: Options, source: Source, console: Console) -> None:
    """Say how many candidates the previous round never scored, and what becomes of them."""
    new = int((before.likeliest[positions] < 0).sum())
    if new:
        text = f"{new:,} of {len(positions):,} candidates of {source.name} are not in --previous"
        if strategy.wrapped.across:
            text += f": they come after the others, in the order of {options.alamp_base or 'margin'}"
        if options.diversify and _by_previous(options, strategy):
            text += "; they count as what they are predicted to be now"
        console.info(text)


def _arrays(
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
    wanted = _matrices(strategy, options)
    # Where the rows of the pool, and those that were labeled, lie in each table.
    labeled = pool.positions(training.column("id")) if training is not None else np.empty(0, np.int64)
    held = labeled >= 0
    found: dict[str, tuple[Index, np.ndarray]] = {}
    for name in sorted(wanted.values()):
        source = tables[name]
        index = pool if name == next(iter(tables)) else read_index(source, options.threads)
        places = np.arange(len(pool)) if index.ids.equals(pool.ids) else index.positions(pool.ids)
        found[name] = index, places
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


def _answers(pool: Index, positions: np.ndarray, known: Sequence[str], given: Labels | None, oracle: Source | None) -> np.ndarray:
    """int64 per candidate: the class number that it was answered with in this round, SKIPPED or PENDING. People overrule the oracle."""
    found = np.full(len(pool), PENDING)
    truth = resolve(label_log.read(oracle)) if oracle is not None else None
    for labels in filter(None, (truth, given)):
        places = pool.positions(labels.table.column("id"))
        values = codes(labels.table, tuple(known))
        values[np.asarray(labels.table.column("label").is_valid()) & (values < 0)] = len(known)  # a class that only the oracle knows
        found[places[places >= 0]] = values[places >= 0]
    return found[positions]


def _begun(options: Options, strategy: Strategy, round_: int, inputs: Mapping[str, str]) -> str:
    own = {"seed": options.seed, "budget": options.budget, "parallel": options.parallel or PARALLEL, "wait": options.wait is not False}
    own |= _strategy_options(options)
    return rounds.fingerprint({"strategy": strategy.name, "round": round_, "options": own, "inputs": inputs})


def _whole(choice: Choice, found: Round, oracle: Source, pool: Index, positions: np.ndarray) -> Choice:
    """The whole round. Raises InputError for rows that the oracle has no answer for."""
    if len(choice.places):
        ids = check.naming(pool.take(positions[choice.places]).to_pylist())
        text = f"{oracle.name}: {len(choice.places):,} rows that the strategy asks about have no label (ids {ids})"
        raise InputError(text, "give an oracle that knows every candidate, or exclude these")
    return asked(found.asked, found)


def _found(round_: Round, known: Sequence[str]) -> list[dict[str, Any]]:
    """What the round found out, per class, for `report`."""
    facts = [asdict(finding) for finding in round_.findings()]
    return [{"class": known[fact.pop("class_")], **fact, "gap": None if np.isnan(fact["gap"]) else fact["gap"]} for fact in facts]


def _head(location: str, width: int, inputs: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, D) and bias (K,) of a model that is one linear layer. Raises InputError for another."""
    stored = store.load(location)
    head = stored.model.head
    if head is None:
        raise InputError(f"model {location}: it has no linear head", "give a model of --classifier logistic or linear-svm")
    if head.width != width:
        raise InputError(
            f"model {location}: its head takes {head.width} features, not {width}",
            "give those that it was trained on or, of a deep model, altool score --features-output",
        )
    inputs["model"] = stored.facts["label_digest"]
    return head.weights, head.bias


def _first(text: str, pool: Index, positions: np.ndarray, id_type: pa.DataType) -> int:
    """The place among the candidates of the row that --first names."""
    try:
        position = int(pool.positions(pa.array([text]).cast(id_type))[0])
    except pa.ArrowInvalid:
        position = -1
    place = int(np.searchsorted(positions, position))
    if position < 0 or place == len(positions) or positions[place] != position:
        raise InputError(f"--first: {text} is no candidate", "name the id of a row that has no label yet")
    return place


def _read_pool(source: Source, options: Options, strategy: Strategy, keywords: dict[str, Any], advance: Callable[[int], None]) -> Pool:
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


def _check_vaal(source: Source, strategy: Strategy) -> None:
    """The two strategies read one column; predictions that say whose it is must be the strategy's own. Raises InputError."""
    trained = json.loads(source.metadata.get("altool.provenance", "{}")).get("options", {}).get("vaal")
    if "labeled_probability" in strategy.takes and trained not in (None, "none", strategy.name):
        text = f"{source.name}: its labeled_probability is that of a model trained with --vaal {trained}"
        raise InputError(text, f"give --strategy {trained}, or train with --vaal {strategy.name} and score again")


def _report_strangers(index: Index, ids: pa.Array, table: str, options: Options, console: Console) -> None:
    """Warn of ids that the pool has never held; an error with --strict."""
    strangers = ids.filter(pa.array(index.positions(ids) < 0)) if len(ids) else ids
    if len(strangers):
        text = (
            f"{table}: {len(strangers):,} {'id is' if len(strangers) == 1 else 'ids are'} not in the pool "
            f"(ids {check.naming(check.first_ids(strangers))})"
        )
        console.mismatch(text, "give the table that belongs to this pool, or leave --strict out", strict=options.strict)


def _next_round(log: pa.Table | None) -> int:
    """One more than the last round in the log; 0 for the first of all. Held-out rows belong to no round.

    A round whose labels were all retracted is over too: its auto labels stay retracted.
    """
    if log is None:
        return 0
    held = pa.compute.fill_null(pa.compute.equal(log.column("source"), "holdout"), False)
    last = pa.compute.max(log.filter(pa.compute.invert(held)).column("round")).as_py()
    return 0 if last is None else last + 1


def _queries(
    pool: Pool,
    positions: np.ndarray,
    choice: Choice,
    audited: np.ndarray,
    options: Options,
    strategy: Strategy,
    round_: int,
    classes: Sequence[str] | None,
    known: Sequence[str],
) -> pa.Table:
    count = len(positions)
    columns = {
        "id": pool.index.take(positions),
        "rank": pa.array(np.arange(1, count + 1, dtype=np.int32)),
        "score": pa.array(choice.scores.astype(np.float32)),
        "strategy": pa.array([strategy.name] * count, pa.string()),
        "round": pa.array(np.full(count, round_, np.int32)),
        "source": pa.array(np.where(choice.explored, "explore", "exploit"), pa.string()),
    }
    if "tier" in choice.marks:
        tiers = choice.marks["tier"]
        # Audited rows are a random sample of the easy rows, but none of the pool: nothing else may be measured on them.
        automatic = (tiers == clarifier.TIERS.index("easy")) & ~audited
        source = np.where(choice.explored, "explore", np.where(automatic, "auto", "exploit"))
        columns["source"] = pa.array(source, pa.string())
        columns["tier"] = pa.array([clarifier.TIERS[tier] for tier in tiers], pa.string())
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
