"""Comparing what was tried: histories are read, summed up, shown and written."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool import seeds
from altool.console import Console
from altool.errors import InputError, UsageError
from altool.metrics.cost import KINDS as KINDS_OF_ANSWERS
from altool.options import Option, flag
from altool.reporting import adversaries, history, history_cells, history_series, history_terminal, settings, suggestions, times
from altool.reporting.cost import prices
from altool.reporting.history_series import BALANCE, CLASS_METRIC, PROJECT
from altool.reporting.pages import comparison as pages
from altool.reporting.terminal import named_table
from altool.tables import align, check, outputs, write
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, listing, parse_classes
from altool.tables.schema import KINDS, METRICS
from altool.text import count

COLUMNS = ("run", "repeat", "round", "class", "metric", "value", "total", "labels", "pool", "seconds", *KINDS_OF_ANSWERS)

PANEL = "What is compared"
BASELINE = Option(panel=PANEL, metavar="RUN", help="The run that the others are compared with.", shown="random, if there is one")
LEVEL = Option(
    panel=PANEL,
    metavar="VALUE",
    above=0,
    high=1,
    help="Labels needed to reach this value; repeatable.",
    shown="90 % of the best at the end",
)
METRIC = Option(
    panel=PANEL,
    metavar="NAME",
    choices=tuple(dict.fromkeys((*CLASS_METRIC, *METRICS, *BALANCE))),
    help="The metric of the curves.",
    shown="macro_f1",
)
TAIL_CLASSES = Option(panel=PANEL, metavar="A,B,…", help="The rare classes, or a file of them.")
TAIL_SHARE = Option(panel=PANEL, metavar="SHARE", above=0, high=0.999, help="Share of classes that are the tail, rarest first.")
EXCLUDE_CLASSES = Option(panel=PANEL, metavar="A,B,…", help="Classes left out of means over classes, or a file of them.")
AREA = Option(
    panel=PANEL, metavar="OVER", default="labels", choices=("labels", "log"), help="The area is over the labels or their logarithm."
)
SUMMARY_OUTPUT = Option(panel=PANEL, metavar="PATH", help="Also write the summary as a table.")


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how. `option` names the `tables` in messages; `prices` are what a verified and any other answer cost."""

    command: str
    option: str
    tables: Sequence[str]
    output: str | None
    summary_output: str | None
    baseline: str | None
    level: Sequence[float]
    metric: str
    tail_classes: str | None
    tail_share: float | None
    prices: tuple[float, float] | None
    columns: str | None
    seed: int
    strict: bool
    overwrite: bool
    area: str = "labels"
    settings: bool = False
    exclude_classes: str | None = None


SAME = ("output", "summary_output", "baseline", "tail_classes", "tail_share", "columns", "seed", "strict", "overwrite")


def asked_by(command: str, option: str, tables: Sequence[str], given: Mapping[str, Any]) -> Comparison:
    """The comparison that a command's options `given` ask for; both commands that compare declare these alike."""
    return Comparison(
        command=command,
        option=option,
        tables=tables,
        level=given["level"] or (),
        metric=given["metric"] or "macro_f1",
        prices=prices(given["cost_verify"], given["cost_answer"]),
        area=given.get("area", "labels"),
        settings=given.get("settings", False),
        exclude_classes=given.get("exclude_classes"),
        **{name: given[name] for name in SAME},
    )


