"""The table of queries that `select` writes, and what an annotation tool imports of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from altool import seeds
from altool.console import Console
from altool.errors import InputError
from altool.metrics.tiers import TIERS
from altool.selection import sheet_pictures
from altool.selection.from_tables import Supply
from altool.selection.inputs import Past
from altool.selection.options import Options
from altool.strategies.registry import Strategy
from altool.tables import check, outputs, write
from altool.tables.items import some
from altool.tables.outputs import Output
from altool.tables.read import Source
from altool.tables.schema import CHANCE, MODEL
from altool.text import count
from altool.wrappers.choose import Choice
from altool.wrappers.target_aware import taken


def check_outputs(options: Options, output: str, exports: Mapping[str, str], console: Console) -> None:
    """Refuse outputs that exist, or that are inputs. Raises UsageError."""
    from altool.labels import registry as formats  # here alone: few runs export

    wanted = [Output("--output", output, "queries")]
    for name, location in exports.items():
        form = formats.writer(name)
        pages = form.write_folder is not None and location.endswith("/")
        wanted.append(Output(f"--export {name}", location, f"{name}/" if pages else name))
        for ending in form.sidecars:
            wanted.append(Output(f"--export {name}", location + ending, "config", sidecar=True))
        wanted.append(Output(f"--export {name}", sheet_pictures.folder(form, location), "pictures", local=True, sidecar=True))
    kept = bool(options.clusters) and os.path.exists(options.clusters or "")
    wanted += [] if kept else [Output("--clusters", options.clusters, "clusters", local=True)]
    tables = (
        "predictions",
        "oof",
        "features",
        "items",
        "labels",
        "queries",
        "targets",
        "metrics",
        "model",
        "queue",
        "within",
        "index",
        "exclude",
        *(("clusters",) if kept else ()),
    )
    read = outputs.given(options, *tables, "previous", "oracle", "text:classes")
    outputs.check(wanted, read, overwrite=options.overwrite, json=console.json_output)


def table_of(
    supply: Supply,
    choice: Choice,
    automatic: np.ndarray,
    options: Options,
    strategy: Strategy,
    past: Past,
    classes: Sequence[str] | None,
    asked: pa.Table | None,
) -> pa.Table:
    """The rows chosen, in rank order; those of the easy tier that are `automatic` (bool) are nobody's to answer. `classes` are the names
    of the run's classes, where the pool's table has names. `asked` are the queries that were the queue: rows that were asked before keep
    what was said of them then."""
    pool, positions = supply.pool, supply.positions[choice.places]
    chosen, known = len(positions), past.classes
    columns = {
        "id": pool.index.take(positions),
        "rank": pa.array(np.arange(1, chosen + 1, dtype=np.int32)),
        "score": pa.array(choice.scores.astype(np.float32)),
        "strategy": pa.array([strategy.name] * chosen, pa.string()),
        "round": pa.array(np.full(chosen, past.round, np.int32)),
        "source": pa.array(np.where(choice.explored, options.source or "explore", "exploit"), pa.string()),
    }
    if asked is not None:
        before = asked.take(pa.compute.index_in(columns["id"], value_set=asked.column("id")))
        new = {"id", "rank", *(["round"] if options.round is not None else [])}
        kept = [name for name in before.column_names if name not in new]
        columns |= {name: before.column(name) for name in kept}
    if "tier" in choice.marks:
        tiers = choice.marks["tier"]
        # Audited rows are a random sample of the easy rows, but none of the pool: nothing else may be measured on them.
        source = np.where(choice.explored, "explore", np.where(automatic, "auto", "exploit"))
        columns["source"] = pa.array(source, pa.string())
        columns["tier"] = pa.array([TIERS[tier] for tier in tiers], pa.string())
        columns |= suggestions(choice.marks["suggested"], choice.marks["confidence"], known)
    elif options.suggest and pool.likeliest is not None and pool.confidence is not None:
        columns |= suggestions(pool.likeliest[positions], pool.confidence[positions], known)
        if options.suggest_wrong is not None:
            rng = seeds.generator(options.seed, "select", past.round, "wrong")
            columns |= replaced(columns["suggested_label"], known, options.suggest_wrong, rng)
            del columns["suggested_probability"]  # would tell people which they are
    if "reason" in choice.marks:
        columns["reason"] = pa.array(choice.marks["reason"], pa.string())
    if choice.search is not None:
        names = np.array([*known, None], object)  # -1 is the last
        columns["target_class"] = pa.array(names[choice.target_class], pa.string())
        columns["phase"] = pa.array(np.where(choice.search, "search", "spend"), pa.string())
    elif choice.target_class is not None and classes is not None and pool.candidate_labels is not None:
        starts, codes_ = taken(*pool.candidate_labels, positions)
        names = np.array([*classes, None], object)  # -1 is the last
        columns["target_class"] = pa.array(names[choice.target_class], pa.string())
        columns["candidate_labels"] = pa.array([names[codes_[a:b]].tolist() for a, b in pairwise(starts)], pa.list_(pa.string()))
    return pa.table(columns)


def suggestions(suggested: np.ndarray, confidence: np.ndarray, known: Sequence[str]) -> dict[str, pa.Array]:
    """The columns of suggestions: int (n,) class numbers of `known`, float32 (n,) their probabilities; null where that is NaN."""
    return {
        "suggested_label": pa.array([known[code] for code in suggested], pa.string(), mask=np.isnan(confidence)),
        "suggested_probability": pa.array(confidence, from_pandas=True),
    }


def replaced(suggested: pa.Array, known: Sequence[str], share: float, rng: np.random.Generator) -> dict[str, pa.Array]:
    """The `suggested` classes (n,), of which a random `share`, rounded, are others of the `known` ones, and who suggested each: the model,
    or chance. Raises InputError where there is no other class."""
    if len(known) < 2:
        raise InputError("--suggest-wrong: no other class to suggest", "name more with --classes")
    labels = np.array(suggested.to_pylist(), object)
    given = np.flatnonzero([label is not None for label in labels])
    chosen = rng.permutation(given)[: round(share * len(given))]
    numbers = {name: place for place, name in enumerate(known)}
    own = np.array([numbers[label] for label in labels[chosen]], np.int64)
    labels[chosen] = np.array(known, object)[(own + rng.integers(1, len(known), len(chosen))) % len(known)]
    by = np.full(len(labels), None, object)
    by[given], by[chosen] = MODEL, CHANCE
    return {"suggested_label": pa.array(labels, pa.string()), "suggested_by": pa.array(by, pa.string())}


def export(queries: pa.Table, items: Source, exports: dict[str, str], classes: Sequence[str], options: Options, console: Console) -> None:
    """Write the chosen rows that people are to see, as they see them and in rank order, in every format that is asked for."""
    from altool.labels import pictures as addresses
    from altool.labels import registry as formats
    from altool.labels.exchange import Task
    from altool.labels.table import fragile
    from altool.selection.pictures import Pictures, write_pages

    queries = queries.filter(pa.compute.not_equal(queries.column("source"), "auto"))
    wanted = queries.column("id").combine_chunks()
    columns = [name for name in ("id", "text", "image", "path") if name in items]
    batches = some(items, wanted).scan(
        columns, lambda batch: batch.filter(pa.compute.is_in(batch.column("id"), value_set=wanted)), threads=options.threads
    )
    shown = [name for name in exports if formats.writer(name).wants_pictures]
    pictures = Pictures(items) if shown else None
    payloads: dict[str | int, dict[str, Any]] = {}
    with console.progress(f"reading {items.name}", len(wanted)) as advance:
        for row in (row for batch in batches for row in batch.to_pylist()):
            if pictures is not None:
                pictures.add(row)
            if len(shown) == len(exports):
                row.pop("image", None)  # many large ones do not fit into memory
            payloads[row.pop("id")] = row
            advance(1)
    rows = queries.to_pylist()
    if missing := [row["id"] for row in rows if row["id"] not in payloads]:
        text = f"{items.name}: {count(len(missing), 'chosen row')} not in it (ids {check.naming(sorted(missing))})"
        if not payloads:
            raise InputError(f"{text}, nor any other", "give the items that belong to this pool")
        console.mismatch(text, "give the items that belong to this pool", strict=options.strict)
    fields = ("id", "rank", "round", "tier", "suggested_label", "suggested_probability")
    tasks = [Task(**{name: row.get(name) for name in fields}, **payloads.get(row["id"], {})) for row in rows]
    if options.image_url is not None:
        tasks = [replace(task, address=addresses.address(options.image_url, task)) if addresses.has(task) else task for task in tasks]
    closed = [task for task in tasks if not addresses.opens(task)]
    tools = [name for name in exports if formats.writer(name).by_address]
    if closed and tools:
        console.warn(
            f"--export {', '.join(tools)}: a browser cannot open {count(len(closed), 'path')} ({closed[0].path}); give the address in "
            "front of them: --image-url PREFIX, as https://HOST/, or /data/local-files/?d= for Label Studio"
        )
    changed = fragile([task.id for task in tasks]) if "csv" in exports else []
    if changed:
        console.warn(
            f"--export csv: a spreadsheet changes {len(changed):,} of these ids ({check.naming(changed)}); open the sheet with that column "
            "as text, and leave altool_round and altool_rank in it: import-labels tells by them"
        )
    for name, location in exports.items():
        form = formats.writer(name)
        given = pictures.to(tasks, name, console) if pictures is not None and name in shown else tasks
        if form.write_folder is not None:
            write_pages(form, given, classes, location, console)
            continue
        given, files = sheet_pictures.beside(form, location, given, console)
        contents = formats.export(name, given, classes)
        sheet_pictures.write_beside(form, location, files)
        for ending, content in contents.items():
            write.write_bytes(content, location + ending)
