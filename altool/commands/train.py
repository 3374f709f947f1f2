"""`altool train`: fit a classifier on the labels."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool import __version__, seeds
from altool.console import Console
from altool.engines import distributed, scratch
from altool.errors import InputError, UsageError
from altool.labels.consensus import codes, resolve
from altool.models import folds, store, training, vaal
from altool.models.store import Classifier, Model
from altool.models.training import Work
from altool.payloads import pictures, pipeline
from altool.tables import align, arrays, check, label_log, outputs, shards, space, write
from altool.tables import classes as class_lists
from altool.tables.items import Items
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, meaning
from altool.tables.rows import open_rows, read_rows
from altool.tables.space import Space
from altool.tables.targets import read_targets

BALANCES = ("none", "class-weight", "prior")
VAALS = ("none", "vaal", "ta-vaal")
CHUNK = 4096  # rows of the pool that are ranked at a time


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
    mlp_hidden: str | None = None
    recipe: str | None = None
    from_model: str | None = None
    epochs: int | None = None
    minibatch: int | None = None
    optimizer: str | None = None
    rate: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    stop_accuracy: float | None = None
    dropout: float | None = None
    ranker: str | None = None
    ranker_weight: float | None = None
    precision: str | None = None
    compile: bool | None = None
    weights: str | None = None
    frozen: bool | None = None
    stem: str | None = None
    image_size: int | None = None
    augment: str | None = None
    crop_border: int | None = None
    checkpoint_seconds: float | None = None
    vaal: str = "none"
    vaal_epochs: int | None = None
    vaal_rate: float | None = None
    vaal_latent: int | None = None
    vaal_width: int | None = None
    workers: int | None = None
    allow_outside: bool = False
    columns: str | None = None
    classes: str | None = None
    time_zone: str | None = None
    time_unit: str | None = None
    unlabeled_value: Sequence[str] | None = None
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    strict: bool = False
    overwrite: bool = False


DEEP = ("recipe", "from_model", "checkpoint_seconds")  # options of every deep classifier that shape no model


def run(options: Options, console: Console) -> None:
    """Read the labeled rows, fit, write the model directory and, with `--folds`, the out-of-fold predictions.

    As one process of several that torchrun started it does the same with its share of each minibatch, and the first one writes.
    """
    _check_options(options)
    module = store.classifier(options.classifier)
    own, recorded = _own_options(options, module)
    if options.device not in ("auto", "cpu") and not (_deep(module) or options.vaal != "none"):
        raise UsageError(f"--device means nothing with --classifier {options.classifier}", "leave it out")
    if options.workers is not None and module.READS != "image":
        raise UsageError(f"--workers means nothing with --classifier {options.classifier}", "leave it out: they decode images")
    if distributed.launched() and not _deep(module):
        raise UsageError(f"torchrun means nothing with --classifier {options.classifier}", "start altool itself")
    with distributed.group(options.device) as (device, writes):
        _train(options, console if writes else Console(silent=True), module, own, recorded, device, writes=writes)


def _train(
    options: Options,
    console: Console,
    module: Classifier,
    own: dict[str, Any],
    recorded: dict[str, Any],
    device: str,
    *,
    writes: bool,
) -> None:
    _check_outputs(options, console)
    start = _start(options.from_model, options.classifier) if options.from_model else None
    reader = Reader(options.columns, options.classes, console, meaning(options.time_zone, options.time_unit, options.unlabeled_value))
    source = open_rows(reader, module.READS, f"--classifier {options.classifier}", options.features, options.items)
    log = reader.open(options.labels, "labels", allow_empty=True)
    targets = read_targets(reader, options.targets) if options.targets else None
    reader.match_ids()
    vectors, fit_file = _space(source, options, start, console)

    rows = label_log.read(log)
    consensus = resolve(rows)
    labels = consensus.training
    if consensus.undecided:
        console.warn(f"{log.name}: for {consensus.undecided:,} ids nothing says which answer is newer; the smaller label was taken")
    found = set(labels.column("label").to_pylist())
    classes = reader.classes or tuple(sorted(found | set(targets.named if targets else ())))
    if reader.classes:
        class_lists.match(dict.fromkeys(sorted(found), 1), classes, log.name, "--classes", "give the labels and the classes of one project")
    if targets and targets.named and targets.default is None and not reader.classes and found:
        class_lists.match(dict.fromkeys(targets.named, 1), sorted(found), targets.name, log.name, "give the targets of this project")
    if unknown := sorted(found - set(classes)):
        text = f"{log.name}, column 'label': {len(unknown)} classes that --classes does not name ({check.naming(unknown)})"
        raise InputError(text, class_lists.respelled(unknown, classes) or "name them in --classes, or leave it out")
    if len(found) < 2:
        text = f"{log.name}: {len(labels):,} labels of {len(found)} {'class' if found else 'classes'}; a classifier needs two classes"
        raise InputError(text, "label some rows of another class first")
    if module.READS == "image":
        ids, found_rows, fingerprint = _labeled_pictures(source, module.picture(own), labels, options, console)  # type: ignore[attr-defined]
    else:
        ids, found_rows, fingerprint = _labeled_rows(source, module.READS, labels, options, console)
    numbers = codes(labels.filter(pa.compute.is_in(labels.column("id"), value_set=ids)), classes)
    counts = np.bincount(numbers, minlength=len(classes))
    if (counts > 0).sum() < 2:
        raise InputError(f"{source.name}: the labeled rows that it holds are of one class", "it must hold the other labeled rows too")
    fit: Callable[..., tuple[Model, bool]] = partial(module.fit, count=len(classes), balance=options.balance, seed=options.seed, **own)
    with contextlib.ExitStack() as stack:
        first = fit
        work = Work(device, options.threads, progress=console.progress)
        if _deep(module) or options.vaal != "none":
            every = 60.0 if options.checkpoint_seconds is None else options.checkpoint_seconds
            work = replace(work, checkpoints=stack.enter_context(_partial(options.output, writes)), every=every)
        if _deep(module):
            fit = partial(fit, work=work)
            first = fit if start is None else partial(fit, start=(start.model, _numbers(start.classes, classes)))
        model, converged = first(found_rows, numbers)
        if not converged:
            remedy = f"raise --{options.classifier}-iterations" if "iterations" in store.options(module) else "lower --svm-c"
            console.warn(f"the solver stopped after its last step without converging; {remedy}")
        shared = {"classifier": options.classifier, "balance": options.balance, "folds": options.folds, "classes": list(classes)}
        if options.vaal != "none":
            shared |= {"vaal": options.vaal, **{f"vaal_{name}": value for name, value in _vaal_options(options).items()}}
        inputs = {source.kind.name: fingerprint, "labels": align.table_fingerprint(rows)}
        if start is not None:
            inputs["from"] = start.facts["label_digest"]
        origin = write.provenance("train", {**shared, **recorded}, options.seed, inputs)
        facts: dict[str, Any] = {
            "provenance": origin,
            "labels": dict(zip(classes, counts.tolist(), strict=True)),
            "label_digest": align.table_fingerprint(labels),
        }
        if vectors is not None:
            facts |= {"space": vectors.digest, "space_facts": vectors.facts}
        if isinstance(model, store.Deep):
            facts["curve"] = dict(model.curve)
        # Never from a model that saw the rows: what --from names is for the first model alone.
        oof, correlation = _out_of_fold(options, ids, found_rows, numbers, fit) if options.folds else (None, None)
        if writes:
            tensors = None
            if options.vaal != "none":
                pool = _pool(source, module, model, rows, options, console)
                tensors = _fit_vaal(pool, ids, model, options, work)
                origin["inputs"][f"pool of {source.kind.name}"] = pool.fingerprint
            with write.replacing(options.output, "model") as temporary:
                store.save(temporary, options.classifier, model, classes, facts, tensors)
                if fit_file is not None:
                    space.keep(fit_file, temporary / f"space{fit_file.suffix}")
            if oof is not None and options.oof:
                write.write_table(oof, "predictions", options.oof, origin=origin, classes=classes)
            if work.checkpoints is not None:
                shards.clear(work.checkpoints)
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        console.warn(f"classes without a label get probability 0: {len(empty)} of {len(classes)} ({check.naming(empty)})")
    if module.READS == "features" and vectors is None:
        console.info(f"note: {source.name} does not say of what vector space it is, so nothing will tell whether others fit the model")
    summary = {"command": "train", "classifier": options.classifier, "labels": len(numbers), "classes": facts["labels"]}
    text = f"trained {options.classifier} on {len(numbers):,} labels of {len(classes)} classes -> {options.output}"
    if isinstance(model, store.Deep):
        epochs, loss, accuracy = len(model.curve["loss"]), model.curve["loss"][-1], model.curve["accuracy"][-1]
        summary |= {"epochs": epochs, "loss": loss, "accuracy": accuracy}
        text += f"; {epochs} epochs, in the last {accuracy:.1%} of them right"
    if correlation is not None:
        summary["rank_correlation"] = None if np.isnan(correlation) else correlation
        text += f"; rank correlation of predicted and real losses, out of fold: {correlation:.2f}"
    console.result({**summary, "converged": converged, "output": options.output, "oof": options.oof}, text)


def _check_outputs(options: Options, console: Console) -> None:
    read = ("features", "items", "labels", "targets", "from_model", "fasttext_pretrained", "text:weights", "text:classes")
    wanted = [Output("--output", options.output, "model"), Output("--oof", options.oof, "predictions")]
    outputs.check(wanted, outputs.given(options, *read), overwrite=options.overwrite, json=console.json_output)


def _deep(module: Classifier) -> bool:
    return hasattr(module, "OPTIONS")


@contextlib.contextmanager
def _partial(output: str, writes: bool) -> Iterator[Path]:
    """The folder of the run's checkpoints, held by the process that writes."""
    if writes:
        with shards.partial(output) as folder:
            yield folder
    else:
        path = outputs.local(output)
        yield path.parent / f".{path.name}.partial"


