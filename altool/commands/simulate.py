"""`altool simulate`: replay labeling rounds on rows whose labels are known, to compare strategies before paying for labels."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from altool.console import Console
from altool.engines import device as devices
from altool.engines import placement
from altool.engines.local import cores, limited
from altool.errors import InputError, UsageError
from altool.metrics.gaps import Aims
from altool.models.labeled import Table
from altool.models.registry import classifier
from altool.options import flag
from altool.simulation import plan as plans
from altool.simulation import plan_file, records, start, world
from altool.simulation.from_model import Pool
from altool.simulation.journal import Journal
from altool.simulation.options import Options
from altool.simulation.plan import Plan, Run, class_names
from altool.simulation.pool import spread
from altool.simulation.progress import followed
from altool.simulation.replay import replay, validated
from altool.simulation.world import Truth, World
from altool.strategies import registry
from altool.tables import align, check, ours, outputs, space, write
from altool.tables.outputs import Output
from altool.tables.queue import read_ranks
from altool.tables.read import Reader, Source, meaning
from altool.tables.rows import TABLES as TABLE_OF
from altool.tables.rows import open_rows
from altool.tables.targets import read_targets
from altool.tables.vectors import of_options
from altool.text import count


@dataclass(frozen=True)
class Task:
    """One repeat of one run, for a worker: the `place`-th of those to do. Queues and confusion tables are arrays by now."""

    place: int
    folder: Path
    plan: Plan
    run: Run
    repeat: int
    view: int  # which of the pools it reads
    world: World | None  # its part of the rows; None: all of them
    inputs: dict[str, str]
    noise: float | np.ndarray
    ranks: np.ndarray | None
    start: np.ndarray | None
    aims: Aims | None
    device: str

    def __str__(self) -> str:
        return f"{self.run.name}, repeat {self.repeat}"


def run(options: Options, console: Console) -> None:
    """Read the truth once, replay every repeat of every run that is not there yet, and write each as it ends."""
    placed = placement.Placed(options.engine, options.ray_address, options.gpus_per_worker, options.jobs or None)
    placement.check(placed)
    settings, rows = plan_file.read(options)
    if not settings.get("labels"):
        raise UsageError("missing --labels", "or name it in the --plan")
    plan = plans.make(settings, rows)
    output = outputs.local(options.output)
    _check_outputs(output, options, settings, plan)
    given = meaning(settings.get("time_zone"), settings.get("time_unit"), settings.get("unlabeled_value"))
    shape = of_options(settings.get("feature_prefix"), settings.get("scale"))
    reader = Reader(settings.get("columns"), settings.get("classes"), console, given, ids=settings.get("ids"), vectors=shape)
    device = _device(options, settings, plan)
    sources = _open(reader, settings, plan)
    source = next(iter(sources.values()))
    targets = read_targets(reader, settings["targets"]) if settings.get("targets") else None
    parts = [part for run_ in plan.runs for part in run_.parts]
    aware = any(part.target_aware for part in parts)
    if aware and targets is None:
        raise UsageError("target-aware runs need --targets")
    if settings.get("weights_from") and not aware:
        raise UsageError("--weights-from has no effect without target-aware runs", "give --target-aware on, or leave it out")
    log = reader.open(settings["labels"], "labels")
    held = reader.open(settings["holdout_labels"], "labels") if settings.get("holdout_labels") else None
    wanted = [(run_, repeat) for repeat in range(plan.repeats) for run_ in plan.runs]
    locations = {_queue(run_, repeat) for run_, repeat in wanted if run_.queue}
    queues = {location: reader.open(location, "queries") for location in sorted(locations)}
    starts = {run_.start_predictions for run_ in plan.runs if run_.start_predictions}
    predicted = {location: reader.open(location, "predictions") for location in sorted(starts)}
    reader.match_ids()
    if "features" in sources:
        space.told(sources["features"], console)
    truth = world.read_truth(source, log, held, settings, reader, options.strict, console)
    worlds = _worlds(truth, settings, plan, log.name)
    own_part = world.used(truth, worlds)
    views = list(dict.fromkeys(plans.reads(run_) for run_ in plan.runs))
    tables = [Table(sources[column], column, console, strict=options.strict, allow_outside=options.allow_outside) for column, _ in views]
    read = (
        world.read(table, recipe, truth, own_part, worlds, first=table.source is source)
        for table, (_, recipe) in zip(tables, views, strict=True)
    )
    pools, prints = (list(each) for each in zip(*read, strict=True))
    facts = {id(one): world.facts(truth, one) for one in worlds}
    aims = targets.aims(truth.classes, plan.at_precision) if targets is not None else None
    ranks = {location: read_ranks(queue, truth.index) for location, queue in queues.items()}
    started = {location: start.read(table, truth) for location, table in predicted.items()}
    for run_, repeat in wanted:
        rows_ = truth.rows[worlds[repeat].rows]
        if run_.queue and not np.isfinite(ranks[_queue(run_, repeat)][0][rows_]).any():
            text = f"{queues[_queue(run_, repeat)].name}: none of its rows is among the {count(len(rows_), 'row')} to choose from"
            raise InputError(text, "give the queue of this pool")
    for part in parts:
        for name in ("query_classes", "private_classes"):
            if (named := part.options.get(name, getattr(part, name, None))) is not None:
                check.class_numbers(class_names(named), truth.classes, f"{log.name}: run {part.name}, {name}")
    noises = {run.label_noise: _noise(run.label_noise, truth.classes) for run in plan.runs}

    tasks: list[Task] = []
    for run_, repeat in wanted:
        view = views.index(plans.reads(run_))
        own = {sources[views[view][0]].kind.name: prints[view][id(worlds[repeat])], "truth": facts[id(worlds[repeat])]}
        own |= {"classes": ",".join(truth.classes), **reader.versions}
        if aims is not None:
            own["targets"] = align.table_fingerprint(pa.table({name: list(of) for name, of in vars(aims).items()}))
        if run_.queue:
            found, _, own["queue"] = ranks[_queue(run_, repeat)]
        if isinstance(noise := noises[run_.label_noise], np.ndarray):
            own["label_noise"] = align.table_fingerprint(pa.table({"share": noise.ravel()}))
        own |= {name: align.file_digest(path) for name, path in classifier(run_.classifier).paths(run_.fit).items()}
        own_ranks = found[truth.rows[worlds[repeat].rows]] if run_.queue else None
        own_start = None
        if run_.start_predictions:
            every, own["start_predictions"] = started[run_.start_predictions]
            own_start = every[truth.rows[worlds[repeat].rows]]
        place = _folder(output, run_, repeat)
        task = Task(len(tasks), place, plan, run_, repeat, view, own_part.parts[repeat], own, noise, own_ranks, own_start, aims, device)
        if options.overwrite or not _finished(task):
            tasks.append(task)
        else:
            _journal(task).remove()  # of a run that was killed when it had written all
    if left := len(wanted) - len(tasks):
        console.info(f"{left:,} of {count(len(wanted), 'run')} exist already")
    statistics, of_classes = _statistics(truth, worlds)
    if console.dry_run:
        planned = {"runs": [entry.name for entry in plan.runs], "repeats": plan.repeats, "rounds": plan.rounds, "to_simulate": len(tasks)}
        text = f"simulate {len(tasks):,} of {count(len(wanted), 'run')} ({len(plan.runs):,} x {count(plan.repeats, 'repeat')})"
        text += ", the small form" if options.small else ""
        text += f", {count(plan.rounds, 'round')} each, on {count(len(worlds[0].rows), 'row')} {of_classes} -> {options.output}"
        planned |= {"pool": len(worlds[0].rows), "class_sizes": statistics} | ({"small": True} if options.small else {})
        console.rehearsed({"command": "simulate", **planned, "output": options.output}, text)
        return
    jobs = min(options.jobs or (cores() if device == "cpu" else 1), len(tasks))
    write.remove_stale(output / "pool")  # of a killed run that had nothing left to do for several jobs
    ties = _replay(tasks, pools, truth.index.take(own_part.positions), jobs, output / "pool", placed, console) if tasks else []
    _report_ties([task.run.name for task in tasks], ties, console)
    whole = worlds[0].whole
    held_out = 0 if whole else len(truth.held_rows if worlds[0].held is None else worlds[0].held)
    summary = {
        "command": "simulate",
        "runs": [entry.name for entry in plan.runs],
        "repeats": plan.repeats,
        "pool": len(worlds[0].rows),
        "class_sizes": statistics,
        "held_out": held_out,
        "classes": list(truth.classes),
        "simulated": len(tasks),
        "output": options.output,
    }
    runs = f"{count(len(plan.runs), 'run')} x {count(plan.repeats, 'repeat')}"
    sizes = f"{count(len(worlds[0].rows), 'row')} {of_classes}, measured on {'all of them' if whole else f'{held_out:,}'}"
    console.result(summary, f"simulated {runs} on {sizes} -> {options.output}; see altool compare {options.output}")


def _statistics(truth: Truth, worlds: Sequence[World]) -> tuple[dict[str, Any], str]:
    """How many rows of each class the pools have, on average over repeats, and how that is spread, for JSON and in words."""
    pools = [np.bincount(truth.codes[one.rows], minlength=len(truth.classes)) for one in {id(one): one for one in worlds}.values()]
    mean, deviation, ir = np.mean([spread(sizes) for sizes in pools], axis=0).tolist()
    rows = dict(zip(truth.classes, np.mean(pools, axis=0).tolist(), strict=True))
    words = f"of {count(len(truth.classes), 'class', 'classes')} ({mean:,.1f} each, s.d. {deviation:,.1f}, ir {ir:.3f})"
    return {"mean": mean, "sd": deviation, "ir": ir, "rows": rows}, words


def _device(options: Options, settings: Mapping[str, Any], plan: Plan) -> str:
    """What networks are trained on. Raises UsageError for what has an effect with them alone, where no run has one."""
    deep = any(classifier(run_.classifier).deep for run_ in plan.runs)
    for name in plans.OF_TRAINING:
        if settings.get(name) and not deep:
            raise UsageError(f"{flag(name)} has no effect without a deep classifier", "give --classifier resnet18, or leave it out")
    if deep or any("labeled_probability" in registry.load(part.strategy).takes for run_ in plan.runs for part in run_.parts):
        return options.device if options.engine == placement.RAY else str(devices.choose(options.device))
    if options.device not in ("auto", "cpu"):
        raise UsageError("--device has no effect without a deep classifier", "leave it out")
    return "cpu"


def _open(reader: Reader, settings: Mapping[str, Any], plan: Plan) -> dict[str, Source]:
    """The table of each column that classifiers read; the truth is found in the first, which is the features' where they are read.
    Raises UsageError for a table that is missing, and for one that nobody reads; InputError where one lacks its column."""
    columns = {classifier(run_.classifier).reads: run_.classifier for run_ in plan.runs}
    read = {TABLE_OF[column] for column in columns}
    locations = {name: settings.get(name) for name in ("features", "items")}
    found = {}
    for column, name in sorted(columns.items()):
        given = {table: location for table, location in locations.items() if table == TABLE_OF[column] or table not in read}
        found[column] = open_rows(reader, column, f"--classifier {name}", given.get("features"), given.get("items"))
    return found


def _report_ties(names: Sequence[str], ties: Sequence[Sequence[str]], console: Console) -> None:
    """Say in how many rounds of each run (`names`, one a repeat) nothing told the candidates apart, and why in the first of them."""
    for name in dict.fromkeys(names):
        own = [why for run_, whys in zip(names, ties, strict=True) if run_ == name for why in whys]
        if own:
            times = count(len(own), "round")
            console.warn(f"run {name}: in {times} (all repeats) all candidates {own[0]}, so they were taken in a random order")


def _check_outputs(output: Path, options: Options, settings: Mapping[str, Any], plan: Plan) -> None:
    """Raises UsageError where a run's folder meets an input, or holds something else than a run."""
    read = [(f"--{name.replace('_', '-')}", settings[name]) for name in plan_file.TABLES if settings.get(name)]
    read += [("--plan", options.plan)] if options.plan else []
    locations = {_queue(run_, repeat) for run_ in plan.runs for repeat in range(plan.repeats)} - {""}
    read += [("--queue", location) for location in sorted(locations)]
    read += [("--start-predictions", run_.start_predictions) for run_ in plan.runs if run_.start_predictions]
    for run_ in plan.runs:
        files = [run_.label_noise, settings.get("classes"), *classifier(run_.classifier).paths(run_.fit).values()]
        read += [(f"run {run_.name}", location) for location in files if isinstance(location, str) and os.path.isfile(location)]
    outputs.check([Output("--output", str(output / "runs"), "folder")], read)
    for run_ in plan.runs:
        for repeat in range(plan.repeats):
            folder = _folder(output, run_, repeat)
            if os.path.lexists(folder) and (options.overwrite or not (folder / "history.parquet").exists()):
                ours.refuse_foreign("run", folder)


