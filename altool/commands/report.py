"""`altool report`: how good is the model in every class, and is that good enough? Or, of histories alone: what helped?"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool import seeds
from altool.console import Console
from altool.errors import InputError, TargetsNotMet, UsageError
from altool.labels.consensus import codes, resolve
from altool.labels.costs import of_log
from altool.metrics.cost import KINDS as KINDS_OF_ANSWERS
from altool.metrics.evaluation import evaluate
from altool.metrics.measured import EVALUATE_ON, Measured, measured
from altool.models import store
from altool.reporting import content, history, page, terminal
from altool.reporting.plots import Map
from altool.reporting.projection import project
from altool.tables import align, check, label_log, outputs, rounds, space, write
from altool.tables import classes as class_lists
from altool.tables.align import Index
from altool.tables.arrays import read_index
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, listing, matrix, meaning, parse_classes
from altool.tables.schema import KINDS, METRICS
from altool.tables.targets import Target, read_targets
from altool.text import visible

NAMED = 20  # classes named in a message
MAP_ROWS = {"pool": 2000, "labeled": 1000, "asked": 1000}  # drawn of each kind
MEASURING = (
    *("targets", "features", "queries", "model", "metrics_output", "check_targets"),
    *("evaluate_on", "at_precision", "round", "classes", "time_zone", "time_unit", "unlabeled_value"),
)
COMPARING = ("baseline", "level", "metric", "tail_classes", "tail_share", "summary_output")  # of histories alone


@dataclass(frozen=True)
class Options:
    predictions: str | None = None
    labels: str | None = None
    targets: str | None = None
    features: str | None = None
    queries: Sequence[str] | None = None
    model: str | None = None
    history: Sequence[str] | None = None
    output: str | None = None
    metrics_output: str | None = None
    baseline: str | None = None
    level: Sequence[float] | None = None
    metric: str | None = None
    tail_classes: str | None = None
    tail_share: float | None = None
    cost_verify: float | None = None
    cost_answer: float | None = None
    summary_output: str | None = None
    check_targets: bool = False
    evaluate_on: str = "auto"
    at_precision: float = 0.9
    round: int | None = None
    columns: str | None = None
    classes: str | None = None
    time_zone: str | None = None
    time_unit: str | None = None
    unlabeled_value: Sequence[str] | None = None
    seed: int = 0
    overwrite: bool = False
    strict: bool = False


@dataclass(frozen=True)
class Predicted:
    """The labeled rows that have a prediction, in id order."""

    ids: Index
    probabilities: np.ndarray  # float (n, K)
    out_of_fold: np.ndarray  # boolean (n,)
    fingerprint: str


def run(options: Options, console: Console) -> None:
    """Measure the predictions on the labels, show and write what was found; without either, compare histories.

    Raises TargetsNotMet after everything is written.
    """
    if options.predictions is None and options.labels is None and options.history:
        _refuse_given(options, MEASURING, "goes with --predictions and --labels, not with --history alone")
        _compare(options, options.history, console)
    elif options.predictions is None or options.labels is None:
        missing = "--predictions" if options.predictions is None else "--labels"
        raise UsageError(f"{missing} is missing", "give --predictions and --labels, or --history alone to compare what was tried")
    else:
        _refuse_given(options, COMPARING, "goes with --history alone, without --predictions and --labels")
        _measure(options, options.predictions, options.labels, console)


def _refuse_given(options: Options, names: Sequence[str], why: str) -> None:
    for field in fields(options):
        if field.name in names and getattr(options, field.name) != field.default:
            raise UsageError(f"--{field.name.replace('_', '-')} {why}")


def _measure(options: Options, predictions: str, labels: str, console: Console) -> None:
    _check_options(options, console)
    prices = _prices(options)
    reader = Reader(options.columns, options.classes, console, meaning(options.time_zone, options.time_unit, options.unlabeled_value))
    source = reader.open(predictions, "predictions")
    log = reader.open(labels, "labels", allow_empty=True)
    features = reader.open(options.features, "features") if options.features else None
    asked = [reader.open(location, "queries") for location in options.queries or ()]
    earlier = [reader.open(location, "metrics", allow_empty=True) for location in options.history or ()]
    wanted = read_targets(reader, options.targets) if options.targets else None
    reader.match_ids()
    if features is not None:
        space.told(features, console)

    answers = label_log.read(log)
    resolved = resolve(answers)
    given = resolved.table.filter(resolved.table.column("label").is_valid())
    if not given.num_rows:
        raise InputError(f"{log.name}: there is no label", "import some: altool import-labels")
    hint = "give the labels and the predictions of one project; --classes names the classes where the predictions do not"
    if text := class_lists.match(class_lists.counts(given.column("label")), source.classes, log.name, source.name, hint):
        console.mismatch(text, "train on them and score again, or leave --strict out", strict=options.strict)
    classes = (*source.classes, *sorted(set(given.column("label").to_pylist()) - set(source.classes)))
    targets = list(wanted.resolve(classes).values()) if wanted else None
    predicted = _read_predictions(source, given, console)
    chosen, rows = _choose_rows(source, log, given, predicted, options, console)

    positions = predicted.ids.positions(given.column("id").filter(pa.array(chosen.rows)))
    probabilities = np.zeros((len(positions), len(classes)), predicted.probabilities.dtype)
    probabilities[:, : len(source.classes)] = predicted.probabilities[positions]
    true = codes(given, classes)[chosen.rows]
    shares = [_at_precision(targets[code] if targets else None, options) for code in range(len(classes))]
    evaluation = evaluate(true, probabilities, shares, seeds.generator(options.seed, "report", "bootstrap"))
    _warn_unmeasured(classes, evaluation.support, console)

    table = resolved.table
    totals, counts = content.labels(list(zip(*_lists(table, "label", "source", "round"), strict=True)), resolved.contested)
    round_ = options.round if options.round is not None else pc.max(resolved.training.column("round")).as_py()
    past = _history(earlier, classes, round_, console)
    requests = [row for queries in asked for row in queries.read().to_pylist()]
    origins = [origin for source_ in asked for _, origin in rounds.origins(source_) if "found" in origin]
    queries, suggestions = content.queries(requests, resolved.by_people)
    costs = of_log(answers, resolved, requests, prices)
    aims = [(target.metric, target.target, target.priority) for target in targets] if targets else None
    report = content.Report(
        round=round_,
        measured_on=chosen.on,
        rows=rows,
        overall=content.overall(evaluation, past),
        classes=content.class_reports(classes, evaluation, shares, aims, counts, past),
        labels=totals,
        history=past,
        queries=queries,
        suggestions=suggestions,
        searches=content.searches(requests, [(origin["options"]["round"], origin["found"]) for origin in origins]),
        cost=costs,
        training=_training(options.model) if options.model else {},
    )
    found = _map(features, given, requests, classes, options, console) if features else None
    if report.caution:
        console.warn(report.caution)
    changing = {
        "evaluate_on": chosen.on,
        "at_precision": options.at_precision,
        "round": round_,
        "classes": list(classes),
        "prices": _prices(options),
    }
    inputs = {"predictions": predicted.fingerprint, "labels": align.table_fingerprint(answers)}
    if targets:
        inputs["targets"] = align.table_fingerprint(pa.table({"class": classes, "target": [repr(target) for target in targets]}))
    origin = write.provenance("report", changing, options.seed, inputs)
    if options.metrics_output:
        write.write_table(_metrics(report), "metrics", options.metrics_output, origin=origin, classes=classes)
    if options.output:
        write.write_bytes(page.page(report, true, evaluation.predicted, found, origin).encode(), options.output)
    if "-" not in (options.output, options.metrics_output) and not (console.json_output or console.quiet):
        for part in terminal.render(report):
            console.print(part)
    summary = {"command": "report", **report.summary(), "output": options.output, "metrics_output": options.metrics_output}
    if options.check_targets and report.missed:
        raise TargetsNotMet(
            f"{len(report.missed)} of {len(report.aims)} classes miss their target ({_names(report.missed)})",
            "label more rows of these classes, train and report again",
            {**summary, "warnings": console.warnings},
        )
    written = ", ".join(location for location in (options.output, options.metrics_output) if location and location != "-")
    console.result(summary, f"{report.basis}: {terminal.overall_line(report)}{f' -> {written}' if written else ''}")


def _training(location: str) -> dict[str, list[float]]:
    """How the training of a model went. Raises UsageError for one that was not trained in epochs."""
    facts = store.read_facts(location)
    if "curve" not in facts:
        raise UsageError(f"--model {location}: {facts['classifier']} has no epochs to show", "leave --model out")
    return facts["curve"]


def _check_options(options: Options, console: Console) -> None:
    """Refuse what cannot work, or would do nothing. Raises UsageError."""
    if options.evaluate_on not in EVALUATE_ON:
        raise UsageError(f"--evaluate-on: {options.evaluate_on!r} is none of {', '.join(EVALUATE_ON)}")
    if options.check_targets and not options.targets:
        raise UsageError("--check-targets needs --targets")
    if options.features and not options.output:
        raise UsageError("--features is drawn on the page only", "give -o REPORT.html, or leave --features out")
    _check_outputs(options, options.metrics_output, "metrics", console)


def _prices(options: Options) -> tuple[float, float] | None:
    """What a verified and any other answer cost, where the user says it. Raises UsageError."""
    verify, answer = options.cost_verify, options.cost_answer
    if (verify is None) != (answer is None):
        raise UsageError("--cost-verify and --cost-answer go together", "for example --cost-verify 1 --cost-answer 4")
    if verify is None or answer is None:
        return None
    if not np.isfinite([verify, answer]).all():
        raise UsageError("--cost-verify and --cost-answer are finite numbers", "for example --cost-verify 1 --cost-answer 4")
    return verify, answer


def _check_outputs(options: Options, table: str | None, kind: str, console: Console) -> None:
    """Check the outputs: the page, and the `kind` table at `table`. Raises UsageError."""
    wanted = [Output("--output", options.output, "page", local=True)]
    # A project may keep the metrics of its rounds in one folder, and give it as --history of the next.
    wanted.append(Output(f"--{kind}-output", table, kind, within=("--history",) if kind == "metrics" else ()))
    tables = ("predictions", "labels", "targets", "features", "queries", "model", "history", "text:classes", "text:tail_classes")
    outputs.check(wanted, outputs.given(options, *tables), overwrite=options.overwrite, json=console.json_output)


def _read_predictions(source: Source, given: pa.Table, console: Console) -> Predicted:
    """Check all predictions; hold those of the labeled rows."""
    wanted = given.column("id").combine_chunks()
    width = len(source.classes)

    def work(batch: pa.RecordBatch) -> tuple[pa.Array, pa.RecordBatch]:
        check.probabilities(batch.column("id"), matrix(source, batch, "probabilities", width))
        return batch.column("id"), batch.filter(pc.is_in(batch.column("id"), value_set=wanted))

    columns = ["id", "probabilities", *(["fold"] if "fold" in source else [])]
    with console.progress(f"reading {source.name}", source.num_rows) as advance:
        parts = []
        for part in source.scan(columns, work):
            parts.append(part)
            advance(len(part[0]))
    align.index([ids for ids, _ in parts], source.name)  # refuses duplicate ids
    batches = [batch for _, batch in parts if batch.num_rows]
    if not batches:
        text = f"{source.name}: it holds none of the {len(wanted):,} labeled rows"
        raise InputError(text, "give the predictions of the labeled rows: those of train --folds 5 --oof, or of a holdout")
    ids = align.index([batch.column("id") for batch in batches], source.name)
    probabilities = np.concatenate([matrix(source, batch, "probabilities") for batch in batches])
    folds = [batch.column("fold") if "fold" in source else pa.nulls(batch.num_rows, pa.int16()) for batch in batches]
    sums = [align.checksums([b.column("probabilities"), pc.fill_null(fold, -1)]) for b, fold in zip(batches, folds, strict=True)]
    return Predicted(
        ids,
        ids.arrange(probabilities),
        ids.arrange(np.concatenate([np.asarray(fold.is_valid()) for fold in folds])),
        align.fingerprint(ids, np.concatenate(sums), source.classes),
    )


def _choose_rows(
    source: Source, log: Source, given: pa.Table, predicted: Predicted, options: Options, console: Console
) -> tuple[Measured, content.Rows]:
    """The labeled rows to measure on. Warns about those that cannot be; raises InputError where none can."""
    positions = predicted.ids.positions(given.column("id"))
    has = positions >= 0
    out_of_fold = np.zeros(len(has), bool)
    out_of_fold[has] = predicted.out_of_fold[positions[has]]
    kind = np.array([value or "" for value in given.column("source").to_pylist()])
    chosen = measured(kind, has, out_of_fold, options.evaluate_on)
    rows = content.rows(chosen, kind)
    if not rows.measured:
        _refuse(source, log, chosen, rows)
    for mask, what, hint in (
        (chosen.unpredicted, f"have no prediction in {source.name}", "score these rows too"),
        (chosen.in_sample, f"were predicted by a model that was trained on them ({source.name} gives no fold)", "leave --strict out"),
    ):
        if mask.any():
            ids = given.column("id").filter(pa.array(mask))
            text = f"{log.name}: {len(ids):,} labeled rows {what} and are not measured (ids {check.naming(check.first_ids(ids))})"
            console.mismatch(text, hint, strict=options.strict)
    if rows.left_out:
        sources = ", ".join(f"{name} {count:,}" for name, count in rows.left_out.items())
        machine = ", that the machine gave" if "auto" in rows.left_out else ""
        console.info(f"not measured: labels that uncertainty chose{machine}, or nobody knows who did ({sources}); see --evaluate-on")
    return chosen, rows


def _refuse(source: Source, log: Source, chosen: Measured, rows: content.Rows) -> None:
    """Say why there is nothing to measure on."""
    remedy = "train with --folds 5 --oof PREDICTIONS and give those, or import a holdout with --source holdout and score it"
    if rows.left_out:
        sources = ", ".join(f"{name} {count:,}" for name, count in rows.left_out.items())
        raise InputError(
            f"{log.name}, column 'source': no measurable label is of source seed or explore ({sources}); the others are no fair sample",
            "import randomly chosen rows with --source explore, or measure on all and know that it is biased: --evaluate-on all",
        )
    if rows.in_sample:
        raise InputError(
            f"{source.name}: {rows.in_sample:,} labeled rows were predicted by a model that was trained on them (no fold), "
            "and no held-out row has a prediction; measuring that would flatter the model",
            remedy,
        )
    what = {"holdout": "held-out row", "out-of-fold": "label of source seed or explore", "all": "labeled row"}[chosen.on]
    raise InputError(f"{source.name}: no {what} of {log.name} has a prediction to measure", remedy)


def _at_precision(target: Target | None, options: Options) -> float:
    return options.at_precision if target is None or target.at_precision is None else target.at_precision


def _warn_unmeasured(classes: Sequence[str], support: np.ndarray, console: Console) -> None:
    empty = [name for name, count in zip(classes, support, strict=True) if not count]
    if empty:
        console.warn(f"{len(empty)} of {len(classes)} classes have no measured row; their estimates are 0 ({check.naming(empty)})")


def _history(sources: Sequence[Source], classes: Sequence[str], round_: int | None, console: Console) -> list[content.Past]:
    """The rounds before this one. Warns about the others, which are left out, and about classes that this run does not know."""
    entries = []
    for table, name in [(source.read(), source.name) for source in sources if source.fragments]:
        found = class_lists.counts(table.column("class"))
        if text := class_lists.match(found, classes, name, "this run", "give the metrics of this project's earlier rounds"):
            console.warn(text)
        entries += table.to_pylist()
    try:
        past = content.history(entries)
    except ValueError as error:
        names = ", ".join(source.name for source in sources)
        raise InputError(f"{names}: {error}", "give each round's metrics once; report --round R sets a table's round") from error
    before = [entry for entry in past if round_ is None or entry.round is None or entry.round < round_]
    if len(before) < len(past):
        rounds = ", ".join(str(entry.round) for entry in past if entry not in before)
        console.warn(f"history: rounds that are not before round {round_} are left out ({rounds})")
    return before


def _metrics(report: content.Report) -> pa.Table:
    """The metrics table: five rows per class in class order, then the overall ones."""
    rows: list[dict[str, Any]] = []
    for line in report.classes:
        for metric, estimate in line.metrics.items():
            aim = line.target if line.target and line.target.metric == metric else None
            at_precision = metric == "recall_at_precision"
            rows.append(
                {
                    "class": line.name,
                    "metric": metric,
                    "value": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "support": line.support,
                    "labels": line.labels,
                    "target": aim and aim.target,
                    "gap": aim and aim.gap,
                    "weight": aim and aim.weight,
                    "threshold": (np.inf if line.threshold is None else line.threshold) if at_precision else None,
                    "round": report.round,
                }
            )
    for metric, estimate in report.overall.items():
        rows.append(
            {
                **dict.fromkeys(rows[0]),
                "metric": metric,
                "value": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "support": report.rows.measured,
                "labels": report.labels.training,
                "round": report.round,
            }
        )
    schema = pa.schema(list(KINDS["metrics"].columns.items()))
    return pa.Table.from_pylist(rows, schema=schema)


def _map(
    features: Source, given: pa.Table, requests: Sequence[dict[str, Any]], classes: tuple[str, ...], options: Options, console: Console
) -> Map:
    """A seeded sample of the pool, of the labeled rows and of those that were asked for, in the plane of the pool's two main directions."""
    index = read_index(features)
    groups = {
        "pool": np.arange(len(index)),
        "labeled": index.positions(given.column("id")),
        "asked": index.positions(pc.unique(pa.array([row["id"] for row in requests], index.ids.type))),
    }
    sample = {}
    for name, positions in groups.items():
        held = np.sort(positions[positions >= 0])
        if name != "pool" and len(held) < len(positions):
            console.warn(f"{features.name}: {len(positions) - len(held):,} {name} rows are not in it and not on the map")
        size = min(MAP_ROWS[name], len(held))
        sample[name] = seeds.generator(options.seed, "report", "map", name).choice(held, size, replace=False)
    places = np.unique(np.concatenate(list(sample.values())))
    wanted = index.take(places)

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        check.features(batch.column("id"), matrix(features, batch, "features"))
        return batch.filter(pc.is_in(batch.column("id"), value_set=wanted))

    batches = [batch for batch in features.scan(["id", "features"], work) if batch.num_rows]
    widths = {batch.column("features").type.list_size for batch in batches}
    if len(widths) > 1:
        raise InputError(f"{features.name}, column 'features': rows of {min(widths)} to {max(widths)} numbers", "embed all rows alike")
    found = align.index([batch.column("id") for batch in batches], features.name)
    rows = found.arrange(np.concatenate([matrix(features, batch, "features") for batch in batches]))
    labels = np.full(len(index), -1)
    at = groups["labeled"]
    labels[at[at >= 0]] = codes(given, classes)[at >= 0]
    reference = rows[np.isin(places, sample["pool"])]
    caption = f"{len(places):,} of {len(index):,} rows of the features on their first two principal components"
    points = project(reference, rows, seeds.integer(options.seed, "report", "map"))
    return Map(points, labels[places], np.isin(places, sample["asked"]), caption)