def _space(source: Source, options: Options, start: store.Stored | None, console: Console) -> tuple[Space | None, Path | None]:
    """The vector space of the features, which must be that of the model that training starts from; and the file that keeps its fit.

    Where the fit is not there, the model can be trained all the same, but says what it cannot do.
    """
    if source.kind.name != "features":
        return None, None
    own = space.told(source, console)
    if start is not None and options.from_model:
        space.match(own, source, space.of_model(start.facts, options.from_model), options.from_model, console)
    if own is None:
        return None, None
    try:
        return own, space.fit(own, [fragment.path for fragment in source.fragments])
    except InputError as error:
        console.warn(f"{error.message}; so nothing can be embedded --like this model")
        return own, None


def _start(location: str, classifier: str) -> store.Stored:
    """The model that training starts from. Raises UsageError where it is of another classifier."""
    start = store.load(location)
    if start.facts["classifier"] != classifier:
        raise UsageError(f"--from {location}: a model of {start.facts['classifier']}", f"give one of {classifier}")
    return start


def _numbers(old: Sequence[str], new: Sequence[str]) -> np.ndarray:
    """int64: the number of each old class among the new ones, or -1."""
    return np.array([list(new).index(name) if name in new else -1 for name in old], np.int64)


def _check_options(options: Options) -> None:
    if not store.known(options.classifier):
        there = ", ".join(store.CLASSIFIERS)
        raise UsageError(f"--classifier: there is no {options.classifier!r}; there are {there} and torchvision's networks (resnet18, …)")
    if options.balance not in BALANCES:
        raise UsageError(f"--balance: {options.balance!r} is none of {', '.join(BALANCES)}")
    if options.vaal not in VAALS:
        raise UsageError(f"--vaal: {options.vaal!r} is none of {', '.join(VAALS)}")
    if options.vaal == "none" and (given := _vaal_options(options)):
        raise UsageError(f"--vaal-{next(iter(given))} needs --vaal", "for example --vaal ta-vaal")
    vaal.check(_vaal_options(options))
    if bool(options.folds) != bool(options.oof):
        raise UsageError("--folds and --oof go together", "for example --folds 5 --oof oof.parquet")