def _folder(output: Path, run_: Run, repeat: int) -> Path:
    return output / "runs" / f"{run_.slug}-{repeat:03d}"


def _queue(run_: Run, repeat: int) -> str:
    """The queue's location; `{repeat}` in it stands for the repeat's number."""
    return (run_.queue or "").replace("{repeat}", str(repeat))


def _worlds(truth: Truth, settings: Mapping[str, Any], plan: Plan, name: str) -> list[World]:
    """The world of each repeat, one for all without --resample. Raises UsageError and InputError."""
    if settings.get("resample"):
        worlds = [world.draw(truth, settings, plan.seed, repeat, name) for repeat in range(plan.repeats)]
    else:
        worlds = [world.draw(truth, settings, plan.seed, 0, name)] * plan.repeats
    smallest = min(int((~validated(truth.codes[one.rows], plan.validation_share, plan.seed)).sum()) for one in worlds)
    if plan.seed_size > smallest:
        aside = " that may be asked for" if plan.validation_share is not None else ""
        text = f"the pool has {count(smallest, 'row')}{aside}, fewer than the seed set of {plan.seed_size:,}"
        raise InputError(text, "give a smaller --seed-size")
    return worlds


def _noise(noise: str | float, classes: Sequence[str]) -> float | np.ndarray:
    """A share, or the (K, K) shares of a confusion table: columns class, answer, share."""
    if not isinstance(noise, str):
        return noise
    try:
        source = Reader().open(noise, "confusion")
        rows = source.read().to_pylist()
    except InputError as error:
        raise InputError(f"--label-noise {noise}: neither a share nor a table ({error.message})", error.hint) from error
    shares = np.zeros((len(classes), len(classes)))
    for row in rows:
        if row["class"] not in classes or row["answer"] not in classes or row["share"] is None or not 0 <= row["share"] <= 1:
            raise InputError(f"{source.name}: {row} is not a class, an answer that is a class, and a share", "correct this row")
        shares[list(classes).index(row["class"]), list(classes).index(row["answer"])] += row["share"]
    right = np.arange(len(classes))
    errors = shares.sum(axis=1) - shares[right, right]
    if (errors > 1 + 1e-9).any():
        raise InputError(f"{source.name}: the shares of class {classes[int(errors.argmax())]!r} sum to more than 1", "correct them")
    shares[right, right] = np.maximum(1 - errors, 0)
    return shares