def compare(asked: Comparison, console: Console) -> None:
    """Compare the runs of histories, show and write what was found. Raises UsageError and InputError."""
    _check(asked, console)
    named = _Named(*(frozenset(parse_classes(getattr(asked, name), flag(name)) or ()) for name in ("tail_classes", "exclude_classes")))
    measured = history_series.carrier(asked.metric)
    reader = Reader(asked.columns, None, console)
    sources = [_open(reader, location) for location in asked.tables]
    reader.match_ids()
    if console.dry_run:
        _rehearse(asked, sources, console)
        return
    if asked.settings:
        _compare_settings(asked, sources, console)
        return
    name = ", ".join(source.name for source in sources)
    every = pa.concat_tables([_rows(source, measured) for source in sources])
    table = _one_metric(name, every, measured)
    found = _summarize(asked, name, table, named, console)
    runs = [run.name for run in found.runs]
    learned = adversaries.read({column: every.column(column).to_pylist() for column in adversaries.COLUMNS}, runs)
    taken = times.read(reader, asked.tables)
    suggested = suggestions.read(reader, asked.tables, runs)
    changing = {
        "metric": asked.metric,
        "area": asked.area,
        "baseline": found.baseline,
        "level": list(asked.level) or None,
        "tail": list(found.tail) or None,
        **({"left out": list(found.left_out)} if found.left_out else {}),
        "prices": asked.prices,
    }
    origin = write.provenance(asked.command, changing, asked.seed, {"history": align.table_fingerprint(table)})
    if asked.summary_output:
        content = [*history_cells.summary_rows(found), *suggestions.summary_rows(suggested, found.metric)]
        content += adversaries.summary_rows(learned)
        rows = pa.Table.from_pylist(content, schema=pa.schema(list(KINDS["summary"].columns.items())))
        write.write_table(rows, "summary", asked.summary_output, origin=origin)
    if asked.output:
        seconds = times.table(taken, runs) if taken else None
        write.write_bytes(pages.render(found, origin, seconds, suggested, learned), asked.output)
    if "-" not in (asked.output, asked.summary_output) and not (console.json_output or console.quiet):
        for part in history_terminal.render(found):
            console.print(part)
        if suggested:
            console.print("suggestions that were right")
            console.print(named_table(suggestions.table(suggested)))
        if learned:
            console.print(adversaries.TITLE)
            console.print(named_table(adversaries.table(learned)))
        if taken:
            console.print("processor seconds of a round, mean")
            console.print(named_table(times.table(taken, runs)))
    written = ", ".join(location for location in (asked.output, asked.summary_output) if location and location != "-")
    summary = {"command": asked.command, **found.summary(), **({"times": taken} if taken else {})}
    summary |= {"suggestions": [asdict(one) for one in suggested]} if suggested else {}
    summary |= {"adversaries": [asdict(one) for one in learned]} if learned else {}
    summary |= {"output": asked.output, "summary_output": asked.summary_output}
    chosen = f"; {found.choice.text}" if found.choice else ""
    console.result(summary, f"{found.basis}{found.result}{chosen}{f' -> {written}' if written else ''}")


def _rehearse(asked: Comparison, sources: Sequence[Source], console: Console) -> None:
    """What --dry-run says. Raises InputError for tables without the metric."""
    measured = history_series.carrier(asked.metric)
    tables = [_one_metric(source.name, _rows(source, measured), measured) for source in sources]
    runs = {(asked.settings and place, run) for place, table in enumerate(tables) for run in table.column("run").to_pylist()}
    written = {"output": asked.output, "summary_output": asked.summary_output}
    text = f"compare {count(len(runs), 'run')} of {count(len(sources), 'table')} by {asked.metric}"
    text += "".join(f" -> {path}" for path in written.values() if path)
    console.rehearsed({"command": asked.command, "runs": len(runs), "metric": asked.metric, **written}, text)


def _compare_settings(asked: Comparison, sources: Sequence[Source], console: Console) -> None:
    """Compare the runs within each of the tables, and sum up over these."""
    names = settings.names(asked.tables)
    measured = history_series.carrier(asked.metric)
    tables = [_one_metric(source.name, _rows(source, measured), measured) for source in sources]
    each = [_summarize(asked, source.name, table, _Named(), console) for source, table in zip(sources, tables, strict=True)]
    for source, found in zip(sources, each, strict=True):
        if found.baseline is None:
            raise UsageError(f"{source.name}: --settings needs a baseline in every folder", "give --baseline RUN, or simulate random, too")
    summed = settings.summarize(dict(zip(names, each, strict=True)))
    if asked.summary_output:
        changing = {"metric": asked.metric, "area": asked.area, "baseline": asked.baseline, "settings": names}
        inputs = {f"history {name}": align.table_fingerprint(table) for name, table in zip(names, tables, strict=True)}
        rows = pa.Table.from_pylist(settings.summary_rows(summed), schema=pa.schema(list(KINDS["summary"].columns.items())))
        origin = write.provenance(asked.command, changing, asked.seed, inputs)
        write.write_table(rows, "summary", asked.summary_output, origin=origin)
    if asked.summary_output != "-" and not (console.json_output or console.quiet):
        for part in settings.render(summed):
            console.print(part)
    written = f" -> {asked.summary_output}" if asked.summary_output not in (None, "-") else ""
    summary = {"command": asked.command, **asdict(summed), "output": None, "summary_output": asked.summary_output}
    console.result(summary, f"{summed.basis}{summed.result}{written}")


