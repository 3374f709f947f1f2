"""`altool score`: predict the probability of every class for every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.engines import device as devices
from altool.engines.local import limited
from altool.engines.scratch import Scratch, available
from altool.errors import InputError, UsageError
from altool.extras import need
from altool.models import companion, store, zero_shot
from altool.models.labeled import Table
from altool.models.shape import Deep, ImageModel, Outputs
from altool.models.store import Stored
from altool.models.thresholds import decided
from altool.options import flag, option, shared
from altool.payloads import pictures, pipeline
from altool.payloads.shape import Loaded, Payload
from altool.shared import (
    ALLOW_OUTSIDE,
    CLASSES,
    COLUMNS,
    DEVICE,
    FEATURE_PREFIX,
    FEATURES,
    IDS,
    ITEMS,
    MC_DROPOUT,
    OUTPUT,
    OVERWRITE,
    SCALE,
    SEED,
    TABLES,
    TARGETS,
    THREADS,
    WORKERS,
)
from altool.tables import align, check, outputs, rejects, space, write
from altool.tables.align import Index
from altool.tables.arrays import read_index
from altool.tables.classes import respelled
from altool.tables.items import Items
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source, vector_shape
from altool.tables.rows import open_rows, read_rows
from altool.tables.targets import read_targets
from altool.text import count

ZERO_SHOT = "Before the first label"
OF_ZERO_SHOT = ("backbone", "targets", "class_prompts", "logit_scale", "classes")  # what has no effect with a model
SHARD = 4096  # pictures whose outputs are put away together


@dataclass(frozen=True, kw_only=True)
class Options:
    model: str | None = option("The model: a folder that altool train wrote.", metavar="DIR", panel=TABLES)
    output: str = shared(replace(OUTPUT, required=True))
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
    overwrite: bool = shared(OVERWRITE)


@dataclass
class _Tables:
    """How the tables are written: the columns behind the probabilities, and the column that is derived from them."""

    options: Options
    stored: Stored
    origin: dict[str, Any]
    extras: tuple[str, ...]
    derived: dict[str, Callable[[np.ndarray], pa.Array]] = field(default_factory=dict)
    width: int = 0

    @contextmanager
    def open(self, ids: Index) -> Iterator[Callable[[np.ndarray, np.ndarray | None], None]]:
        """Yields `append(matrix, vectors)` for these rows in file order: probabilities with the further columns, and vectors (the first
        say how wide they are). The tables are written whole or not at all."""
        classes = self.stored.classes
        with ExitStack() as stack:
            append = stack.enter_context(
                write.matrix_writer(
                    self.options.output,
                    "predictions",
                    "probabilities",
                    len(classes),
                    np.float32,
                    ids,
                    self.origin,
                    classes or None,
                    derived=self.derived,
                    extras=self.extras,
                )
            )
            append_vectors: Callable[[np.ndarray], None] | None = None

            def put(rows: np.ndarray, vectors: np.ndarray | None) -> None:
                nonlocal append_vectors
                append(rows)
                if vectors is not None and self.options.features_output:
                    if append_vectors is None:
                        self.width = vectors.shape[1]
                        append_vectors = stack.enter_context(
                            write.matrix_writer(
                                self.options.features_output,
                                "features",
                                "features",
                                self.width,
                                np.float32,
                                ids,
                                self.origin,
                                facts=space.made_by(self.stored.facts, str(self.options.model)).metadata,
                            )
                        )
                    append_vectors(vectors)

            yield put


def run(options: Options, console: Console) -> None:
    """Stream the rows through the model. The ids are read first, so that duplicates are refused before any work."""
    _check_outputs(options, console)
    reader = Reader(options.columns, options.classes, console, ids=options.ids, vectors=vector_shape(options))
    stored, source, items = (*_described(options, reader, console), None) if options.zero_shot else _trained(options, reader)
    metrics = reader.open(options.thresholds, "metrics") if options.thresholds else None
    reader.match_ids()
    if stored.reads == "features" and options.model:
        space.match(space.told(source, console), source, space.of_model(stored.facts, options.model), options.model, console)
    inputs = reader.versions
    derived: dict[str, Callable[[np.ndarray], pa.Array]] = {}
    counts: list[int] = []
    if metrics is not None:
        limits, inputs["thresholds"] = _thresholds(metrics, stored.classes)
        if np.isinf(limits).all():
            console.warn(f"{metrics.name}: no class of the model has a threshold that is precise enough; no row is decided")
        names = pa.array(stored.classes, pa.string())

        def decide(probabilities: np.ndarray) -> pa.Array:
            bounds, classes = decided(probabilities, limits)
            counts.append(int(np.count_nonzero(np.diff(bounds))))
            return pa.ListArray.from_arrays(pa.array(bounds), names.take(pa.array(classes)))

        derived = {"decided": decide}
    if console.dry_run:
        _rehearse(source, stored, options, console)
        return
    if options.model:
        trained = stored.facts["provenance"]["options"]
        changing = {"model": stored.facts["label_digest"], "mc_dropout": options.mc_dropout, "vaal": trained.get("vaal")}
        changing["trained_on"] = _label_count(stored.facts.get("labels"))
    else:
        changing = stored.facts
    predict, extras = _predictor(stored, options)
    tables = _Tables(options, stored, write.provenance("score", changing, options.seed, inputs), extras, derived)
    if isinstance(stored.model, ImageModel):
        rows = _score_pictures(source, stored.model, predict, tables, options, console)
    else:
        rows = _score_rows(source, items, stored, predict, tables, options, console)
    summary = {"command": "score", "rows": rows, "classes": list(stored.classes), "output": options.output}
    text = f"scored {count(rows, 'row')}{_for_classes(stored)} -> {options.output}"
    if options.features_output:
        summary |= {"width": tables.width, "features_output": options.features_output}
        text += f"; {count(tables.width, 'feature')} -> {options.features_output}"
    if derived:
        summary["decided"] = sum(counts)
        text += f"; {count(sum(counts), 'row')} above a threshold"
    console.result(summary, text)


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
    if options.workers is not None and stored.reads != "image" and not pictured:
        raise UsageError(f"--workers has no effect with {who}", "leave it out: it is for images")
    if options.thresholds and not stored.classes:
        raise UsageError(f"--thresholds has no effect with {who}, which predicts no classes", "leave it out")
    if options.mc_dropout and not (isinstance(stored.model, Deep) and stored.model.has_dropout):
        raise UsageError(f"--mc-dropout: {who} has no dropout", "train one with --dropout 0.5")
    source = open_rows(reader, stored.reads, who, options.features, None if pictured else options.items)
    return stored, source, reader.open(options.items or "", "items") if pictured else None


def _described(options: Options, reader: Reader, console: Console) -> tuple[Stored, Source]:
    """The zero-shot model of the classes that are named, and the rows for it. Raises UsageError for what has no effect with one."""
    useless = [name for name in ("model", "items", "features_output", "mc_dropout", "workers") if getattr(options, name) is not None]
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
    rows = len(Items(source, ("image", "path"), allow_outside=options.allow_outside) if items else read_index(source, options.threads))
    written = {"output": options.output, "features_output": options.features_output}
    who = f"{options.model} ({stored.facts['classifier']})" if options.model else "the texts of --zero-shot"
    text = f"score {count(rows, 'row')}{_for_classes(stored)} with {who}"
    text += f" -> {' and '.join(path for path in written.values() if path)}"
    console.rehearsed({"command": "score", "rows": rows, "classes": list(stored.classes), **written}, text)


def _for_classes(stored: Stored) -> str:
    """What the rows are scored for: nothing is said of the losses that a loss ranker predicts."""
    return f" for {count(len(stored.classes), 'class', 'classes')}" if stored.classes else ""


def _label_count(labels: Any) -> int | None:
    """How many labels the model had, by those of each class; None for a model that does not say."""
    known = isinstance(labels, dict) and all(isinstance(number, int) for number in labels.values())
    return sum(labels.values()) if known else None


def _predictor(stored: Stored, options: Options) -> tuple[Callable[..., tuple[np.ndarray, np.ndarray]], tuple[str, ...]]:
    """What turns rows, and the pictures of the same that VAAL sees in their place, into a matrix float32 (n, K + E) of probabilities and
    further columns, and the vectors (n, D); and these columns."""
    model = stored.model
    extras: list[str] = []
    if isinstance(model, Deep):
        wanted = {"predicted_loss": model.has_ranker, "mutual_information": bool(options.mc_dropout)}
        extras = [name for name, there in wanted.items() if there]
        outputs: Callable[[np.ndarray], Outputs] = partial(
            model.on(options.device).outputs, samples=options.mc_dropout or 0, seed=options.seed
        )
    else:

        def outputs(rows: np.ndarray) -> Outputs:
            return Outputs(*model.predict(rows))

    labeled = None
    if stored.vaal is not None:
        need("torch", f"model {options.model}: its VAAL")
        ranked = stored.facts["provenance"]["options"].get("vaal") == "ta-vaal"
        labeled = companion.labeler(stored.vaal, ranked=ranked, device=options.device, who=f"model {options.model}")

    def predict(rows: np.ndarray, shown: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        found = outputs(rows)
        columns = [found.probabilities, *(getattr(found, name) for name in extras)]
        if labeled is not None:
            seen = found.vectors if stored.reads == "text" else rows if shown is None else shown
            columns.append(labeled(seen, found.predicted_loss))
        matrix = np.column_stack(columns)
        if not np.isfinite(matrix).all():
            bad = count(int((~np.isfinite(matrix)).any(axis=1).sum()), "row")
            hint = "look for extreme numbers in these rows, or train it again with a lower --rate"
            raise InputError(f"model {options.model}: NaN or infinity predicted for {bad}", hint)
        return matrix, found.vectors

    return predict, (*extras, *(["labeled_probability"] if labeled is not None else []))


def _score_rows(
    source: Source,
    items: Source | None,
    stored: Stored,
    predict: Callable[..., tuple[np.ndarray, np.ndarray]],
    tables: _Tables,
    options: Options,
    console: Console,
) -> int:
    """Score features or texts, a row group at a time; VAAL the images of the same rows in `items`, if they are given."""
    index = read_index(source, options.threads)
    seen = None
    if items is not None:
        table = Table(items, "image", console, options.threads, options.workers, allow_outside=options.allow_outside)
        seen = table.pictures_of(companion.recipe(companion.image_size(stored.vaal) or 0), index.take(np.arange(len(index))))
        tables.origin["inputs"]["items"] = seen.fingerprint

    def work(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        rows, sums = read_rows(source, batch, stored.reads, stored.model.width)
        shown = None if seen is None else seen.pixels[seen.index.positions(batch.column("id"))]
        found, vectors = predict(rows, shown)
        return found, vectors if options.features_output else None, sums

    with (
        limited(options.threads),  # the row groups are the threads' work
        tables.open(index) as append,
        console.progress(f"scoring {source.name}", len(index)) as advance,
    ):
        sums = []
        for found, vectors, part in source.scan(["id", stored.reads], work, threads=options.threads):
            append(found, vectors)
            sums.append(part)
            advance(len(part))
        tables.origin["inputs"][source.kind.name] = align.fingerprint(index, np.concatenate(sums))
    return len(index)


@dataclass
class _Scorer:
    """The model as the pipeline runs it: one matrix of what `predict` gives, the vectors last."""

    load: Callable[[Sequence[Payload]], Loaded]
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    threads: int
    minibatch: int

    def embed(self, values: Any) -> np.ndarray:
        return np.concatenate(self.predict(values), axis=1)


def _score_pictures(
    source: Source,
    model: ImageModel,
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    tables: _Tables,
    options: Options,
    console: Console,
) -> int:
    """Score images while others are decoded. What cannot be used goes to a table of rejects, as `embed` has it; the others are counted.

    The outputs wait, in memory or a file, until it is known which rows there are. Raises InputError where there are none.
    """
    items = Items(source, ("image", "path"), allow_outside=options.allow_outside)
    placed = model.on(options.device)
    classes = len(tables.stored.classes) + len(tables.extras)
    width = classes + (model.width if options.features_output else 0)
    results = Scratch(available() // 2).empty((len(items), width), np.float32)
    scorer = _Scorer(partial(pictures.load, model.recipe), predict, options.threads or placed.threads, placed.minibatch)
    digests, reasons = [], []
    with console.progress(f"scoring {source.name}", len(items)) as advance:
        done = 0
        for shard in pipeline.run(scorer, items.payloads(), len(items), shard_rows=SHARD, workers=options.workers, advance=advance):
            results[done : done + len(shard.vectors)] = shard.vectors[:, :width]
            done += len(shard.vectors)
            digests.append(shard.digests)
            reasons += shard.reasons
    tables.origin["inputs"][source.kind.name] = align.fingerprint(items.index, np.concatenate(digests))
    usable = np.array([reason is None for reason in reasons])
    refused = rejects.of(items.ids, pa.chunked_array([pa.array(reasons, pa.string())]))
    if len(refused) == len(items):
        raise rejects.nothing_left(source.name, items.column, len(items), refused)
    rejects.keep(refused, len(items), _rejects(options), tables.origin, console)
    index = align.index(items.ids.filter(pa.array(usable)).chunks, source.name) if len(refused) else items.index
    with tables.open(index) as append:
        for start in range(0, len(items), write.ROW_GROUP):
            part = results[start : start + write.ROW_GROUP][usable[start : start + write.ROW_GROUP]]
            append(part[:, :classes], part[:, classes:] if options.features_output else None)
    return len(index)


def _check_outputs(options: Options, console: Console) -> None:
    wanted = [
        Output("--output", options.output, "predictions", local=True),
        Output("--features-output", options.features_output, "features", local=True),
    ]
    if options.items and options.output != "-":
        wanted.append(Output("--output", str(_rejects(options)), "rejects", sidecar=True))
    read = outputs.given(options, "model", "features", "items", "thresholds", "targets", "class_prompts")
    outputs.check(wanted, read, overwrite=options.overwrite, json=console.json_output)


def _rejects(options: Options) -> Path:
    return Path(str(outputs.local(options.output)).removesuffix(".parquet") + ".rejects.parquet")


def _thresholds(source: Source, classes: tuple[str, ...]) -> tuple[np.ndarray, str]:
    """float64 (K,): each class's threshold of recall at precision, infinity where it has none; and the table's fingerprint.

    Of several rounds the last one counts. Raises InputError for a table without thresholds, for a class that has two in one round,
    and for one that the model does not have.
    """
    source.require("threshold")
    table = source.read()
    rows = [row for row in table.to_pylist() if row["metric"] == "recall_at_precision" and row["class"] is not None]
    if not rows:
        raise InputError(f"{source.name}: no row of recall_at_precision", "give what altool report --metrics-output wrote")
    last = max((row["round"] for row in rows if row.get("round") is not None), default=None)
    found: dict[str, float] = {}
    for row in rows:
        if row.get("round") == last:
            if row["class"] in found:
                raise InputError(f"{source.name}: two thresholds for class {row['class']!r}", "give the metrics of one run")
            value = row["threshold"]
            found[row["class"]] = np.inf if value is None or np.isnan(value) else value
    unknown = sorted(name for name, value in found.items() if np.isfinite(value) and name not in classes)
    if unknown:
        text = (
            f"{source.name}: thresholds of {count(len(unknown), 'class', 'classes')} that the model does not have ({check.naming(unknown)})"
        )
        raise InputError(text, respelled(unknown, classes) or "give the metrics of this model's out-of-fold predictions")
    return np.array([found.get(name, np.inf) for name in classes]), align.table_fingerprint(table)
