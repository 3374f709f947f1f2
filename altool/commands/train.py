"""`altool train`: fit a classifier on the labels."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool import seeds
from altool.console import Console
from altool.engines import distributed
from altool.errors import InputError, UsageError
from altool.extras import need
from altool.labels import learned as of_rows
from altool.labels.learned import Learned
from altool.metrics.adversary import rank_correlation
from altool.models import companion, folds, registry, shape, store
from altool.models.labeled import Labeled, Table
from altool.models.recipes import RECIPE, RECIPES
from altool.models.shape import Classifier, Deep, Model
from altool.models.training import DEEP, Work, rounded
from altool.options import flag, option, shared
from altool.payloads import sizes
from altool.selection.contents import Contents
from altool.shared import (
    ALLOW_OUTSIDE,
    BALANCE,
    CLASSES,
    CLASSIFIER,
    COLUMNS,
    DEVICE,
    FEATURE_PREFIX,
    FEATURES,
    IDS,
    ITEMS,
    LABELS,
    OUTPUT,
    OVERWRITE,
    SCALE,
    SEED,
    STRICT,
    TABLES,
    TARGETS,
    THREADS,
    TIME_UNIT,
    TIME_ZONE,
    UNLABELED_VALUE,
    WORKERS,
)
from altool.tables import align, check, objects, outputs, shards, space, write
from altool.tables.arrays import read_index
from altool.tables.items import Items
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, meaning, vector_shape
from altool.tables.rows import open_rows
from altool.tables.space import Space
from altool.tables.targets import read_targets
from altool.text import count

FIT = "What to fit"
CLASS = ("class", "classes")
LEARNS = {"labels": "altool train --help lists the options", "losses": "give a table with the id and the loss of labeled rows"}
NO_VAAL = "give --vaal vaal or --vaal ta-vaal"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `altool train`; `own` are those of the classifier and of VAAL that are given, as `owned` calls them."""

    labels: str | None = shared(replace(LABELS, shown="needed, but for losses"))
    losses: str | None = option("Losses of an outside model: id and loss (loss-ranker).", metavar="TABLE", panel=TABLES)
    output: str = shared(replace(OUTPUT, required=True, help="The folder of the model.", metavar="DIR"))
    features: str | None = shared(FEATURES)
    items: str | None = shared(ITEMS)
    classifier: str = shared(
        replace(
            CLASSIFIER,
            panel=FIT,
            help="On features: logistic, svm, linear-svm, mlp; on texts: fasttext; on images: resnet18, …; on losses: loss-ranker.",
        )
    )
    balance: str | None = shared(
        replace(BALANCE, panel=FIT, help="Balance classes: none, class-weight or prior.", default=None, shown="none, or the recipe's")
    )
    folds: int | None = option("Also predict every labeled row by a model that did not see it.", low=2, metavar="N", panel=FIT)
    oof: str | None = option("Where the out-of-fold predictions go.", metavar="PATH", panel=FIT)
    vaal: str = option(
        "Also learn what tells labeled rows from the pool: none, vaal or ta-vaal.",
        default="none",
        choices=companion.KINDS,
        metavar="NAME",
        panel=FIT,
    )
    targets: str | None = shared(TARGETS)
    recipe: str | None = shared(RECIPE)
    from_model: str | None = option("Start from this model.", shown="from its first weights", flags=("--from",), metavar="DIR", panel=DEEP)
    checkpoint_seconds: float | None = option(
        "A killed run goes on from its state that long ago.", low=0, shown="60", metavar="SECONDS", panel=DEEP
    )
    own: Mapping[str, Any] = field(default_factory=dict)
    columns: str | None = shared(COLUMNS)
    ids: str | None = shared(IDS)
    feature_prefix: str | None = shared(FEATURE_PREFIX)
    scale: str | None = shared(SCALE)
    classes: str | None = shared(replace(CLASSES, help="The model's classes in order, or a file of them; unlabeled ones too."))
    time_zone: str | None = shared(TIME_ZONE)
    time_unit: str | None = shared(TIME_UNIT)
    unlabeled_value: Sequence[str] | None = shared(UNLABELED_VALUE)
    allow_outside: bool = shared(ALLOW_OUTSIDE)
    seed: int = shared(SEED)
    device: str = shared(DEVICE)
    threads: int = shared(THREADS)
    workers: int | None = shared(replace(WORKERS, help="Processes that decode images; 0: none."))
    strict: bool = shared(STRICT)
    overwrite: bool = shared(OVERWRITE)