def _compare(options: Options, locations: Sequence[str], console: Console) -> None:
    """Compare the runs of histories, show and write what was found."""
    metric = options.metric or "macro_f1"
    _check_comparison(options, metric, console)
    prices = _prices(options)
    named = set(parse_classes(options.tail_classes, "--tail-classes") or ())
    reader = Reader(options.columns, None, console)
    sources = [_open_history(reader, location) for location in locations]
    reader.match_ids()
    name = ", ".join(source.name for source in sources)
    table = _one_metric(name, pa.concat_tables([_history_rows(source, metric) for source in sources]), metric)
    hint = "give every round of every run once, with the labels so far and the metric of all classes and of each"
    hint += "; and for prices the answers so far, as altool simulate writes them" if prices else ""
    columns = {column: table.column(column).to_pylist() for column in table.column_names}
    try:
        found, classes = history.series(columns, metric, prices)
        runs = sorted({one.run for one in found})
        baseline = options.baseline or ("random" if "random" in runs and len(runs) > 1 else None)
        if baseline is not None and baseline not in runs:
            raise InputError(f"{name}: there is no run {baseline!r} (--baseline)", f"the runs are {_names(runs)}")
        tail = _tail(options.tail_share, named, name, found, classes, baseline)
        shared = history.common_range(found)
    except ValueError as error:
        raise InputError(f"{name}: {error}", hint) from error
    compared = history.summarize(
        found,
        classes,
        metric,
        shared,
        baseline=baseline,
        levels=sorted(set(options.level)) if options.level else None,
        tail=tail,
        prices=prices,
        generator=lambda: seeds.generator(options.seed, "report", "history", "bootstrap"),
    )
    for text in history.unpaired(found, baseline):
        console.mismatch(text, "simulate the missing repeats", strict=options.strict)
    changing = {"metric": metric, "baseline": baseline, "level": options.level, "tail": list(compared.tail) or None, "prices": prices}
    origin = write.provenance("report", changing, options.seed, {"history": align.table_fingerprint(table)})
    if options.summary_output:
        rows = pa.Table.from_pylist(history.summary_rows(compared), schema=pa.schema(list(KINDS["summary"].columns.items())))
        write.write_table(rows, "summary", options.summary_output, origin=origin)
    if options.output:
        write.write_bytes(history.render_page(compared, origin).encode(), options.output)
    if "-" not in (options.output, options.summary_output) and not (console.json_output or console.quiet):
        for part in history.render(compared):
            console.print(part)
    written = ", ".join(location for location in (options.output, options.summary_output) if location and location != "-")
    summary = {"command": "report", **compared.summary(), "output": options.output, "summary_output": options.summary_output}
    console.result(summary, f"{compared.basis}{compared.result}{f' -> {written}' if written else ''}")


