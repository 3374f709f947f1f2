"""`altool train`: fit a classifier on the labels."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from altool import seeds
from altool.console import Console
from altool.errors import InputError, UsageError
from altool.labels.consensus import codes, resolve
from altool.models import folds, store
from altool.models.store import Classifier, Model
from altool.tables import align, check, label_log, write
from altool.tables.read import Reader, Source
from altool.tables.rows import open_rows, read_rows
from altool.tables.targets import read_targets

BALANCES = ("none", "class-weight", "prior")


@dataclass(frozen=True)
class Options:
    labels: str
    output: str
    features: str | None = None
    items: str | None = None
    classifier: str = "logistic"
    folds: int | None = None
    oof: str | None = None
    balance: str = "none"
    targets: str | None = None
    logistic_c: float | None = None
    logistic_iterations: int | None = None
    svm_kernel: str | None = None
    svm_c: str | None = None
    linear_svm_c: str | None = None
    linear_svm_iterations: int | None = None
    fasttext_dim: int | None = None
    fasttext_epochs: int | None = None
    fasttext_rate: float | None = None
    fasttext_word_ngrams: int | None = None
    fasttext_minn: int | None = None
    fasttext_maxn: int | None = None
    fasttext_buckets: int | None = None
    fasttext_min_count: int | None = None
    fasttext_pretrained: str | None = None
    columns: str | None = None
    classes: str | None = None
    seed: int = 0
    threads: int = 0
    strict: bool = False
    overwrite: bool = False


def run(options: Options, console: Console) -> None:
    """Read the labeled rows, fit, write the model directory and, with `--folds`, the out-of-fold predictions."""
    _check_options(options)
    module = store.classifier(options.classifier)
    own, recorded = _own_options(options, module)
    write.check_target(options.output, options.overwrite)
    if options.oof:
        write.check_target(options.oof, options.overwrite)
    reader = Reader(options.columns, options.classes)
    source = open_rows(reader, module.READS, f"--classifier {options.classifier}", options.features, options.items)
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
    ids, found_rows, fingerprint = _labeled_rows(source, module.READS, labels, options, console)
    numbers = codes(labels.filter(pa.compute.is_in(labels.column("id"), value_set=ids)), classes)
    counts = np.bincount(numbers, minlength=len(classes))
    if (counts > 0).sum() < 2:
        raise InputError(f"{source.name}: the labeled rows that it holds are of one class", "it must hold the other labeled rows too")
    fit: Callable[[np.ndarray, np.ndarray], tuple[Model, bool]] = partial(
        module.fit, count=len(classes), balance=options.balance, seed=options.seed, **own
    )
    model, converged = fit(found_rows, numbers)
    if not converged:
        console.warn(f"the solver stopped after its last step without converging; raise --{options.classifier}-iterations")
    changing = {"classifier": options.classifier, "balance": options.balance, "folds": options.folds, "classes": list(classes), **recorded}
    origin = write.provenance("train", changing, options.seed, {source.kind.name: fingerprint, "labels": align.table_fingerprint(rows)})
    facts = {
        "provenance": origin,
        "labels": dict(zip(classes, counts.tolist(), strict=True)),
        "label_digest": align.table_fingerprint(labels),
    }
    with write.replacing(options.output) as folder:
        store.save(folder, options.classifier, model, classes, facts)
    if options.folds and options.oof:
        _write_folds(options, options.folds, options.oof, ids, found_rows, numbers, fit, classes, origin)
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


def _own_options(options: Options, module: Classifier) -> tuple[dict[str, Any], dict[str, Any]]:
    """The classifier's own options that are given; and all of them as provenance has them, a file as its digest.

    Raises UsageError for options of another classifier, and InputError for a file that cannot be read.
    """
    prefix = store.prefix(options.classifier)
    prefixes = tuple(map(store.prefix, store.CLASSIFIERS))
    given = {field.name: getattr(options, field.name) for field in fields(options) if field.name.startswith(prefixes)}
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if not name.startswith(prefix):
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} means nothing with --classifier {options.classifier}", "leave it out, or give another --classifier")
    own = {name.removeprefix(prefix): value for name, value in given.items()}
    known = inspect.signature(module.fit).parameters.values()
    recorded = {option.name: option.default for option in known if option.kind is option.KEYWORD_ONLY} | own
    for name in set(module.FILES) & set(own):
        recorded[name] = align.file_digest(own[name])
    return own, {f"{prefix}{name}": value for name, value in recorded.items() if name not in ("balance", "seed")}


def _labeled_rows(source: Source, column: str, labels: pa.Table, options: Options, console: Console) -> tuple[pa.Array, np.ndarray, str]:
    """The ids, and the features (n, D) or texts (n,), of the labeled rows that the table holds, in id order, and their fingerprint."""
    wanted = labels.column("id").combine_chunks()

    def work(batch: pa.RecordBatch) -> tuple[pa.Array, np.ndarray, np.ndarray] | None:
        batch = batch.filter(pa.compute.is_in(batch.column("id"), value_set=wanted))
        return (batch.column("id"), *read_rows(source, batch, column)) if batch.num_rows else None

    batches = [batch for batch in source.scan(["id", column], work, threads=options.threads) if batch is not None]
    found = sum(len(ids) for ids, _, _ in batches)
    if not found:
        raise InputError(f"{source.name}: it holds none of the {len(wanted):,} labeled rows", "give the table that the labels belong to")
    ids, parts, sums = zip(*batches, strict=True)
    index = align.index(ids, source.name)
    if found < len(wanted):
        missing = wanted.filter(pa.array(index.positions(wanted) < 0))
        text = f"{source.name}: {len(missing):,} labeled rows are not in it (ids {check.naming(check.first_ids(missing))})"
        console.mismatch(text, "it must hold these rows too", strict=options.strict)
    widths = {part.shape[1] for part in parts if part.ndim == 2}
    if len(widths) > 1:
        raise InputError(f"{source.name}, column 'features': rows of {min(widths)} to {max(widths)} numbers", "embed all rows alike")
    return index.take(np.arange(found)), index.arrange(np.concatenate(parts)), align.fingerprint(index, np.concatenate(sums))


def _write_folds(
    options: Options,
    count: int,
    output: str,
    ids: pa.Array,
    rows: np.ndarray,
    numbers: np.ndarray,
    fit: Callable[[np.ndarray, np.ndarray], tuple[Model, bool]],
    classes: tuple[str, ...],
    origin: dict[str, Any],
) -> None:
    try:
        fold = folds.assign(numbers, count, seeds.integer(options.seed, "train", "folds"))
    except ValueError as error:
        raise InputError(f"labels {options.labels}: {error}", "label a second row of some class, or leave --folds out") from error
    probabilities = folds.predict(rows, numbers, fold, lambda x, y: fit(x, y)[0].probabilities)
    matrix_ = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.reshape(-1)), len(classes))
    table = pa.table({"id": ids, "probabilities": matrix_, "fold": pa.array(fold)})
    write.write_table(table, "predictions", output, origin=origin, classes=classes)
