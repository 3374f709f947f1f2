"""`altool score`: predict the probability of every class for every row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from altool.console import Console
from altool.engines import device as devices
from altool.engines import placement
from altool.errors import UsageError
from altool.models import companion, store, zero_shot
from altool.models.shape import Deep, ImageModel
from altool.models.store import Stored
from altool.options import flag, option, shared
from altool.scoring import local, shards
from altool.scoring.limits import thresholds
from altool.scoring.predictor import predictor
from altool.scoring.rows import Scorer
from altool.scoring.run import Run, names_folder
from altool.scoring.task import Opening, Task, task
from altool.shared import (
    ALLOW_OUTSIDE,
    CLASSES,
    COLUMNS,
    DEVICE,
    ENGINE,
    FEATURE_PREFIX,
    FEATURES,
    GPUS_PER_WORKER,
    IDS,
    ITEMS,
    MC_DROPOUT,
    OUTPUT,
    OVERWRITE,
    RAY_ADDRESS,
    SCALE,
    SEED,
    SHARD,
    TABLES,
    TARGETS,
    THREADS,
    WORKERS,
    numbers_of,
)
from altool.tables import objects, outputs, part_objects, parts, ranges, space, write
from altool.tables.arrays import read_index
from altool.tables.items import Items
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, vector_shape
from altool.tables.rows import open_rows
from altool.tables.targets import read_targets
from altool.text import count

ZERO_SHOT = "Before the first label"
OF_ZERO_SHOT = ("backbone", "targets", "class_prompts", "logit_scale", "classes")  # what has no effect with a model


@dataclass(frozen=True, kw_only=True)
class Options:
    model: str | None = option("The model: a folder that altool train wrote.", metavar="DIR", panel=TABLES)
    output: str = shared(replace(OUTPUT, required=True, help="A Parquet file, or with a / at its end a folder of them."))
    features: str | None = shared(FEATURES)
    items: str | None = shared(ITEMS)
    features_output: str | None = option("Also write the vectors that the softmax sees.", metavar="PATH", panel=TABLES)
    thresholds: str | None = option("Metrics of a report; adds every class above its threshold as decided.", metavar="TABLE", panel=TABLES)
    mc_dropout: int | None = shared(
        replace(MC_DROPOUT, panel="What to predict", help="Average N networks with dropout, and write their mutual information.")
    )
    zero_shot: Sequence[str] | None = option(
        "Without a model: a text with {} for the class, as 'a photo of a {}'; repeatable.", metavar="TEXT|@FILE", panel=ZERO_SHOT
    )
    backbone: str | None = option("What embedded the features.", metavar="NAME", shown="as the features say", panel=ZERO_SHOT)
    targets: str | None = shared(replace(TARGETS, help="Targets, whose classes are predicted.", panel=ZERO_SHOT))
    class_prompts: str | None = option("TOML: what stands for a class in the texts.", metavar="FILE", panel=ZERO_SHOT)
    logit_scale: float | None = option(
        "What cosines are multiplied by, before the softmax.", above=0, metavar="N", shown="clip: the model's own, st: 20", panel=ZERO_SHOT
    )
    classes: str | None = shared(replace(CLASSES, help="The classes, or a file of them.", panel=ZERO_SHOT))
    columns: str | None = shared(COLUMNS)
    ids: str | None = shared(IDS)
    feature_prefix: str | None = shared(FEATURE_PREFIX)
    scale: str | None = shared(SCALE)
    allow_outside: bool = shared(ALLOW_OUTSIDE)
    seed: int = shared(SEED)
    device: str = shared(DEVICE)
    threads: int = shared(THREADS)
    workers: int | None = shared(WORKERS)
    engine: str = shared(ENGINE)
    ray_address: str | None = shared(RAY_ADDRESS)
    gpus_per_worker: float | None = shared(GPUS_PER_WORKER)
    shard: str | None = shared(SHARD)
    overwrite: bool = shared(OVERWRITE)


def run(options: Options, console: Console) -> None:
    """Stream the rows through the model: all, those of one part, or by an engine's workers. Parts in object storage are made in a folder on
    this machine."""
    names = ("output", "features_output") if options.shard is not None else ()
    with ExitStack() as stack:
        local_: dict[str, Any] = {
            name: f"{stack.enter_context(part_objects.shard(location, *numbers_of(options.shard), dry_run=console.dry_run))}/"
            for name in names
            if (location := getattr(options, name)) and objects.is_remote(location)
        }
        _run(replace(options, **local_), options, console)


def _run(options: Options, given: Options, console: Console) -> None:
    placement.check(options)
    _check_outputs(options, console)
    reader = Reader(options.columns, options.classes, console, ids=options.ids, vectors=vector_shape(options))
    stored, source, items = (*_described(options, reader, console), None) if options.zero_shot else _trained(options, reader)
    metrics = reader.open(options.thresholds, "metrics") if options.thresholds else None
    reader.match_ids()
    if stored.reads == "features" and options.model:
        space.match(space.told(source, console), source, space.of_model(stored.facts, options.model), options.model, console)
    inputs = reader.versions
    limits = None
    if metrics is not None:
        limits, inputs["thresholds"] = thresholds(metrics, stored.classes)
        if np.isinf(limits).all():
            console.warn(f"{metrics.name}: no class of the model has a threshold that is precise enough; no row is decided")
    if console.dry_run:
        _rehearse(source, stored, options, console)
        return
    scorer = Scorer(
        source,
        stored,
        options.model,
        predictor(stored, options.model, mc_dropout=options.mc_dropout, seed=options.seed, device=options.device),
        bool(options.features_output),
        options.device,
        options.threads,
        options.workers,
        options.allow_outside,
    )
    origin = write.provenance("score", _changing(stored, options), options.seed, inputs)
    bounds = None if limits is None else tuple(limits.tolist())
    made = Run(scorer, items, bounds, origin, options.output, options.features_output, _rejects(options))
    if options.shard is not None:
        _score_shard(made, options, given, console)
        return
    if options.engine == placement.LOCAL:
        rows, tables = local.score(made, console)
        shards.forget(options.output)
    else:
        with placement.engine(options, console) as engine:
            rows, tables = shards.spread(made, _task(made, options), engine, console)
    summary = {"command": "score", "rows": rows, "classes": list(stored.classes), "output": options.output}
    text = f"scored {count(rows, 'row')}{_for_classes(stored)} -> {options.output}"
    if options.features_output:
        width = tables[1].form.width
        summary |= {"width": width, "features_output": options.features_output}
        text += f"; {count(width, 'feature')} -> {options.features_output}"
    if limits is not None:
        summary["decided"] = tables[0].decided
        text += f"; {count(tables[0].decided, 'row')} above a threshold"
    console.result(summary, text)


def _score_shard(run: Run, options: Options, given: Options, console: Console) -> None:
    number, of = numbers_of(options.shard)
    kept = shards.one_of(run, _task(run, options), number, of, console)
    rows = kept.piece.last - kept.piece.first
    folders = " and ".join(folder for folder in (given.output, given.features_output) if folder)
    text = f"scored {rows:,} of {count(run.scorer.source.num_rows, 'row')}, part {number} of {of}, from 0 -> {folders}"
    if kept.before:
        text = f"part {number} of {of}, from 0, is there already, of the same {count(rows, 'row')} -> {folders}"
    summary = {"command": "score", "rows": rows, "shard": f"{number}/{of}", "before": kept.before, "output": given.output}
    console.result(summary, f"{text}; altool merge makes the parts a table")


def _task(run: Run, options: Options) -> Task:
    """What another process needs to score rows of this run."""
    location = options.features if run.scorer.source.kind.name == "features" else options.items
    opening = Opening(location or "", options.columns, options.ids, vector_shape(options))
    scorer = run.scorer if options.engine == placement.LOCAL else replace(run.scorer, workers=0)  # a worker decodes its own images
    return task(opening, scorer, mc_dropout=options.mc_dropout, seed=options.seed)


def _changing(stored: Stored, options: Options) -> dict[str, Any]:
    """What shapes a prediction, for the provenance."""
    if options.model is None:
        return stored.facts
    trained = stored.facts["provenance"]["options"]
    found = {"model": stored.facts["label_digest"], "mc_dropout": options.mc_dropout, "vaal": trained.get("vaal")}
    return found | {"trained_on": _label_count(stored.facts.get("labels"))}


def _trained(options: Options, reader: Reader) -> tuple[Stored, Source, Source | None]:
    """The model, the rows for it, and the items whose images its VAAL sees in place of features. Raises UsageError for options that have no
    effect with it."""
    if options.model is None:
        raise UsageError("missing --model", "give a folder that altool train wrote or, before the first label, --zero-shot TEXT")
    if useless := [name for name in OF_ZERO_SHOT if getattr(options, name) is not None]:
        raise UsageError(f"{flag(useless[0])} has no effect with --model", "leave it out: it is for --zero-shot")
    stored = store.load(options.model)
    who = f"model {options.model} ({stored.facts['classifier']})"
    deep = isinstance(stored.model, Deep)
    if options.features_output and stored.reads == "features" and not deep:
        raise UsageError(f"--features-output: {who} makes no features", "use those of --features, which it reads")
    if options.device not in ("auto", "cpu") and not (deep or stored.vaal):
        raise UsageError(f"--device has no effect with {who}", "leave it out")
    if options.device not in ("auto", "cpu"):
        devices.choose(options.device)  # refused before any work
    pictured = stored.reads == "features" and companion.image_size(stored.vaal) is not None
    if pictured and options.items is None:
        raise UsageError(f"{who}: its VAAL reads images beside features", "give --items too")
    if options.workers is not None and stored.reads != "image" and not pictured and options.engine == placement.LOCAL:
        raise UsageError(f"--workers has no effect with {who}", "leave it out: it is for images")
    if options.thresholds and not stored.classes:
        raise UsageError(f"--thresholds has no effect with {who}, which predicts no classes", "leave it out")
    if options.mc_dropout and not (isinstance(stored.model, Deep) and stored.model.has_dropout):
        raise UsageError(f"--mc-dropout: {who} has no dropout", "train one with --dropout 0.5")
    if pictured and (options.shard is not None or options.engine != placement.LOCAL):
        option = "--shard" if options.shard is not None else f"--engine {options.engine}"
        raise UsageError(f"{option}: the VAAL of {who} reads images beside features, row by row", "leave it out: one process scores them")
    source = open_rows(reader, stored.reads, who, options.features, None if pictured else options.items)
    return stored, source, reader.open(options.items or "", "items") if pictured else None


def _described(options: Options, reader: Reader, console: Console) -> tuple[Stored, Source]:
    """The zero-shot model of the classes that are named, and the rows for it. Raises UsageError for what has no effect with one."""
    no_effect = ["model", "items", "features_output", "mc_dropout", *(["workers"] if options.engine == placement.LOCAL else [])]
    useless = [name for name in no_effect if getattr(options, name) is not None]
    if useless:
        hint = "embed the items with altool embed, and give --features" if useless[0] == "items" else "leave it out"
        raise UsageError(f"{flag(useless[0])} has no effect with --zero-shot", hint)
    source = open_rows(reader, "features", "--zero-shot", options.features, None)
    classes = reader.classes or (tuple(read_targets(reader, options.targets).named) if options.targets else ())
    if len(classes) < 2:
        text = f"--zero-shot: {count(len(classes), 'class', 'classes')} named, expected 2 or more"
        raise UsageError(text, "name them: --classes A,B,… or --targets, which name each of them")
    found = zero_shot.describe(
        options.zero_shot or (),
        classes,
        space.told(source, console),
        source.name,
        backbone=options.backbone,
        class_prompts=options.class_prompts,
        temperature=options.logit_scale,
        device=options.device,
    )
    return Stored(found.model, "features", found.classes, found.facts), source


def _rehearse(source: Source, stored: Stored, options: Options, console: Console) -> None:
    """What --dry-run says, when the ids are read."""
    items = isinstance(stored.model, ImageModel)
    part = ""
    if options.shard is not None:
        number, of = numbers_of(options.shard)
        source, part = ranges.between(source, *ranges.cut(source, of)[number]), f", part {number} of {of}, from 0,"
    rows = len(Items(source, ("image", "path"), allow_outside=options.allow_outside) if items else read_index(source, options.threads))
    written = {"output": options.output, "features_output": options.features_output}
    who = f"{options.model} ({stored.facts['classifier']})" if options.model else "the texts of --zero-shot"
    text = f"score {count(rows, 'row')}{part}{_for_classes(stored)} with {who}"
    text += f" -> {' and '.join(path for path in written.values() if path)}"
    console.rehearsed({"command": "score", "rows": rows, "classes": list(stored.classes), **written}, text)


def _for_classes(stored: Stored) -> str:
    """What the rows are scored for: nothing is said of the losses that a loss ranker predicts."""
    return f" for {count(len(stored.classes), 'class', 'classes')}" if stored.classes else ""


def _label_count(labels: Any) -> int | None:
    """How many labels the model had, by those of each class; None for a model that does not say."""
    known = isinstance(labels, dict) and all(isinstance(number, int) for number in labels.values())
    return sum(labels.values()) if known else None


def _check_outputs(options: Options, console: Console) -> None:
    given = (("--output", options.output, "predictions"), ("--features-output", options.features_output, "features"))
    wanted = [Output(name, place, kind, parts=place is not None and names_folder(place)) for name, place, kind in given]
    if options.items and options.output != "-":
        wanted.append(Output("--output", str(_rejects(options)), "rejects", sidecar=True))
    if options.engine != placement.LOCAL:
        if options.shard is not None:
            raise UsageError(f"--shard has no effect with --engine {options.engine}", "leave it out: the engine shares the rows out")
        if "-" in (options.features, options.items):
            raise UsageError(f"--engine {options.engine}: workers cannot read standard input", "give a table that all machines see")
    if options.shard is not None:
        if options.overwrite:
            raise UsageError("--overwrite has no effect with --shard", "leave it out: a part that is another by now is made again")
        wanted = [replace(one, kind="folder") for one in wanted[:2] if one.location is not None]
        for one in wanted:
            if not one.parts:
                raise UsageError(f"{one.shown}: --shard adds a part to a folder", f"give a folder: {one.option} {one.location}/")
    read = outputs.given(options, "model", "features", "items", "thresholds", "targets", "class_prompts")
    outputs.check(wanted, read, overwrite=options.overwrite, json=console.json_output)
    for one in wanted if options.shard is not None else ():
        there = os.listdir(one.location) if one.location and os.path.isdir(one.location) else []
        parts.refuse_others([name for name in there if not name.lstrip(".").startswith("shard-")], one.shown)


def _rejects(options: Options) -> str:
    return objects.beside(options.output if objects.is_remote(options.output) else str(outputs.local(options.output)), ".rejects.parquet")