def _check_comparison(options: Options, metric: str, console: Console) -> None:
    """Refuse what cannot be compared. Raises UsageError."""
    known = list(dict.fromkeys((*history.CLASS_METRIC, *METRICS)))
    if metric not in known:
        raise UsageError(f"--metric: {metric!r} is none of {', '.join(known)}")
    if options.tail_classes is not None and options.tail_share is not None:
        raise UsageError("--tail-classes and --tail-share both say what the tail is", "give one of them")
    if options.tail_share is not None and not 0 < options.tail_share < 1:
        raise UsageError(f"--tail-share: {options.tail_share:g} is no share between 0 and 1", "for example 0.3")
    for level in options.level or ():
        if not 0 < level <= 1:
            raise UsageError(f"--level: {level:g} is no share above 0, up to 1", "for example 0.8")
    _check_outputs(options, options.summary_output, "summary", console)


def _open_history(reader: Reader, location: str) -> Source:
    """Metrics tables of a project, or a folder that `altool simulate` made: of that, the history of every run that is finished."""
    paths, folder, *_ = listing(f"history {location}", location, allow_empty=True)
    inner = [path[len(folder) :].lstrip("/") for path in paths] if folder else []
    for pattern in ("runs/*/history.parquet", "*/history.parquet", "history.parquet"):
        if any(fnmatch(path, pattern) for path in inner):
            address, question, query = location.partition("?") if "://" in location else (glob.escape(location), "", "")
            return reader.open(f"{address.rstrip('/')}/{pattern}{question}{query}", "history")
    if "://" not in location and os.path.isdir(os.path.join(location, "runs")):
        raise InputError(f"history {location}: no run in it is finished", "let altool simulate finish one")
    source = reader.open(location, "metrics")
    simulated = any(source.physical(fragment, "run") for fragment in source.fragments)
    return reader.open(location, "history") if simulated else source