def _own_options(options: Options, module: Classifier) -> tuple[dict[str, Any], dict[str, Any]]:
    """The classifier's own options, those of a recipe among them; and all of them as provenance has them, a file as its digest.

    Raises UsageError for options of another classifier, and InputError for a file that cannot be read.
    """
    known = store.options(module)
    names = {_field(options.classifier, name): name for name in known}
    given = {}
    for field in _classifier_fields():
        value = getattr(options, field)
        if value is None:
            continue
        if field in names:
            given[names[field]] = value
        elif not (field in DEEP and _deep(module)):
            flag = "--" + {"from_model": "from"}.get(field, field.replace("_", "-"))
            raise UsageError(f"{flag} means nothing with --classifier {options.classifier}", "leave it out, or give another --classifier")
    if options.vaal == "ta-vaal":
        if not _deep(module):
            raise UsageError(
                f"--vaal ta-vaal needs a loss ranker, which {options.classifier} has not", "give --vaal vaal, or a deep classifier"
            )
        if given.get("ranker") == "none":
            raise UsageError("--vaal ta-vaal needs a loss ranker", "give --ranker ranking, or leave --ranker out")
        given.setdefault("ranker", "ranking")
    own = module.options({**given, "recipe": options.recipe}) if _deep(module) else given  # type: ignore[attr-defined]
    recorded = {**known, **own}
    for name in set(module.FILES) & set(own):
        if own[name] not in ("DEFAULT", "none"):
            recorded[name] = align.file_digest(own[name])
    return own, {f"{store.prefix(options.classifier)}{name}": value for name, value in recorded.items()}


