"""`altool check`: what may be wrong with the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from altool import seeds
from altool.console import Console
from altool.engines.scratch import Scratch, available
from altool.errors import UsageError
from altool.labels.consensus import Labels, resolve
from altool.options import option, shared
from altool.selection import problems, relabel
from altool.selection.contents import Contents
from altool.selection.problems import PROBLEMS, Found
from altool.shared import (
    ALLOW_OUTSIDE,
    CLASSES,
    COLUMNS,
    FEATURE_PREFIX,
    FEATURES,
    FORMAT,
    IDS,
    ITEMS,
    LABELS,
    OUTPUT,
    OVERWRITE,
    PREDICTIONS,
    RUN,
    SCALE,
    SEED,
    STRICT,
    TABLES,
    THREADS,
    TIME_UNIT,
    TIME_ZONE,
    UNLABELED_VALUE,
)
from altool.tables import align, check, label_log, outputs, write
from altool.tables.arrays import read_index, read_matrices
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, meaning, vector_shape
from altool.text import count


@dataclass(frozen=True)
class Options:
    output: str | None = shared(OUTPUT)
    items: str | None = shared(ITEMS)
    features: str | None = shared(FEATURES)
    labels: str | None = shared(LABELS)
    oof: str | None = option("Out-of-fold predictions of the labels.", metavar="TABLE", panel=TABLES)
    predictions: str | None = shared(replace(PREDICTIONS, help="Predictions of the held-out rows, for their labels."))
    near: float = option("Cosine of vectors that are near copies.", default=0.98, above=0, high=1, metavar="T", panel=RUN)
    columns: str | None = shared(COLUMNS)
    ids: str | None = shared(IDS)
    classes: str | None = shared(CLASSES)
    time_zone: str | None = shared(TIME_ZONE)
    time_unit: str | None = shared(TIME_UNIT)
    feature_prefix: str | None = shared(FEATURE_PREFIX)
    scale: str | None = shared(SCALE)
    unlabeled_value: Sequence[str] | None = shared(UNLABELED_VALUE)
    allow_outside: bool = shared(ALLOW_OUTSIDE)
    format: str | None = shared(FORMAT)
    seed: int = shared(SEED)
    threads: int = shared(THREADS)
    strict: bool = shared(STRICT)
    overwrite: bool = shared(OVERWRITE)


def run(options: Options, console: Console) -> None:
    """Look for problems in the tables that are given, write them, and sum them up."""
    _refuse(options)
    read = outputs.given(options, "items", "features", "labels", "oof", "predictions", "text:classes")
    outputs.check([Output("--output", options.output, "problems")], read, overwrite=options.overwrite, json=console.json_output)
    means = meaning(options.time_zone, options.time_unit, options.unlabeled_value)
    reader = Reader(options.columns, options.classes, console, means, ids=options.ids, vectors=vector_shape(options))
    names = {"items": "items", "features": "features", "labels": "labels", "oof": "predictions", "predictions": "predictions"}
    tables = {name: reader.open(location, kind) for name, kind in names.items() if (location := getattr(options, name))}
    id_type = reader.match_ids()
    if console.dry_run:
        rows = {name: source.num_rows for name, source in tables.items()}
        shown = ", ".join(f"{name} {number:,}" for name, number in rows.items())
        console.rehearsed({"command": "check", "rows": rows, "output": options.output}, f"look for problems in {shown} -> {options.output}")
        return
    found, fingerprints = Found(), reader.versions
    log = label_log.read(tables["labels"]) if "labels" in tables else None
    labels = resolve(log) if log is not None else None
    facts = {name: source.num_rows for name, source in tables.items()}
    if "items" in tables:
        _of_items(tables["items"], labels, found, options, console)
    if "features" in tables:
        fingerprints["features"] = _of_features(tables["features"], labels, found, options, console)
    if log is not None and labels is not None:
        fingerprints["labels"] = align.table_fingerprint(log)
        problems.of_annotators(log, labels, found)
        if "oof" in tables:
            given = relabel.Tables(tables["oof"], tables.get("predictions"), tables["labels"], {}, None)
            problems.of_labels(relabel.read_labeled(log, given, fingerprints, console, strict=options.strict), found)
    table = found.table(id_type)
    origin = write.provenance("check", {"near": options.near}, options.seed, fingerprints)
    write.write_table(table, "problems", options.output or "", origin=origin, format=options.format)
    _conclude(table, facts, options, console)


def _refuse(options: Options) -> None:
    """Raises UsageError where nothing can be looked for, or a table has no effect."""
    if options.output is None:
        raise UsageError("missing --output", "for example -o problems.parquet")
    if not (options.items or options.features or options.labels):
        raise UsageError("nothing to check", "give --items, --features, or --labels with --oof")
    for name, needed in (("oof", "labels"), ("predictions", "oof")):
        if getattr(options, name) and not getattr(options, needed):
            raise UsageError(f"--{name} needs --{needed}", "they tell labels that are likely wrong")


def _of_items(items: Source, labels: Labels | None, found: Found, options: Options, console: Console) -> None:
    held, trained = ({*part.column("id").to_pylist()} for part in (labels.holdout, labels.training)) if labels else (set(), set())
    with console.progress(f"reading {items.name}", items.num_rows) as advance:
        problems.of_items(Contents(items, allow_outside=options.allow_outside), held, trained, found, advance)


def _of_features(source: Source, labels: Labels | None, found: Found, options: Options, console: Console) -> str:
    """Adds to what was `found`; the table's fingerprint."""
    index = read_index(source, options.threads)
    with console.progress(f"reading {source.name}", len(index)) as advance:
        (rows,), fingerprint, _ = read_matrices(
            source, "features", index, [np.arange(len(index))], Scratch(available() // 2), threads=options.threads, advance=advance
        )
    with console.progress("comparing vectors", len(index)) as advance:
        problems.of_features(index, rows, labels, options.near, seeds.generator(options.seed, "check", "outliers"), found, advance)
    return fingerprint


def _conclude(table: pa.Table, facts: dict[str, int], options: Options, console: Console) -> None:
    """Say what was found: of each problem how often, and the first ids."""
    named = table.column("problem")
    said: dict[str, Any] = {}
    for problem, meaning_ in PROBLEMS.items():
        ids = table.column("id").filter(pa.compute.equal(named, problem))
        if len(ids):
            first = ids.slice(0, check.SHOWN).to_pylist()
            said[problem] = {"rows": len(ids), "ids": first}
            console.info(f"{problem}: {count(len(ids), 'row')}, {meaning_} (ids {check.naming(first)})")
    if "leak" in said:
        console.warn(f"{count(said['leak']['rows'], 'held-out row')} with a copy that is trained on: what is measured on them is too good")
    rows = ", ".join(f"{name} {number:,}" for name, number in facts.items())
    summary = {"command": "check", "rows": facts, "problems": said, "output": options.output}
    console.result(summary, f"{count(len(table), 'problem')} in {rows} -> {options.output}")