owned = registry.owned


@dataclass(frozen=True)
class _Fit:
    """What is fitted: the classifier with all its options, VAAL with those that are given, how provenance records both, and how classes
    are balanced."""

    classifier: Classifier
    options: dict[str, Any]
    vaal: dict[str, Any]
    recorded: dict[str, Any]
    balance: str


def run(options: Options, console: Console) -> None:
    """Read the labeled rows, fit, write the model directory and, with `--folds`, the out-of-fold predictions.

    As one process of several that torchrun started it does the same with its share of each minibatch, and the first one writes.
    """
    if bool(options.folds) != bool(options.oof):
        raise UsageError("--folds and --oof go together", "for example --folds 5 --oof oof.parquet")
    wanted = _fit_of(options)
    with distributed.group(options.device) as (device, writes):
        _train(options, console if writes else _silent(console), wanted, device, writes=writes)


def _silent(console: Console) -> Console:
    """The console of a process that does not write: another one says the same."""
    own = Console(silent=True)
    own.dry_run = console.dry_run
    return own


def _fit_of(options: Options) -> _Fit:
    """What the options ask for. Raises UsageError for one that has no effect, and InputError for a file that cannot be read."""
    record = registry.classifier(options.classifier)
    who = f"--classifier {record.name}"
    idle = {"--device": options.device not in ("auto", "cpu") and not (record.deep or options.vaal != "none")}
    beside = _items_beside(options, record) is not None
    idle |= {"--workers": options.workers is not None and record.reads != "image" and not beside}
    idle |= {"--image-size": "image_size" in options.own and record.reads != "image" and not beside}
    learns = {"losses": options.losses, "labels": options.labels}
    if record.learns == "losses":
        idle |= {"--balance": options.balance is not None, "--recipe": options.recipe is not None, "torchrun": distributed.launched()}
        idle |= {"--classes": options.classes is not None, "--targets": options.targets is not None}
    else:
        idle["--losses"] = options.losses is not None
    if not record.deep:
        idle |= {"--recipe": options.recipe is not None, "--from": options.from_model is not None, "torchrun": distributed.launched()}
        idle |= {"--checkpoint-seconds": options.checkpoint_seconds is not None and options.vaal == "none"}
    for name, given in idle.items():
        if given:
            raise UsageError(f"{name} has no effect with {who}", "start altool itself" if name == "torchrun" else f"leave {name} out")
    if learns[record.learns] is None:
        raise UsageError(f"missing --{record.learns}", LEARNS[record.learns])
    of_vaal = {name: value for name, value in options.own.items() if name.startswith(registry.VAAL)}
    own = {name: value for name, value in options.own.items() if name not in of_vaal}
    if options.vaal == "none" and of_vaal:
        raise UsageError(f"{flag(next(iter(of_vaal)))} has no effect with --vaal none", NO_VAAL)
    recipe = dict(RECIPES[options.recipe]) if options.recipe else {}
    if options.vaal == "ta-vaal":
        if not record.deep:
            raise UsageError(f"--vaal ta-vaal: {who} has no loss ranker", "give --vaal vaal, or a deep classifier as mlp")
        if own.get("ranker") == "none":
            raise UsageError("--vaal ta-vaal needs a loss ranker, and --ranker is none", "give --ranker ranking, or leave --ranker out")
        recipe["ranker"] = "ranking"
    fit_options = registry.own_of_command(record, own, recipe)
    if options.vaal != "none":
        need("torch", f"--vaal {options.vaal}")
    vaal_options = registry.vaal_of(of_vaal, flag, f"--vaal {options.vaal}", ranked=options.vaal == "ta-vaal")
    recorded = {registry.prefix(record.name) + name: value for name, value in _recorded(record, fit_options).items()}
    if options.vaal != "none":
        recorded |= {"vaal": options.vaal, **{registry.VAAL + name: value for name, value in vaal_options.items()}}
    return _Fit(record, fit_options, vaal_options, recorded, options.balance or recipe.get("balance", BALANCE.default))