def _check(asked: Comparison, console: Console) -> None:
    """Refuse what would do nothing, and outputs that cannot be written. Raises UsageError."""
    if asked.tail_classes is not None and asked.tail_share is not None:
        raise UsageError("--tail-classes has no effect with --tail-share", "give one of them")
    if asked.metric in BALANCE and (given := next((name for name in ("tail_classes", "tail_share") if getattr(asked, name)), None)):
        raise UsageError(f"{flag(given)} has no effect with --metric {asked.metric}", "leave it out, or give a metric of the model")
    if asked.metric == "accuracy" and asked.exclude_classes is not None:
        raise UsageError("--exclude-classes has no effect with --metric accuracy", "give a metric that is a mean over classes")
    if asked.settings:
        unused = {name: getattr(asked, name) for name in ("output", "level", "tail_classes", "tail_share", "exclude_classes")}
        unused["cost_verify or --cost-answer"] = asked.prices
        if stray := [name for name, value in unused.items() if value not in (None, ())]:
            raise UsageError(f"--{stray[0].replace('_', '-')} has no effect with --settings", "leave it out, or compare one folder")
    wanted = [Output("--output", asked.output, "page"), Output("--summary-output", asked.summary_output, "summary")]
    read = [*((asked.option, location) for location in asked.tables), *outputs.given(asked, "text:tail_classes", "text:exclude_classes")]
    outputs.check(wanted, read, overwrite=asked.overwrite, json=console.json_output)


@dataclass(frozen=True)
class _Named:
    """The classes of --tail-classes and --exclude-classes."""

    tail: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()


def _summarize(asked: Comparison, name: str, table: pa.Table, named: _Named, console: Console) -> history.History:
    """The comparison of the runs in a table."""
    columns = {column: table.column(column).to_pylist() for column in table.column_names}
    _check_classes(named, name, sorted({*columns["class"]} - {None}))
    hint = "give every round of every run once, with the labels so far and the metric of all classes and of each"
    hint += "; folders of different data sets: add --settings" if len(asked.tables) > 1 and asked.command == "compare" else ""
    hint += "; and for prices the answers so far, as altool simulate writes them" if asked.prices else ""
    try:
        found, classes = history_series.series(columns, asked.metric, asked.prices, named.excluded)
        runs = sorted({one.run for one in found})
        baseline = asked.baseline or ("random" if "random" in runs and len(runs) > 1 else None)
        if baseline is not None and baseline not in runs:
            raise InputError(f"{name}: run {baseline!r} of --baseline is unknown", f"choose from {check.naming_columns(runs)}")
        tail = history_series.rarest(found, asked.tail_share, baseline) if asked.tail_share is not None else None
        tail = np.isin(classes, list(named.tail)) if named.tail else tail
        found = history_series.with_own_tails(found, asked.tail_share) if asked.tail_share is not None else found
        shared = history_series.common_range(found)
    except ValueError as error:
        raise InputError(f"{name}: {error}", hint) from error
    for text in history_series.unpaired(found, baseline):
        console.mismatch(text, "simulate the missing repeats", strict=asked.strict)
    return history.summarize(
        found,
        classes,
        asked.metric,
        shared,
        baseline=baseline,
        levels=sorted(set(asked.level)) if asked.level else None,
        tail=tail,
        prices=asked.prices,
        area_over=asked.area,
        generator=lambda: seeds.generator(asked.seed, "report", "history", "bootstrap"),
    )


def _open(reader: Reader, location: str) -> Source:
    """Metrics tables of a project, or a folder that `altool simulate` made: of that, the history of every run that is finished."""
    paths, folder, *_ = listing(f"history {location}", location, allow_empty=True)
    inner = [path[len(folder) :].lstrip("/") for path in paths] if folder else []
    for pattern in ("runs/*/history.parquet", "*/history.parquet", "history.parquet"):
        if any(fnmatch(path, pattern) for path in inner):
            address, question, query = location.partition("?") if "://" in location else (glob.escape(location), "", "")
            return reader.open(f"{address.rstrip('/')}/{pattern}{question}{query}", "history")
    if "://" not in location and os.path.isdir(os.path.join(location, "runs")):
        raise InputError(f"history {location}: no run is finished", "let altool simulate finish one")
    source = reader.open(location, "metrics")
    simulated = any(source.physical(fragment, "run") for fragment in source.fragments)
    return reader.open(location, "history") if simulated else source