def _vaal_options(options: Options) -> dict[str, Any]:
    """The options of VAAL that are given."""
    given = {name: getattr(options, f"vaal_{name}") for name in vaal.OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


def _field(classifier: str, option: str) -> str:
    """The field of `Options` that holds a classifier's option: its own, or one that several share."""
    own = f"{store.prefix(classifier)}{option}"
    return own if own in _fields() else option


@functools.cache
def _fields() -> tuple[str, ...]:
    return tuple(field.name for field in fields(Options))


def _classifier_fields() -> list[str]:
    """The options that some classifiers have: all that begin with the name of one, and those that the deep ones share."""
    from altool.models import network

    prefixes = tuple(map(store.prefix, store.CLASSIFIERS))
    return [name for name in _fields() if name.startswith(prefixes) or name in network.OPTIONS or name in DEEP]


def _labeled_pictures(
    source: Source, recipe: pictures.Recipe, labels: pa.Table, options: Options, console: Console
) -> tuple[pa.Array, np.ndarray, str]:
    """The ids and the pictures uint8 (n, height, width, 3) of the labeled rows that can be used, in id order, and their fingerprint.

    Raises InputError where there are none.
    """
    items = Items(source, ("image", "path"), allow_outside=options.allow_outside)
    wanted = labels.column("id").combine_chunks()
    chosen = np.asarray(pa.compute.is_in(items.ids, value_set=wanted))
    if not chosen.any():
        raise InputError(f"{source.name}: it holds none of the {len(wanted):,} labeled rows", "give the table that the labels belong to")
    index, result, digests, reasons = _read_pictures(items, chosen, recipe, options, console)
    _warn_missing(source, index, wanted, options, console)
    usable = np.array([reason is None for reason in reasons])
    ids = index.take(np.arange(len(index)))
    if not usable.all():
        shown = "; ".join(f"{ids[int(place)].as_py()}: {reasons[place]}" for place in np.flatnonzero(~usable)[: check.SHOWN])
        text = f"{source.name}, column {items.column!r}: {(~usable).sum():,} labeled rows cannot be used ({shown})"
        if not usable.any():
            raise InputError(text, f"is this the right column? If not: --columns {items.column}=NAME")
        console.mismatch(text, "replace these images, or take their labels away", strict=options.strict)
        ids, result = ids.filter(pa.array(usable)), result[usable]
    return ids, result, align.fingerprint(align.Index(index.ids, None), digests)


def _read_pictures(
    items: Items, chosen: np.ndarray, recipe: pictures.Recipe, options: Options, console: Console
) -> tuple[align.Index, np.ndarray, np.ndarray, list[str | None]]:
    """The index of the chosen rows (bool, in file order); and in id order their pictures uint8 (n, height, width, 3), the digests of
    their payloads and the reasons why one cannot be used."""
    index = align.index(items.ids.filter(pa.array(chosen)).chunks, items.source.name)
    count = len(index)
    places = np.arange(count)
    if index.order is not None:
        places[index.order] = np.arange(count)
    result = scratch.Scratch(scratch.available() // 2).empty((count, *recipe.shape), np.uint8)
    with console.progress(f"reading {items.source.name}", count) as advance:
        load = partial(pictures.load, recipe)
        found = pipeline.decode(load, _chosen(items, chosen), places, result, workers=options.workers, advance=advance)
    return align.Index(index.ids, None), result, *found


def _chosen(items: Items, chosen: np.ndarray) -> Iterator[list[Any]]:
    """The payloads of the chosen rows (bool, in file order)."""
    done = 0
    for rows in items.payloads():
        yield [row for row, wanted in zip(rows, chosen[done : done + len(rows)], strict=True) if wanted]
        done += len(rows)


def _warn_missing(source: Source, index: align.Index, wanted: pa.Array, options: Options, console: Console) -> None:
    """Say which labeled rows the table does not hold."""
    if len(index) < len(wanted):
        missing = wanted.filter(pa.array(index.positions(wanted) < 0))
        text = f"{source.name}: {len(missing):,} labeled rows are not in it (ids {check.naming(check.first_ids(missing))})"
        console.mismatch(text, "it must hold these rows too", strict=options.strict)


def _labeled_rows(source: Source, column: str, labels: pa.Table, options: Options, console: Console) -> tuple[pa.Array, np.ndarray, str]:
    """The ids, and the features (n, D) or texts (n,), of the labeled rows that the table holds, in id order, and their fingerprint."""
    wanted = labels.column("id").combine_chunks()

    def work(batch: pa.RecordBatch) -> tuple[pa.Array, tuple[pa.Array, np.ndarray, np.ndarray] | None]:
        labeled = batch.filter(pa.compute.is_in(batch.column("id"), value_set=wanted))
        return batch.column("id"), (labeled.column("id"), *read_rows(source, labeled, column)) if labeled.num_rows else None

    scanned = list(source.scan(["id", column], work, threads=options.threads))
    align.index([ids for ids, _ in scanned], source.name)  # refuses ids that are there twice, labeled or not
    batches = [rows for _, rows in scanned if rows is not None]
    found = sum(len(ids) for ids, _, _ in batches)
    if not found:
        raise InputError(f"{source.name}: it holds none of the {len(wanted):,} labeled rows", "give the table that the labels belong to")
    ids, parts, sums = zip(*batches, strict=True)
    index = align.index(ids, source.name)
    _warn_missing(source, index, wanted, options, console)
    widths = {part.shape[1] for part in parts if part.ndim == 2}
    if len(widths) > 1:
        raise InputError(f"{source.name}, column 'features': rows of {min(widths)} to {max(widths)} numbers", "embed all rows alike")
    return index.take(np.arange(found)), index.arrange(np.concatenate(parts)), align.fingerprint(index, np.concatenate(sums))


@dataclass(frozen=True)
class _Pool:
    """The rows that VAAL learns from, in id order: `array` features (n, D), texts' vectors (n, D) or pictures uint8 (n, H, W, 3).

    `fingerprint` is of the table, `made` says how `array` was made of it."""

    ids: align.Index
    array: np.ndarray
    fingerprint: str
    made: str = ""


def _pool(source: Source, module: Classifier, model: Model, log: pa.Table, options: Options, console: Console) -> _Pool:
    """All rows of the table, but for those that can neither be asked for nor learned from: held out, skipped, or unusable images."""
    known = resolve(log).training.column("id").combine_chunks()
    others = pa.compute.invert(pa.compute.is_in(log.column("id"), value_set=known))
    out = log.column("id").filter(others).combine_chunks().unique()
    if module.READS == "image":
        items = Items(source, ("image", "path"), allow_outside=options.allow_outside)
        chosen = ~np.asarray(pa.compute.is_in(items.ids, value_set=out))
        index, array, digests, reasons = _read_pictures(items, chosen, model.recipe, options, console)  # type: ignore[attr-defined]
        usable = np.array([reason is None for reason in reasons])
        if not usable.all():
            index, array, digests = align.Index(index.ids.filter(pa.array(usable)), None), array[usable], digests[usable]
        return _Pool(index, array, align.fingerprint(index, digests), repr(model.recipe))  # type: ignore[attr-defined]
    whole = arrays.read_index(source, options.threads)
    kept = np.flatnonzero(~whole.mask(out))
    made = ""
    if module.READS == "features":
        (array,), fingerprint = arrays.read_matrices(source, "features", whole, [kept], scratch.Scratch(scratch.available() // 2))
    else:

        def work(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
            texts, sums = read_rows(source, batch, module.READS)
            return model.vectors(texts), sums

        parts = list(source.scan(["id", module.READS], work, threads=options.threads))
        vectors, sums = (np.concatenate(each) for each in zip(*parts, strict=True))
        array, fingerprint = whole.arrange(vectors)[kept], align.fingerprint(whole, sums)
        made = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()  # by a model that other options make another
    return _Pool(align.Index(pa.chunked_array([whole.take(kept)]), None), array, fingerprint, made)


def _fit_vaal(pool: _Pool, labeled: pa.Array, model: Model, options: Options, work: Work) -> dict[str, np.ndarray]:
    """The tensors of a VAAL of the pool, in which `labeled` ids have a label; TA-VAAL is told what the model's ranker says of each row.

    It goes on from its checkpoint, if there is one.
    """
    from altool.engines import device as devices

    mask = pool.ids.mask(labeled)
    rank = None
    if options.vaal == "ta-vaal" and isinstance(model, store.Deep):
        parts = [model.outputs(pool.array[start : start + CHUNK]).predicted_loss for start in range(0, len(mask), CHUNK)]
        rank = np.concatenate([part for part in parts if part is not None])
    given = _vaal_options(options)
    digest = hashlib.sha256(json.dumps([pool.fingerprint, pool.made, given, options.seed, __version__]).encode())
    for array in (mask, rank):
        digest.update(b"" if array is None else np.ascontiguousarray(array).data)
    path = (work.checkpoints or Path()) / f"{digest.hexdigest()[:32]}.vaal.checkpoint"
    last = time.monotonic()

    def keep(epoch: int, state: Callable[[], dict[str, np.ndarray]]) -> None:
        nonlocal last
        if time.monotonic() - last >= work.every:
            with write.replacing(path) as temporary:
                save_file(state(), temporary)
            last = time.monotonic()

    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file

    try:
        resume = load_file(path) if path.exists() else None
    except SafetensorError as error:
        raise training.damaged(path) from error
    threads = training.threads(work.threads)
    with threads, work.progress(f"training {options.vaal}", given.get("epochs", 100)) as advance:
        advance(int(resume["epochs"]) if resume else 0)
        fitted = vaal.fit(
            training.Pool(pool.array),
            mask,
            rank,
            **given,
            seed=options.seed,
            device=devices.choose(work.device),
            progress=advance,
            checkpoint=keep,
            resume=resume,
        )
    return fitted.tensors()


def _out_of_fold(
    options: Options, ids: pa.Array, rows: np.ndarray, numbers: np.ndarray, fit: Callable[..., tuple[Model, bool]]
) -> tuple[pa.Table, float | None]:
    """The predictions of every labeled row by a model that did not see it; and the rank correlation of what these models' rankers say with
    the rows' losses, None without rankers."""
    try:
        fold = folds.assign(numbers, options.folds or 0, seeds.integer(options.seed, "train", "folds"))
    except ValueError as error:
        raise InputError(f"labels {options.labels}: {error}", "label a second row of some class, or leave --folds out") from error
    ranked = False

    def predictor(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        nonlocal ranked
        model = fit(x, y)[0]
        if not (isinstance(model, store.Deep) and model.has_ranker):
            return model.probabilities
        ranked = True

        def predict(held: np.ndarray) -> np.ndarray:
            found = model.outputs(held)
            return np.column_stack([found.probabilities, *([] if found.predicted_loss is None else [found.predicted_loss])])

        return predict

    matrix_ = folds.predict(rows, numbers, fold, predictor)
    probabilities = np.ascontiguousarray(matrix_[:, :-1] if ranked else matrix_)
    column = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.reshape(-1)), probabilities.shape[1])
    table = {"id": ids, "probabilities": column, "fold": pa.array(fold)}
    if not ranked:
        return pa.table(table), None
    losses = -np.log(np.maximum(probabilities[np.arange(len(numbers)), numbers], 1e-30))
    return pa.table({**table, "predicted_loss": pa.array(matrix_[:, -1])}), _rank_correlation(matrix_[:, -1], losses)


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, NaN where one of them does not vary."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (one, other)]
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(*ranks)[0, 1])