def _items_beside(options: Options, record: Classifier) -> str | None:
    """The items whose images VAAL learns from beside a loss ranker, which reads features; None where it learns from the same rows."""
    return options.items if record.learns == "losses" and options.vaal != "none" else None


def _recorded(record: Classifier, values: Mapping[str, Any]) -> dict[str, Any]:
    """A classifier's options as provenance has them: a file as its digest, a number that may also be a word as a text."""
    recorded = dict(values)
    for each in record.options:
        value = values[each.name]
        if each.file and value is not None and value not in each.words:
            recorded[each.name] = align.file_digest(value)
        elif each.words and isinstance(value, float):
            recorded[each.name] = repr(value).removesuffix(".0")
    return recorded


def _train(options: Options, console: Console, wanted: _Fit, device: str, *, writes: bool) -> None:
    record = wanted.classifier
    _check_outputs(options, record, console)
    start = _start(options.from_model, record.name) if options.from_model else None
    means = meaning(options.time_zone, options.time_unit, options.unlabeled_value)
    reader = Reader(options.columns, options.classes, console, means, ids=options.ids, vectors=vector_shape(options))
    beside = _items_beside(options, record)
    source = open_rows(reader, record.reads, f"--classifier {record.name}", options.features, None if beside else options.items)
    items = reader.open(beside, "items") if beside else None
    log = reader.open(options.labels, "labels", allow_empty=True) if options.labels is not None else None
    losses = reader.open(options.losses, "losses") if options.losses is not None else None
    targets = read_targets(reader, options.targets) if options.targets else None
    reader.match_ids()
    vectors, fit_file = _space(source, options, start, console)
    if losses is not None:
        learned = of_rows.from_losses(losses, log, console)
    else:
        assert log is not None  # see _fit_of
        learned = of_rows.from_labels(log, reader.classes, targets, console)
    classes = learned.classes
    if record.picture is not None and not {"image_size", "stem"} & {*options.own, *(RECIPES[options.recipe] if options.recipe else ())}:
        _say_small(source, record, wanted.options, options, console)
    if console.dry_run:
        _rehearse(source, record, learned, options, console)
        return
    table = Table(source, record.reads, console, options.threads, options.workers, options.strict, options.allow_outside)
    labeled, pool = table.labeled(record, wanted.options, learned.ids, learned.out if writes and options.vaal != "none" else None)
    values = learned.of(labeled.ids)
    learned.refuse(values, source.name)
    fit: Callable[..., tuple[Model, bool]] = partial(
        record.fit, count=len(classes), balance=wanted.balance, seed=options.seed, **wanted.options
    )
    with contextlib.ExitStack() as stack:
        first = fit
        work = Work(device, options.threads, progress=console.progress)
        if record.deep or options.vaal != "none":
            every = 60.0 if options.checkpoint_seconds is None else options.checkpoint_seconds
            work = replace(work, checkpoints=stack.enter_context(_partial(options.output, writes)), every=every)
        if record.deep:
            fit = partial(fit, work=work)
            first = fit if start is None else partial(fit, start=(start.model, _numbers(start.classes, classes)))
        model, converged = first(labeled.rows, values)
        if not converged:
            console.warn(f"the solver stopped after its last step without converging; {_remedy(record)}")
        own = {"classifier": record.name, "balance": wanted.balance, "folds": options.folds, "classes": list(classes)}
        inputs = {source.kind.name: labeled.fingerprint, **learned.inputs, **reader.versions}
        if start is not None:
            inputs["from"] = start.facts["label_digest"]
        origin = write.provenance("train", {**own, **wanted.recorded}, options.seed, inputs)
        facts: dict[str, Any] = {
            "provenance": origin,
            "label_digest": align.table_fingerprint(learned.table),
            **learned.facts(values),
        }
        if vectors is not None:
            facts |= {"space": vectors.digest, "space_facts": vectors.facts}
        if isinstance(model, Deep):
            facts["curve"] = dict(model.curve)
        if (chosen := shape.chosen(model)) is not None:
            facts["chosen"] = asdict(chosen)
            fit = partial(fit, **chosen.options)
        # Never from a model that saw the rows: what --from names is for the first model alone.
        oof, correlation = _out_of_fold(options, labeled, values, fit) if options.folds else (None, None)
        fitted = None
        if writes:
            if options.vaal != "none":
                if items is None:
                    seen = table.around(record, wanted.options, learned.ids, learned.out, labeled, model, pool)
                else:
                    seen = table.beside(items, companion.recipe(wanted.options["image_size"]), learned.out, labeled.ids)
                fitted = companion.fit(seen, options.vaal, model, wanted.vaal, options.seed, work)
                facts["vaal"] = rounded(fitted.curve)
                origin["inputs"][f"pool of {(items or source).kind.name}"] = seen.fingerprint
            with write.replacing(options.output, "model") as temporary:
                store.save(temporary, record.name, model, classes, facts, fitted.tensors() if fitted else None)
                if fit_file is not None:
                    space.keep(fit_file, temporary / f"space{fit_file.suffix}")
            if oof is not None and options.oof:
                write.write_table(oof, "predictions", options.oof, origin=origin, classes=classes)
            if work.checkpoints is not None:
                shards.clear(work.checkpoints)
                if objects.is_remote(options.output):
                    objects.unstage(options.output)
    empty = [name for name, number in facts.get("labels", {}).items() if not number]
    if empty:
        console.warn(f"classes without a label get probability 0: {len(empty)} of {len(classes)} ({check.naming(empty)})")
    if record.reads == "features" and vectors is None:
        console.info(f"note: {source.name} names no vector space, so altool cannot check whether other features fit the model")
    summary = {"command": "train", "classifier": record.name, **({"classes": facts["labels"]} if classes else {})}
    summary[learned.noun[1]] = len(values)
    text = f"trained {record.name} on {count(len(values), *learned.noun)}"
    text += f"{f' of {count(len(classes), *CLASS)}' if classes else ''} -> {options.output}"
    if isinstance(model, Deep):
        epochs, loss, accuracy = len(model.curve["loss"]), model.curve["loss"][-1], model.curve["accuracy"][-1]
        summary |= {"epochs": epochs, "loss": loss, "accuracy": accuracy}
        right = "training accuracy" if classes else "share of pairs in order"
        text += f"; {count(epochs, 'epoch')}, final {right} {accuracy:.1%}"
    if chosen is not None:
        summary["chosen"] = asdict(chosen)
        said = ", ".join(f"{registry.called(record)[name].flag} {value:g}" for name, value in chosen.options.items())
        text += f"; {said} ({chosen.why})"
    if fitted is not None:
        told = fitted.curve["discriminator_accuracy"][-1]
        summary |= {"discriminator_loss": fitted.curve["discriminator_loss"][-1], "discriminator_accuracy": told}
        text += f"; {options.vaal} tells {told:.1%} of labeled and other rows apart (half of them by chance)"
    if correlation is not None:
        summary["rank_correlation"] = None if np.isnan(correlation) else correlation
        text += f"; rank correlation of predicted and real losses, out of fold: {correlation:.2f}"
    console.result({**summary, "converged": converged, "output": options.output, "oof": options.oof}, text)


