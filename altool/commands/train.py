"""`altool train`: fit a classifier on the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from altool import seeds
from altool.console import Console
from altool.errors import InputError, UsageError
from altool.labels.consensus import codes, resolve
from altool.models import folds, logistic, store
from altool.tables import align, check, label_log, write
from altool.tables.read import Reader, Source, matrix
from altool.tables.targets import read_targets

BALANCES = ("none", "class-weight", "prior")


@dataclass(frozen=True)
class Options:
    features: str
    labels: str
    output: str
    classifier: str = "logistic"
    folds: int | None = None
    oof: str | None = None
    balance: str = "none"
    targets: str | None = None
    logistic_c: float = 1.0
    logistic_iterations: int = 1000
    columns: str | None = None
    classes: str | None = None
    seed: int = 0
    threads: int = 0
    strict: bool = False
    overwrite: bool = False


def run(options: Options, console: Console) -> None:
    """Read the features of the labeled rows, fit, write the model directory and, with `--folds`, the out-of-fold predictions."""
    _check_options(options)
    write.check_target(options.output, options.overwrite)
    if options.oof:
        write.check_target(options.oof, options.overwrite)
    reader = Reader(options.columns, options.classes)
    source = reader.open(options.features, "features")
    log = reader.open(options.labels, "labels", allow_empty=True)
    targets = read_targets(reader, options.targets) if options.targets else None
    reader.match_ids()

    rows = label_log.read(log)
    consensus = resolve(rows)
    labels = consensus.training
    if consensus.undecided:
        console.warn(f"{log.name}: for {consensus.undecided:,} ids nothing says which answer is newer; the smaller label was taken")
    found = set(labels.column("label").to_pylist())
    classes = reader.classes or tuple(sorted(found | set(targets.named if targets else ())))
    if unknown := sorted(found - set(classes)):
        text = f"{log.name}, column 'label': {len(unknown)} classes that --classes does not name ({check.naming(unknown)})"
        raise InputError(text, "name them in --classes, or leave it out")
    if len(found) < 2:
        text = f"{log.name}: {len(labels):,} labels of {len(found)} {'class' if found else 'classes'}; a classifier needs two classes"
        raise InputError(text, "label some rows of another class first")
    ids, features, fingerprint = _labeled_features(source, labels, options, console)
    numbers = codes(labels.filter(pa.compute.is_in(labels.column("id"), value_set=ids)), classes)
    counts = np.bincount(numbers, minlength=len(classes))
    if (counts > 0).sum() < 2:
        raise InputError(f"{source.name}: the labeled rows that it holds are of one class", "embed the other labeled rows too")

    def fit(x: np.ndarray, y: np.ndarray) -> tuple[logistic.Logistic, bool]:
        return logistic.fit(x, y, len(classes), balance=options.balance, c=options.logistic_c, iterations=options.logistic_iterations)

    model, converged = fit(features, numbers)
    if not converged:
        console.warn(f"the solver stopped after {options.logistic_iterations:,} steps without converging; raise --logistic-iterations")
    changing = {"classifier": options.classifier, "balance": options.balance, "logistic_c": options.logistic_c}
    changing |= {"logistic_iterations": options.logistic_iterations, "folds": options.folds, "classes": list(classes)}
    origin = write.provenance("train", changing, options.seed, {"features": fingerprint, "labels": align.table_fingerprint(rows)})
    facts = {
        "provenance": origin,
        "labels": dict(zip(classes, counts.tolist(), strict=True)),
        "label_digest": align.table_fingerprint(labels),
    }
    with write.replacing(options.output) as folder:
        store.save(folder, options.classifier, model, classes, facts)
    if options.folds and options.oof:
        _write_folds(options, options.folds, options.oof, ids, features, numbers, lambda x, y: fit(x, y)[0].probabilities, classes, origin)
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        console.warn(f"classes without a label get probability 0: {len(empty)} of {len(classes)} ({check.naming(empty)})")
    summary = {"command": "train", "classifier": options.classifier, "labels": len(numbers), "classes": facts["labels"]}
    console.result(
        {**summary, "converged": converged, "output": options.output, "oof": options.oof},
        f"trained {options.classifier} on {len(numbers):,} labels of {len(classes)} classes -> {options.output}",
    )


def _check_options(options: Options) -> None:
    if options.classifier not in store.CLASSIFIERS:
        raise UsageError(f"--classifier: there is no {options.classifier!r}; there are {', '.join(store.CLASSIFIERS)}")
    if options.balance not in BALANCES:
        raise UsageError(f"--balance: {options.balance!r} is none of {', '.join(BALANCES)}")
    if bool(options.folds) != bool(options.oof):
        raise UsageError("--folds and --oof go together", "for example --folds 5 --oof oof.parquet")
    if options.logistic_c <= 0:
        raise UsageError("--logistic-c must be above 0")


def _labeled_features(source: Source, labels: pa.Table, options: Options, console: Console) -> tuple[pa.Array, np.ndarray, str]:
    """The ids and features (n, D) of the labeled rows that the table holds, in id order, and their fingerprint."""
    wanted = labels.column("id").combine_chunks()

    def work(batch: pa.RecordBatch) -> pa.RecordBatch | None:
        batch = batch.filter(pa.compute.is_in(batch.column("id"), value_set=wanted))
        if not batch.num_rows:
            return None
        check.features(batch.column("id"), matrix(source, batch, "features"))
        return batch

    batches = [batch for batch in source.scan(["id", "features"], work, threads=options.threads) if batch is not None]
    found = sum(batch.num_rows for batch in batches)
    if not found:
        raise InputError(f"{source.name}: it holds none of the {len(wanted):,} labeled rows", "give the table that the labels belong to")
    index = align.index([batch.column("id") for batch in batches], source.name)
    if found < len(wanted):
        missing = wanted.filter(pa.array(index.positions(wanted) < 0))
        text = f"{source.name}: {len(missing):,} labeled rows are not in it (ids {check.naming(check.first_ids(missing))})"
        console.mismatch(text, "embed these rows too", strict=options.strict)
    widths = {batch.column("features").type.list_size for batch in batches}
    if len(widths) > 1:
        raise InputError(f"{source.name}, column 'features': rows of {min(widths)} to {max(widths)} numbers", "embed all rows alike")
    features = index.arrange(np.concatenate([matrix(source, batch, "features") for batch in batches]))
    sums = np.concatenate([align.checksums([batch.column("features")]) for batch in batches])
    return index.take(np.arange(found)), features, align.fingerprint(index, sums)


def _write_folds(
    options: Options,
    count: int,
    output: str,
    ids: pa.Array,
    features: np.ndarray,
    numbers: np.ndarray,
    fit: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]],
    classes: tuple[str, ...],
    origin: dict[str, Any],
) -> None:
    try:
        fold = folds.assign(numbers, count, seeds.integer(options.seed, "train", "folds"))
    except ValueError as error:
        raise InputError(f"labels {options.labels}: {error}", "label a second row of some class, or leave --folds out") from error
    probabilities = folds.predict(features, numbers, fold, fit)
    matrix_ = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.reshape(-1)), len(classes))
    table = pa.table({"id": ids, "probabilities": matrix_, "fold": pa.array(fold)})
    write.write_table(table, "predictions", output, origin=origin, classes=classes)