def _replay(
    tasks: Sequence[Task], pools: list[Pool], ids: pa.Array, jobs: int, folder: Path, placed: placement.Placed, console: Console
) -> list[list[str]]:
    """Replay the tasks on the engine, `jobs` at once on the local one; what `_simulate` returns of each. Other processes find the arrays
    in `folder` meanwhile."""
    own, threads, ties = placed.engine == placement.LOCAL, max(1, cores() // jobs), []
    with contextlib.ExitStack() as stack:
        if own and jobs == 1:
            done = np.zeros(len(tasks), np.int32)
            make: Any = partial(_here, pools, ids, threads, done)
        else:
            shared = stack.enter_context(write.temporary(folder)).absolute()
            done = world.store(shared, pools, ids, len(tasks))
            pools.clear()
            make = partial(_beside, shared, threads) if own else partial(_afar, shared)
        engine = stack.enter_context(placement.engine(placed, console, processes=jobs))
        stack.enter_context(followed([str(task) for task in tasks], tasks[0].plan.rounds, done, console))
        for task, tied in zip(tasks, engine.map(make, tasks), strict=True):
            done[task.place] = task.plan.rounds + 1
            ties.append(tied)
    return ties


def _here(pools: Sequence[Pool], ids: pa.Array, threads: int, done: np.ndarray, console: Console) -> Callable[[Task], list[str]]:
    """What replays a task in this process; `done` int (n,) is told by its place."""
    return lambda task: _simulate(task, pools[task.view], ids, threads, partial(done.__setitem__, task.place))


def _beside(shared: Path, threads: int, console: Console) -> Callable[[Task], list[str]]:
    """What replays a task in a process beside this one, on the arrays in the folder `shared`."""

    def work(task: Task) -> list[str]:
        pool, ids, done = world.load(shared, task.view)
        return _simulate(task, pool, ids, threads, partial(done.__setitem__, task.place))

    return work


def _afar(shared: Path, console: Console) -> Callable[[Task], list[str]]:
    """What replays a task on a machine of a cluster, which has GPUs of its own. Raises InputError where it does not see `shared`."""
    if not shared.is_dir():
        text = f"{shared.parent}: {os.uname().nodename}, a machine of the Ray cluster, does not see what is written there"
        raise InputError(text, "give an --output that all machines of the cluster see")
    work = _beside(shared, cores(), console)
    return lambda task: work(replace(task, device=str(devices.choose(task.device)) if task.device != "cpu" else "cpu"))


def _origin(task: Task) -> dict[str, Any]:
    return write.provenance("simulate", {**task.plan.facts(task.run), "repeat": task.repeat}, task.plan.seed, task.inputs)


def _journal(task: Task) -> Journal:
    return Journal(task.folder, [_origin(task), task.device])


def _finished(task: Task) -> bool:
    """Is this repeat there? Raises InputError where another plan's lies in its place."""
    path = task.folder / "history.parquet"
    if not path.exists():
        return False
    try:
        found = (pq.read_schema(path).metadata or {}).get(b"altool.provenance", b"").decode()
    except (pa.ArrowException, OSError, ValueError) as error:
        text = f"{path}: cannot be read; truncated or damaged"
        raise InputError(text, f"remove {task.folder}, and it is simulated again") from error
    if found != write.metadata("history", _origin(task))["altool.provenance"]:
        raise InputError(f"{task.folder}: it holds a run of other settings, data or version", "give another --output, or --overwrite")
    return True


def _simulate(task: Task, whole: Pool, ids: pa.Array, threads: int, tell: Callable[[int], None]) -> list[str]:
    """Write one repeat of a run, in so many `threads`, which change no result. Returns what `History.tied` holds. `tell` is told how many
    rounds, the seed set included, are over."""
    pool = task.world.of(whole) if task.world else whole
    ids = ids.take(pa.array(task.world.rows)) if task.world else ids
    with contextlib.closing(_journal(task)) as journal, limited(threads):
        history = replay(
            pool,
            task.plan,
            task.run,
            task.repeat,
            noise=task.noise,
            ranks=task.ranks,
            start=task.start,
            aims=task.aims,
            tell=tell,
            device=task.device,
            journal=journal,
        )
    origin = _origin(task)
    with write.replacing(task.folder, "run") as folder:
        folder.mkdir()
        tables = {
            "history": records.rounds(history, task.run.name, task.repeat, pool, task.aims),
            "picks": records.picks(history, task.run.name, task.repeat, pool, ids),
            "times": records.times(history, task.run.name, task.repeat),
        }
        for kind, table in tables.items():
            write.write_table(table, kind, str(folder / f"{kind}.parquet"), origin=origin, classes=pool.classes)
    journal.remove()
    tell(task.plan.rounds + 1)
    return history.tied
