"""`altool report`: how good is the model in every class, and is that good enough?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool import seeds
from altool.console import Console
from altool.errors import InputError, TargetsNotMet, UsageError
from altool.labels import queries as asked_of
from altool.labels.consensus import codes, resolve
from altool.labels.costs import known, of_log
from altool.metrics.evaluation import evaluate
from altool.metrics.gaps import met
from altool.metrics.measured import EVALUATE_ON, Measured, measured
from altool.metrics.proof import ESTIMATE, PROVED, States, states
from altool.metrics.steering import Sample
from altool.models import store
from altool.options import flag, option, shared
from altool.reporting import comparison, content, forecast, pool_map, relabeled, searches, stopping, summary, terminal
from altool.reporting.cost import COST_ANSWER, COST_VERIFY, prices
from altool.reporting.pages import asked as batches
from altool.reporting.pages import report as pages
from altool.reporting.pages.confusions import Measured as Predictions
from altool.reporting.proof import Proof
from altool.selection.contents import Contents
from altool.shared import (
    ALLOW_OUTSIDE,
    AT_PRECISION,
    CLASSES,
    COLUMNS,
    FEATURE_PREFIX,
    FEATURES,
    IDS,
    ITEMS,
    LABELS,
    LONG,
    OUTPUT,
    OVERWRITE,
    PREDICTIONS,
    PROB_COLUMNS,
    PROB_PREFIX,
    PROBABILITIES,
    ROUND,
    RUN,
    SCALE,
    SCORE,
    SEED,
    STRICT,
    TABLES,
    TARGETS,
    TIME_UNIT,
    TIME_ZONE,
    UNLABELED_VALUE,
)
from altool.tables import align, check, label_log, outputs, rounds, space, write
from altool.tables import classes as class_lists
from altool.tables.outputs import Output
from altool.tables.predicted import Predicted, read_predicted
from altool.tables.read import Reader, Source, layout, meaning, vector_shape
from altool.tables.schema import KINDS
from altool.tables.targets import read_targets
from altool.text import count

MEASURED, PAGE, COMPARED = "What is measured", "The page", "Comparing: --history alone, as altool compare"
MEASURING = (
    *("targets", "previous", "pool_predictions", "features", "queries", "truth", "items", "problems", "model", "title", "page_size"),
    *("metrics_output", "check_targets", "allow_outside"),
    *("ids", "prob_prefix", "prob_columns", "score", "long", "probabilities", "feature_prefix", "scale"),
    *("all", "evaluate_on", "at_precision", "round", "classes", "time_zone", "time_unit", "unlabeled_value"),
)
COMPARING = ("baseline", "level", "metric", "tail_classes", "tail_share", "summary_output")  # of histories alone


@dataclass(frozen=True)
class Options:
    predictions: str | None = shared(replace(PREDICTIONS, help="Out-of-fold predictions, or those of a holdout."))
    labels: str | None = shared(LABELS)
    targets: str | None = shared(TARGETS)
    history: Sequence[str] | None = option("Metrics of earlier rounds; alone: runs to compare. Repeatable.", metavar="TABLE", panel=TABLES)
    previous: Sequence[str] | None = option(
        "Predictions of earlier rounds, to tell what still changes; repeatable.", metavar="TABLE", panel=TABLES
    )
    pool_predictions: str | None = option("This round's, where --predictions are out-of-fold.", metavar="TABLE", panel=TABLES)
    queries: Sequence[str] | None = option("Queries, to show what was asked; repeatable.", metavar="TABLE", panel=TABLES)
    truth: str | None = option("Right labels: answers that are others are not timed.", metavar="TABLE", panel=TABLES)
    features: str | None = shared(replace(FEATURES, help="Features, to draw a map of the pool."))
    items: str | None = shared(replace(ITEMS, help="Items, to show rows with their picture or text."))
    problems: str | None = option("What altool check found, to show it.", metavar="TABLE", panel=TABLES)
    model: str | None = option("A deep model, to show its training epoch by epoch.", metavar="DIR", panel=TABLES)
    output: str | None = shared(replace(OUTPUT, metavar="FILE", help="Also write an HTML page with plots."))
    title: str | None = option("What the page calls the project.", metavar="TEXT", panel=PAGE)
    page_size: float = option("Megabytes of the page, at most.", default=3.0, above=0, metavar="MB", panel=PAGE)
    metrics_output: str | None = option("Also write the metrics table.", metavar="PATH", panel=TABLES)
    check_targets: str | None = option(
        "Exit with 5 until all targets are met (estimate), or proved.",
        choices=(ESTIMATE, PROVED),
        bare=ESTIMATE,
        metavar="STATE",
        panel=MEASURED,
    )
    evaluate_on: str = option(
        "auto: holdout, else out-of-fold; all: biased rows, too.", default="auto", choices=EVALUATE_ON, metavar="ROWS", panel=MEASURED
    )
    at_precision: float = shared(replace(AT_PRECISION, panel=MEASURED, help="Precision of recall at precision, if targets name none."))
    round: int | None = shared(replace(ROUND, panel=MEASURED, shown="the labels' last"))
    cost_verify: float | None = shared(replace(COST_VERIFY, panel=MEASURED))
    cost_answer: float | None = shared(replace(COST_ANSWER, panel=MEASURED))
    baseline: str | None = shared(replace(comparison.BASELINE, panel=COMPARED))
    metric: str | None = shared(replace(comparison.METRIC, panel=COMPARED))
    level: Sequence[float] | None = shared(replace(comparison.LEVEL, panel=COMPARED))
    tail_classes: str | None = shared(replace(comparison.TAIL_CLASSES, panel=COMPARED))
    tail_share: float | None = shared(replace(comparison.TAIL_SHARE, panel=COMPARED))
    summary_output: str | None = shared(replace(comparison.SUMMARY_OUTPUT, panel=COMPARED))
    columns: str | None = shared(COLUMNS)
    ids: str | None = shared(IDS)
    classes: str | None = shared(CLASSES)
    prob_prefix: str | None = shared(PROB_PREFIX)
    prob_columns: str | None = shared(PROB_COLUMNS)
    score: str | None = shared(SCORE)
    long: str | None = shared(LONG)
    probabilities: str | None = shared(PROBABILITIES)
    feature_prefix: str | None = shared(FEATURE_PREFIX)
    scale: str | None = shared(SCALE)
    time_zone: str | None = shared(TIME_ZONE)
    time_unit: str | None = shared(TIME_UNIT)
    unlabeled_value: Sequence[str] | None = shared(UNLABELED_VALUE)
    all: bool = option("Print every class, not only the 20 worst.", default=False, panel=RUN)
    allow_outside: bool = shared(ALLOW_OUTSIDE)
    seed: int = shared(SEED)
    strict: bool = shared(STRICT)
    overwrite: bool = shared(OVERWRITE)


def run(options: Options, console: Console) -> None:
    """Measure the predictions on the labels, show and write what was found; without either, compare histories as `altool compare` does.

    Raises TargetsNotMet after everything is written.
    """
    if options.predictions is None and options.labels is None and options.history:
        _refuse_given(options, MEASURING, "--history alone", "give --predictions and --labels, too")
        console.info("note: use altool compare DIR… instead of --history alone")
        _compare(options, options.history, console)
    elif options.predictions is None or options.labels is None:
        missing = "--predictions" if options.predictions is None else "--labels"
        raise UsageError(f"{missing} is missing", "give --predictions and --labels; to compare what was tried: altool compare DIR…")
    else:
        _refuse_given(options, COMPARING, "--predictions and --labels", "use it with altool compare DIR…")
        _measure(options, options.predictions, options.labels, console)


def _refuse_given(options: Options, names: Sequence[str], what: str, hint: str) -> None:
    for field in fields(options):
        if field.name in names and getattr(options, field.name) not in (field.default, ()):
            raise UsageError(f"{flag(field.name)} has no effect with {what}", hint)


def _compare(options: Options, histories: Sequence[str], console: Console) -> None:
    comparison.compare(comparison.asked_by("report", "--history", histories, vars(options)), console)


def _measure(options: Options, predictions: str, labels: str, console: Console) -> None:
    _check_options(options, console)
    given_prices = prices(options.cost_verify, options.cost_answer)
    means = meaning(options.time_zone, options.time_unit, options.unlabeled_value)
    reader = Reader(options.columns, options.classes, console, means, layout(options), options.ids, vector_shape(options))
    source = reader.open(predictions, "predictions")
    log = reader.open(labels, "labels", allow_empty=True)
    features = reader.open(options.features, "features") if options.features else None
    asked = [reader.open(location, "queries", allow_empty=True) for location in options.queries or ()]
    previous = [reader.open(location, "predictions") for location in options.previous or ()]
    whole = reader.open(options.pool_predictions, "predictions") if options.pool_predictions else source
    right = reader.open(options.truth, "labels") if options.truth else None
    items = reader.open(options.items, "items") if options.items else None
    problems = reader.open(options.problems, "problems", allow_empty=True) if options.problems else None
    earlier = [reader.open(location, "metrics", allow_empty=True) for location in options.history or ()]
    wanted = read_targets(reader, options.targets) if options.targets else None
    reader.match_ids()
    if features is not None:
        space.told(features, console)

    answers = label_log.read(log)
    resolved = resolve(answers)
    given = resolved.table.filter(resolved.table.column("label").is_valid())
    if not given.num_rows:
        raise InputError(f"{log.name}: no labels", "import some: altool import-labels")
    hint = "give the labels and the predictions of one project; --classes names the classes where the predictions do not"
    if text := class_lists.match(class_lists.counts(given.column("label")), source.classes, log.name, source.name, hint):
        console.mismatch(text, "train on them and score again, or leave --strict out", strict=options.strict)
    classes = (*source.classes, *sorted(set(given.column("label").to_pylist()) - set(source.classes)))
    aims = wanted.aims(classes, options.at_precision) if wanted else None
    predicted = read_predicted(source, given.column("id"), console)
    chosen, rows = _choose_rows(source, log, given, predicted, options, console)

    if console.dry_run:
        _rehearse(options, rows, chosen, classes, console)
        return

    shares = aims.at_precision if aims else (options.at_precision,) * len(classes)
    true, probabilities = _measurable(given, predicted, chosen.rows, classes)
    evaluation = evaluate(true, probabilities, shares, seeds.generator(options.seed, "report", "bootstrap"), aims)
    samples = {
        name: evaluate(*_measurable(given, predicted, mask, classes), shares, None, aims) if (mask != chosen.rows).any() else evaluation
        for name, mask in chosen.samples.items()
        if mask.any()
    }
    _warn_unmeasured(classes, evaluation.support, console)

    table = resolved.table
    totals, counts = content.labels(list(zip(*_lists(table, "label", "source", "round"), strict=True)), resolved.contested)
    round_ = options.round if options.round is not None else pc.max(resolved.training.column("round")).as_py()
    past = _history(earlier, classes, round_, console)
    requests = [row for queries in asked for row in asked_of.rows(queries)]
    origins = [origin for source_ in asked for _, origin in rounds.origins(source_) if "found" in origin]
    relabels, again = relabeled.of_log(answers, requests)
    queries, suggestions = content.queries(requests, resolved.by_people, again)
    now = None
    if previous:
        before = past[-1].labels if past else None
        now = stopping.agree(previous, whole, given.column("id"), totals.training, before, console)
    overall = content.overall(evaluation, past)
    proof: Proof | None = None
    proved: States = ([], [])
    if wanted and aims:
        proof = Proof.of(chosen.on, rows.measured, round_, [before.rows for before in past], wanted.confidence)
        proved = states(true, probabilities, aims, met(Sample.of(evaluation, aims).value, aims.targets), proof.look)
    kinds = [metric for metric, priority in zip(aims.metrics, aims.priorities, strict=True) if priority > 0] if aims else []
    costs = of_log(answers, resolved, requests, given_prices, known(label_log.read(right)) if right else {})
    lines = content.class_reports(classes, evaluation, shares, aims, counts, past, samples, proved)
    held_out = chosen.on == "holdout"
    report = content.Report(
        round=round_,
        measured_on=chosen.on,
        rows=rows,
        overall=overall,
        classes=lines,
        labels=totals,
        history=past,
        queries=queries,
        suggestions=suggestions,
        searches=searches.by_class(requests, [(origin["options"]["round"], origin["found"]) for origin in origins]),
        cost=costs,
        stopping=stopping.of_rounds(overall, rows.measured, totals.training, kinds, past, now, held_out=held_out, classes=len(classes)),
        proof=proof,
        forecast=forecast.of_rounds(lines, rows.measured, totals, past, costs, held_out=held_out),
        relabeled=relabels,
        training=_training(options.model) if options.model else {},
    )
    if report.caution:
        console.warn(report.caution)
    if costs and costs.easy_loss:
        console.warn(costs.easy_loss)
    changing = {
        "evaluate_on": chosen.on,
        "at_precision": options.at_precision,
        "round": round_,
        "classes": list(classes),
        "prices": given_prices,
    }
    inputs = {"predictions": predicted.fingerprint, "labels": align.table_fingerprint(answers), **reader.versions}
    if wanted:
        changing["confidence"] = wanted.confidence
        targets = [repr(target) for target in wanted.resolve(classes).values()]
        inputs["targets"] = align.table_fingerprint(pa.table({"class": classes, "target": targets}))
    origin = write.provenance("report", changing, options.seed, inputs)
    page = b""
    if options.output:
        drawn = None
        if features:
            ids, held = [row["id"] for row in requests], _held_out(given)
            drawn = pool_map.draw(features, given.column("id"), codes(given, classes), held, ids, options.seed, console)
        shown = pages.Shown(
            measured=Predictions(
                given.column("id").filter(pa.array(chosen.rows)).to_pylist(),
                true,
                evaluation.predicted,
                probabilities[np.arange(len(true)), evaluation.predicted],
            ),
            title=options.title or "",
            date=_day(answers),
            map=drawn,
            batch=batches.last_batch(requests, resolved.by_people, again),
            problems=problems.read().to_pylist() if problems and problems.fragments else (),
            contents=Contents(items, allow_outside=options.allow_outside) if items else None,
            id_type=given.schema.field("id").type,
            size=round(options.page_size * pages.MEGABYTE),
        )
        page, note = pages.page(report, shown, origin)
        if note:
            console.info(f"{options.output}: {note}; a larger page holds more: --page-size MB")
    if options.metrics_output:
        write.write_table(_metrics(report), "metrics", options.metrics_output, origin=origin, classes=classes)
    if options.output:
        write.write_bytes(page, options.output)
    if "-" not in (options.output, options.metrics_output) and not (console.json_output or console.quiet):
        for part in terminal.render(report, every_class=options.all):
            console.print(part)
    told = {"command": "report", **summary.of_report(report), "output": options.output, "metrics_output": options.metrics_output}
    if missing := {ESTIMATE: report.missed, PROVED: report.unproved}.get(options.check_targets or ""):
        lack = "below target" if options.check_targets == ESTIMATE else "without proof of the target"
        raise TargetsNotMet(
            f"{len(missing)} of {count(len(report.aims), 'class', 'classes')} {lack} ({check.naming_columns(missing)})",
            proof.remedy if proof and options.check_targets == PROVED else "label more rows of these classes, train and report again",
            {**told, "warnings": console.warnings},
        )
    written = ", ".join(location for location in (options.output, options.metrics_output) if location and location != "-")
    console.result(told, f"{report.basis}: {terminal.overall_line(report)}{f' -> {written}' if written else ''}")


def _rehearse(options: Options, rows: content.Rows, chosen: Measured, classes: Sequence[str], console: Console) -> None:
    """What --dry-run says."""
    written = {"output": options.output, "metrics_output": options.metrics_output}
    text = f"measure {count(len(classes), 'class', 'classes')} on {count(rows.measured, 'row')} ({chosen.on})"
    text += "".join(f" -> {path}" for path in written.values() if path)
    summary = {"command": "report", "measured_on": chosen.on, "rows": rows.measured, "classes": list(classes)}
    console.rehearsed({**summary, **written}, text)


def _held_out(given: pa.Table) -> np.ndarray:
    """Which labels are held out."""
    return pc.fill_null(pc.equal(given.column("source"), "holdout"), False).to_numpy(zero_copy_only=False)


def _day(log: pa.Table) -> str:
    """The day of the newest answer, as 2026-07-14; "" where none is dated."""
    newest = pc.max(log.column("labeled_at")).as_py()
    return newest.date().isoformat() if newest is not None else ""


def _training(location: str) -> dict[str, list[float]]:
    """How the training of a model went. Raises UsageError for one that was not trained in epochs."""
    facts = store.read_facts(location)
    if "curve" not in facts:
        raise UsageError(f"--model {location}: {facts['classifier']} is not trained in epochs", "leave --model out")
    return facts["curve"]


def _check_options(options: Options, console: Console) -> None:
    """Refuse what cannot work, or would do nothing. Raises UsageError."""
    if options.check_targets and not options.targets:
        raise UsageError("--check-targets has no effect without --targets", "give --targets TABLE")
    if options.pool_predictions and not options.previous:
        raise UsageError("--pool-predictions has no effect without --previous", "give --previous TABLE")
    for name in ("features", "items", "problems", "title"):
        if getattr(options, name) and not options.output:
            raise UsageError(f"--{name} has no effect without --output", f"give -o REPORT.html, or leave --{name} out")
    # A project may keep the metrics of its rounds in one folder, and give it as --history of the next.
    metrics = Output("--metrics-output", options.metrics_output, "metrics", within=("--history",))
    tables = ("predictions", "labels", "targets", "previous", "pool_predictions", "features", "queries", "model", "history")
    given = outputs.given(options, *tables, "truth", "items", "problems", "text:classes")
    wanted = [Output("--output", options.output, "page"), metrics]
    outputs.check(wanted, given, overwrite=options.overwrite, json=console.json_output)


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
        (chosen.unpredicted, f"no prediction in {source.name}", "score these rows too"),
        (chosen.in_sample, f"an in-sample prediction (no fold in {source.name})", "leave --strict out"),
    ):
        if mask.any():
            ids = given.column("id").filter(pa.array(mask))
            shown = check.naming(check.first_ids(ids))
            text = f"{log.name}: {count(len(ids), 'labeled row')} with {what}, not measured (ids {shown})"
            console.mismatch(text, hint, strict=options.strict)
    if rows.left_out:
        sources = ", ".join(f"{name} {count:,}" for name, count in rows.left_out.items())
        machine = ", given by the model" if "auto" in rows.left_out else ""
        console.info(f"not measured: labels chosen by uncertainty{machine}, or of unknown source ({sources}); see --evaluate-on")
    return chosen, rows


def _refuse(source: Source, log: Source, chosen: Measured, rows: content.Rows) -> None:
    """Say why there is nothing to measure on."""
    remedy = "train with --folds 5 --oof PREDICTIONS and give those, or import a holdout with --source holdout and score it"
    if rows.left_out:
        sources = ", ".join(f"{name} {count:,}" for name, count in rows.left_out.items())
        raise InputError(
            f"{log.name}, column 'source': no measurable label has source seed or explore, found {sources}",
            "import randomly chosen rows with --source explore, or accept biased values: --evaluate-on all",
        )
    if rows.in_sample:
        raise InputError(
            f"{source.name}: {count(rows.in_sample, 'labeled row')} with an in-sample prediction (no fold), and no held-out row with any; "
            "measuring these would flatter the model",
            remedy,
        )
    what = {"holdout": "held-out row", "out-of-fold": "row of source seed or explore", "all": "labeled row"}[chosen.on]
    raise InputError(f"{source.name}: no prediction for any {what} of {log.name}", remedy)


def _measurable(given: pa.Table, predicted: Predicted, rows: np.ndarray, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The class numbers int64 (n,) and probabilities (n, K) of the labeled `rows` (boolean); a class without a column has 0."""
    found = predicted.probabilities[predicted.ids.positions(given.column("id").filter(pa.array(rows)))]
    probabilities = np.zeros((len(found), len(classes)), found.dtype)
    probabilities[:, : found.shape[1]] = found
    return codes(given, classes)[rows], probabilities


def _warn_unmeasured(classes: Sequence[str], support: np.ndarray, console: Console) -> None:
    empty = [name for name, rows in zip(classes, support, strict=True) if not rows]
    if empty:
        total = count(len(classes), "class", "classes")
        console.warn(f"{len(empty)} of {total} without a measured row, estimated as 0 ({check.naming(empty)})")


def _history(sources: Sequence[Source], classes: Sequence[str], round_: int | None, console: Console) -> list[content.Past]:
    """The rounds before this one. Warns about the others, which are left out, and about classes that are unknown in this run."""
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
        console.warn(f"history: rounds not before round {round_} are left out ({rounds})")
    return before


def _metrics(report: content.Report) -> pa.Table:
    schema = pa.schema(list(KINDS["metrics"].columns.items()))
    return pa.Table.from_pylist(content.metrics_rows(report), schema=schema)


def _lists(table: pa.Table, *columns: str) -> list[list[Any]]:
    return [table.column(name).to_pylist() for name in columns]