def _say_small(source: Source, record: Classifier, values: Mapping[str, Any], options: Options, console: Console) -> None:
    """Say where a network blows pictures up that are far smaller than what it reads, and what that costs."""
    size, called = values.get("image_size"), registry.called(record)
    if not isinstance(size, int) or not {"image_size", "stem"} <= called.keys():
        return
    rows = Contents(source, allow_outside=options.allow_outside).rows()
    found = sizes.blown_up((payload for _, column, payload in rows if column != "text"), record.name, size)
    if found is not None:
        text, smaller = found
        faster = f"{called['image_size'].flag} {smaller} is {sizes.saving(size, smaller)}"
        console.info(f"note: {text}; {faster}; {called['stem'].flag} small suits pictures of 32 pixels, but starts from random weights")


def _rehearse(source: Source, record: Classifier, learned: Learned, options: Options, console: Console) -> None:
    """What --dry-run says, when the ids are read. Raises InputError where the table holds the labeled rows of fewer than two classes."""
    pictures = record.reads == "image"
    ids = Items(source, ("image", "path"), allow_outside=options.allow_outside).index if pictures else read_index(source, options.threads)
    there = learned.ids.filter(pa.array(ids.positions(learned.ids) >= 0))
    values, several = learned.of(there), learned.noun[1]
    if len(np.unique(values)) < 2:
        what = "fewer than two classes" if learned.classes else "one and the same loss"
        text = f"{source.name}: it holds {count(len(there), 'labeled row')} of {len(learned.ids):,}, of {what}"
        raise InputError(text, "give the table that the labels belong to")
    text = f"train {record.name} on {len(there):,} of {count(len(learned.ids), *learned.noun)}"
    text += f"{f', {count(len(learned.classes), *CLASS)}' if learned.classes else ''} -> {options.output}"
    if options.oof:
        text += f", and predict them out of fold in {options.folds} parts -> {options.oof}"
    found = {"classes": learned.facts(values)["labels"]} if learned.classes else {}
    summary = {"command": "train", "classifier": record.name, several: len(there), **found, "folds": options.folds}
    console.rehearsed({**summary, "output": options.output, "oof": options.oof}, text)


