"""What `train` learns of rows: their labels, or the losses of an outside model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.console import Console
from altool.errors import InputError
from altool.labels.consensus import codes, resolve
from altool.tables import align, check, label_log
from altool.tables import classes as class_lists
from altool.tables.derive import derive
from altool.tables.read import Source
from altool.tables.targets import Targets
from altool.text import count


@dataclass(frozen=True)
class Learned:
    """`table` has `id`, in order, and `label` or `loss`; `classes` are those of the labels, none of losses. `out` are the ids that can
    neither be asked for nor learned from, `inputs` the fingerprints of the tables that this is from."""

    table: pa.Table
    classes: tuple[str, ...]
    out: pa.Array
    inputs: dict[str, str]

    @property
    def ids(self) -> pa.Array:
        """Whose rows are learned from."""
        return self.table.column("id").combine_chunks()

    @property
    def noun(self) -> tuple[str, str]:
        """One, and several, of what is learned."""
        return ("label", "labels") if self.classes else ("loss", "losses")

    def of(self, ids: pa.Array) -> np.ndarray:
        """Class numbers int64 or losses float64 of those of the `ids` that have one, in id order."""
        there = self.table.filter(pc.is_in(self.table.column("id"), value_set=ids))
        return codes(there, self.classes) if self.classes else there.column("loss").to_numpy()

    def facts(self, values: np.ndarray) -> dict[str, Any]:
        """How many labels each class has, or how many losses there are, of these values of `of`."""
        if not self.classes:
            return {"losses": len(values)}
        return {"labels": dict(zip(self.classes, np.bincount(values, minlength=len(self.classes)).tolist(), strict=True))}

    def refuse(self, values: np.ndarray, table: str) -> None:
        """Raise InputError where nothing can be learned of these values, of the rows that `table` holds."""
        if len(np.unique(values)) < 2:
            alike = "are of one class" if self.classes else "have one and the same loss"
            raise InputError(f"{table}: the labeled rows that it holds {alike}", "give the table that holds the other labeled rows too")


def from_labels(log: Source, declared: tuple[str, ...] | None, targets: Targets | None, console: Console) -> Learned:
    """The labels of the log, and the classes: those `declared`, else those of the labels and the targets. Raises InputError for labels of
    fewer than two, of another class, or where the three have no class in common."""
    rows = label_log.read(log)
    consensus = resolve(rows)
    if consensus.undecided:
        text = f"{log.name}: {count(consensus.undecided, 'id')} with answers of which none is the newest; the smaller label was taken"
        console.warn(text)
    labels = consensus.training
    return Learned(labels, _classes(log, labels, declared, targets), _out(rows, labels), {"labels": align.table_fingerprint(rows)})


def _classes(log: Source, labels: pa.Table, declared: tuple[str, ...] | None, targets: Targets | None) -> tuple[str, ...]:
    found = set(labels.column("label").to_pylist())
    classes = declared or tuple(sorted(found | set(targets.named if targets else ())))
    if declared:
        class_lists.match(dict.fromkeys(sorted(found), 1), classes, log.name, "--classes", "give the labels and the classes of one project")
    if targets and targets.named and targets.default is None and not declared and found:
        class_lists.match(dict.fromkeys(targets.named, 1), sorted(found), targets.name, log.name, "give the targets of this project")
    if unknown := sorted(found - set(classes)):
        text = f"{log.name}, column 'label': {count(len(unknown), 'class', 'classes')} not in --classes ({check.naming(unknown)})"
        raise InputError(text, class_lists.respelled(unknown, classes) or "name them in --classes, or leave it out")
    if len(found) < 2:
        there = f"{count(len(labels), 'label')} of {count(len(found), 'class', 'classes')}"
        raise InputError(f"{log.name}: {there}; a classifier needs two classes", "label some rows of another class first")
    return classes


def from_losses(losses: Source, log: Source | None, console: Console) -> Learned:
    """The losses but for those of held-out rows of the log, if there is one. Raises InputError for a loss that is no number."""
    index, parts, fingerprint = derive(losses, ["loss"], lambda values: values["loss"].astype(np.float64))
    table = pa.table({"id": index.take(np.arange(len(index))), "loss": index.arrange(np.concatenate(parts))})
    inputs = {"losses": fingerprint}
    rows, held = None, table.column("id").slice(0, 0)
    if log is not None:
        rows = label_log.read(log)
        inputs["labels"] = align.table_fingerprint(rows)
        held = resolve(rows).holdout.column("id")
    known = pc.is_in(table.column("id"), value_set=held.combine_chunks())
    if left := pc.sum(known).as_py():
        console.info(f"{losses.name}: left out {count(left, 'loss', 'losses')} of held-out rows")
        table = table.filter(pc.invert(known))
    return Learned(table, (), _out(rows, table), inputs)


def _out(log: pa.Table | None, learned: pa.Table) -> pa.Array:
    """The ids of the log that are not learned from: held out, skipped, or without what is learned."""
    ids = learned.column("id").combine_chunks()
    if log is None:
        return ids.slice(0, 0)
    others = pc.invert(pc.is_in(log.column("id"), value_set=ids))
    return log.column("id").filter(others).combine_chunks().unique()