def _history_rows(source: Source, metric: str) -> pa.Table:
    """A history's rows of all classes, and those of a class with the metric that belongs to `metric`."""
    single = history.CLASS_METRIC.get(metric, metric)
    schema = KINDS["history"].columns
    wanted = ("run", "repeat", "round", "class", "metric", "value", "total", "labels", "pool", "seconds", *KINDS_OF_ANSWERS)

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(pc.or_(batch.column("class").is_null(), pc.equal(batch.column("metric"), single)))

    table = pa.Table.from_batches(list(source.scan([name for name in wanted if name in source.kind.columns and name in source], work)))
    size = table.num_rows
    if source.kind.name == "metrics":  # a project's own rounds: one run
        table = table.append_column("run", pa.repeat(history.PROJECT, size)).append_column(
            "repeat", pa.repeat(pa.scalar(0, pa.int32()), size)
        )
        if "labels" in table.column_names:
            table = table.append_column("total", table.column("labels"))
    else:
        for name in ("run", "repeat", "round"):
            if table.column(name).null_count:
                raise InputError(f"{source.name}, column {name!r}: {table.column(name).null_count:,} rows hold null", "give every row one")
    for name in wanted:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(size, schema[name]))
    return table.select(wanted)


def _one_metric(name: str, table: pa.Table, metric: str) -> pa.Table:
    """The table with one metric of all classes: `metric`, or where that is one of single classes whichever there is, for its counts."""
    whole = np.asarray(table.column("class").is_null())
    held = sorted(set(table.column("metric").filter(pa.array(whole)).to_pylist()) - {None})
    single = metric not in history.CLASS_METRIC
    if single and whole.all():
        raise InputError(f"{name}, column 'metric': no class has {metric!r}", "give another --metric")
    chosen = next((one for one in history.CLASS_METRIC if one in held and (single or one == metric)), None)
    if chosen is None:
        raise InputError(
            f"{name}, column 'metric': no row of all classes (class null) has {metric!r} (it has {_names(held) or 'none'})",
            "give another --metric, or the tables of altool simulate or report --metrics-output",
        )
    return table.filter(pa.array(~whole | np.asarray(pc.fill_null(pc.equal(table.column("metric"), chosen), False))))


def _tail(
    share: float | None, named: set[str], name: str, found: Sequence[history.Series], classes: Sequence[str], baseline: str | None
) -> np.ndarray | None:
    """Which classes are the tail; None where nobody asks. Raises InputError, or ValueError where nothing tells it."""
    if share is not None:
        return history.rarest(found, share, baseline)
    if not named:
        return None
    unknown = sorted(named - set(classes))
    if unknown:
        raise InputError(
            f"{name}: {_names(unknown)} of --tail-classes is no class of it", f"the classes are {_names(classes) or 'not in it'}"
        )
    if len(named) == len(classes):
        raise InputError(f"{name}: --tail-classes names every class", "leave at least one for the head")
    return np.array([class_ in named for class_ in classes])


def _lists(table: pa.Table, *columns: str) -> list[list[Any]]:
    return [table.column(name).to_pylist() for name in columns]


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(visible(name) for name in names[:NAMED]) + more