def _rows(source: Source, metric: str) -> pa.Table:
    """A history's rows of all classes, and those of a class with the metric that belongs to `metric`."""
    single = CLASS_METRIC.get(metric, metric)
    schema = KINDS["history"].columns
    wanted = (*COLUMNS, *(["gap"] if metric == "shortfall" else []))

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        whole = batch.column("class").is_null()
        if "gap" not in batch.schema.names:
            return batch.filter(pc.or_(whole, pc.equal(batch.column("metric"), single)))
        lacking = pc.max_element_wise(batch.column("gap"), 0.0, skip_nulls=False)  # of a class the metric of its target has a gap
        value = pc.if_else(whole, batch.column("value"), lacking)
        batch = batch.set_column(batch.schema.get_field_index("value"), "value", value).drop_columns(["gap"])
        return batch.filter(pc.or_(whole, lacking.is_valid()))

    table = pa.Table.from_batches(list(source.scan([name for name in wanted if name in source.kind.columns and name in source], work)))
    size = table.num_rows
    if source.kind.name == "metrics":  # a project's own rounds: one run
        table = table.append_column("run", pa.repeat(PROJECT, size)).append_column("repeat", pa.repeat(pa.scalar(0, pa.int32()), size))
        if "labels" in table.column_names:
            table = table.append_column("total", table.column("labels"))
    else:
        for name in ("run", "repeat", "round"):
            if nulls := table.column(name).null_count:
                raise InputError(f"{source.name}, column {name!r}: found null in {count(nulls, 'row')}", f"give every row a {name}")
    for name in COLUMNS:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(size, schema[name]))
    return table.select(COLUMNS)


def _one_metric(name: str, table: pa.Table, metric: str) -> pa.Table:
    """The table with one metric of all classes: `metric`, or where that is one of single classes whichever there is, for its counts."""
    whole = np.asarray(table.column("class").is_null())
    held = sorted(set(table.column("metric").filter(pa.array(whole)).to_pylist()) - {None})
    single = metric not in CLASS_METRIC
    if single and whole.all():
        raise InputError(f"{name}, column 'metric': no class has {metric!r}", "give another --metric")
    chosen = next((one for one in CLASS_METRIC if one in held and (single or one == metric)), None)
    if chosen is None:
        wanted = " or ".join(map(repr, CLASS_METRIC if single else [metric]))
        raise InputError(
            f"{name}, column 'metric': rows of all classes (class null) hold {check.naming_columns(held) or 'none'}, expected {wanted}",
            "simulate, or report, with --targets"
            if metric == "shortfall"
            else "give another --metric, or the tables of altool simulate or report --metrics-output",
        )
    return table.filter(pa.array(~whole | np.asarray(pc.fill_null(pc.equal(table.column("metric"), chosen), False))))


def _check_classes(named: _Named, name: str, classes: Sequence[str]) -> None:
    """Refuse names of classes that are not there, and a head or a mean without any. Raises InputError."""
    for option, own in (("--tail-classes", named.tail), ("--exclude-classes", named.excluded)):
        if unknown := sorted(own - set(classes)):
            text = f"{name}: {option} names {count(len(unknown), 'unknown class', 'unknown classes')} ({check.naming_columns(unknown)})"
            raise InputError(
                text, f"choose from {check.naming_columns(classes)}" if classes else "give a history with metrics of each class"
            )
    if both := sorted(named.tail & named.excluded):
        raise InputError(
            f"{name}: --tail-classes and --exclude-classes both name {check.naming_columns(both)}", "leave it out of one of them"
        )
    if named.excluded and named.excluded == set(classes):
        raise InputError(f"{name}: --exclude-classes names every class", "leave at least one")
    if named.tail and named.tail | named.excluded == set(classes):
        others = " but the excluded ones" if named.excluded else ""
        raise InputError(f"{name}: --tail-classes names every class{others}", "leave at least one for the head")