def _remedy(record: Classifier) -> str:
    """What to do where its solver does not converge."""
    options = registry.called(record)
    if "iterations" in options:
        return f"raise {options['iterations'].flag}"
    return f"lower {options['c'].flag}" if "c" in options else "give it simpler options"


def _check_outputs(options: Options, record: Classifier, console: Console) -> None:
    read = outputs.given(options, "features", "items", "labels", "losses", "targets", "from_model", "text:classes")
    for each in registry.called(record).values():
        location = options.own.get(each.name)
        if each.file and location is not None and (not each.words or os.path.isfile(location)):
            read.append((each.flag, location))
    wanted = [Output("--output", options.output, "model"), Output("--oof", options.oof, "predictions")]
    outputs.check(wanted, read, overwrite=options.overwrite, json=console.json_output)


@contextlib.contextmanager
def _partial(output: str, writes: bool) -> Iterator[Path]:
    """The folder of the run's checkpoints, held by the process that writes."""
    if objects.is_remote(output):
        output = str(objects.stage(output) / objects.Place(output).name)
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


def _out_of_fold(
    options: Options, labeled: Labeled, numbers: np.ndarray, fit: Callable[..., tuple[Model, bool]]
) -> tuple[pa.Table, float | None]:
    """The predictions of every labeled row by a model that did not see it; and the rank correlation of the losses that these models predict
    with the rows' own, None without rankers."""
    held_by = numbers if numbers.dtype.kind == "i" else np.zeros(len(numbers), np.int64)  # losses have no classes to spread
    try:
        fold = folds.assign(held_by, options.folds or 0, seeds.integer(options.seed, "train", "folds"))
    except ValueError as error:
        raise InputError(f"labels {options.labels}: {error}", "label a second row of some class, or leave --folds out") from error
    probabilities, losses = folds.outputs(labeled.rows, numbers, fold, lambda x, y: fit(x, y)[0])
    width = probabilities.shape[1]
    table: dict[str, Any] = {"id": labeled.ids, "fold": pa.array(fold)}
    if width:
        table["probabilities"] = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.reshape(-1)), width)
    if losses is None:
        return pa.table(table), None
    real = folds.losses(probabilities, numbers) if width else numbers
    return pa.table({**table, "predicted_loss": pa.array(losses)}), rank_correlation(losses, real)
