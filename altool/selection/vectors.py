"""Vectors that are read when a strategy asks for them, and the model that stands in where there are no predictions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from altool.console import Console
from altool.errors import InputError
from altool.models.shape import Model
from altool.selection.inputs import Past, Tables
from altool.selection.options import Options
from altool.strategies.inputs import Vectors
from altool.strategies.registry import Strategy
from altool.tables import align, check
from altool.tables.align import Index
from altool.tables.arrays import read_index, read_some
from altool.tables.read import Source
from altool.text import count

DEFAULT = "logistic"  # the classifier that is fitted
STREAMED = {"margin", "likeliest", "confidence"}  # what it says of a row


def fitted(tables: Tables, past: Past, strategy: Strategy, names: Collection[str], options: Options, console: Console) -> Model | None:
    """A model of the labels for a strategy that may be given predictions where there are none, but features: the default classifier on the
    features of the labeled rows. None where it is not wanted, or where fewer than two classes have a label."""
    if not STREAMED & set(names) & set(strategy.optional) or "features" not in tables.matrices or "predictions" in tables.matrices:
        return None
    if past.training is None or len(np.unique(past.numbers)) < 2:
        return None
    from altool.models.registry import classifier  # here alone: a choice from predictions fits nothing

    source = tables.matrices["features"]
    index = read_index(source, options.threads)
    places = index.positions(past.training.column("id"))
    held = np.flatnonzero(places >= 0)
    labels = past.numbers[held]
    if len(np.unique(labels)) < 2:
        return None
    rows, _ = read_some(source, "features", index, places[held], threads=options.threads)
    record = classifier(DEFAULT)
    model, _ = record.fit(rows, labels, len(past.classes), balance="none", seed=options.seed, **record.complete({}))
    classes = count(len(np.unique(labels)), "class", "classes")
    console.info(f"no --predictions: a {DEFAULT} classifier is fitted on {count(len(labels), 'labeled row')} of {classes}")
    return model


def read_vectors(
    tables: Tables,
    pool: Index,
    positions: np.ndarray,
    past: Past,
    options: Options,
    fingerprints: dict[str, str],
    console: Console,
    *,
    without: str = "only their predictions can choose them",
    name: str = "vectors",
) -> Vectors:
    """The vectors of the candidates, which lie at `positions` in the pool, and of the labeled rows. What is read of them becomes part of
    the `fingerprints`, by `name`; `without` says what becomes of candidates that have none."""
    source = tables.matrices["features"]
    same = source is tables.pool
    index = pool if same else read_index(source, options.threads)
    places = positions if same or index.ids.equals(pool.ids) else index.positions(pool.take(positions))
    present = places >= 0
    if len(positions) and not present.any():
        ids, hint = pool.take(positions), "give every row of the pool in both tables"
        align.refuse_foreign(ids, f"{tables.pool.name}: none of its {len(ids):,} candidates", index, source.name, hint)
    if missing := int(len(positions) - present.sum()):
        ids = pool.take(positions[~present])
        text = f"{source.name}: {count(missing, 'candidate')} not in it (ids {check.naming(check.first_ids(ids))})"
        console.mismatch(text, f"{without}; give every row of the pool in both tables", strict=options.strict)
    labeled = index.positions(past.training.column("id")) if past.training is not None else np.empty(0, np.int64)
    labeled = labeled[labeled >= 0]
    if past.training is not None and len(past.training) and not len(labeled):
        ids = check.naming(check.first_ids(past.training.column("id")))
        console.warn(f"{source.name}: none of the {count(len(past.training), 'labeled row')} in it (ids {ids})")

    def fetch(wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.concatenate([places[wanted], labeled])
        order = np.argsort(rows, kind="stable")
        found, sums = read_some(source, "features", index, rows[order], threads=options.threads)
        read = Index(index.ids.take(rows[order]), None)
        fingerprints[name] = align.fingerprint(read, sums, len(index))
        if not len(found):
            raise InputError(f"{source.name}: no row is to be read", "give the features of this pool")
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return found[back[: len(wanted)]], found[back[len(wanted) :]]

    return Vectors(present, fetch)


def standing_in(model: Model, source: Source, values: np.ndarray) -> dict[str, Any]:
    """What the model says of a batch of features, as the predictions' table would have it. Raises InputError for another width."""
    if values.shape[1] != model.width:
        raise InputError(f"{source.name}, column 'features': rows of {values.shape[1]} and of {model.width} numbers", "embed them alike")
    return {"probabilities": model.probabilities(values)}
