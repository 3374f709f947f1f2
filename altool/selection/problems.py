"""What may be wrong with the data: what `altool check` finds, as rows of one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from altool.kernels import copies
from altool.labels.consensus import Labels, tallies
from altool.metrics import doubt, outliers
from altool.payloads import pictures
from altool.payloads.reading import Unusable, digest, read
from altool.payloads.shape import Payload
from altool.selection.contents import Contents
from altool.selection.relabel import Labeled
from altool.tables.align import Index
from altool.text import count

# In the order of the table: a leak flatters every figure, and comes first.
PROBLEMS = {
    "leak": "held-out rows with a copy that is trained on, which flatters every figure",
    "unreadable": "items that cannot be read",
    "empty": "items without a text or an image, and texts of blanks",
    "constant": "images of a single colour",
    "exact-copy": "items with the same content as an earlier one",
    "near-copy": "vectors nearly those of an earlier row",
    "label": "labels that are most likely wrong",
    "disagreement": "labels on which annotators disagree",
    "outlier": "vectors far from all others",
}
SMALL = pictures.Recipe(32, None, 4)  # a box filter: an image of one colour stays one


@dataclass
class Found:
    """The problems so far, one entry each: `ids`, what is wrong (of `PROBLEMS`), a score (higher is worse, None: there is none), the other
    row's id and the reason, None where there is none."""

    ids: list[Any] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)

    def add(self, id_: Any, problem: str, score: float | None = None, other: Any = None, reason: str | None = None) -> None:
        """One more."""
        self.ids.append(id_)
        self.problems.append(problem)
        self.scores.append(score)
        self.others.append(other)
        self.reasons.append(reason)

    def table(self, id_type: pa.DataType) -> pa.Table:
        """`id`, `problem`, `score`, `other_id`, `reason`: by problem, the highest score first, then by id."""
        order = list(PROBLEMS)
        rows = sorted(range(len(self.ids)), key=lambda row: (order.index(self.problems[row]), -(self.scores[row] or 0), self.ids[row]))
        columns: dict[str, tuple[Sequence[Any], pa.DataType]] = {
            "id": (self.ids, id_type),
            "problem": (self.problems, pa.string()),
            "score": (self.scores, pa.float32()),
            "other_id": (self.others, id_type),
            "reason": (self.reasons, pa.string()),
        }
        return pa.table({name: pa.array([values[row] for row in rows], type_) for name, (values, type_) in columns.items()})


def of_items(contents: Contents, held: set[Any], trained: set[Any], found: Found, advance: Callable[[int], None]) -> None:
    """Add the items that cannot be used and the exact copies: each of the first row in the table that holds the same; and of held-out rows
    those whose content is trained on."""
    first: dict[bytes, Any] = {}
    leaks: dict[bytes, Any] = {}
    waiting: list[tuple[Any, bytes]] = []
    for id_, column, payload in contents.rows():
        advance(1)
        reason = _fault(column, payload)
        if reason is not None:
            found.add(id_, reason[0], reason=reason[1])
        if reason is not None and reason[0] != "constant":
            continue
        key = digest(read(payload)).tobytes()
        if key in first:
            found.add(id_, "exact-copy", 1.0, first[key])
        first.setdefault(key, id_)
        if id_ in trained:
            leaks.setdefault(key, id_)
        if id_ in held:
            waiting.append((id_, key))
    for id_, key in waiting:
        if key in leaks:
            found.add(id_, "leak", 1.0, leaks[key])


def _fault(column: str, payload: Payload) -> tuple[str, str | None] | None:
    """What is wrong with the item, and why; None for nothing."""
    if not column:
        return "empty", "null"
    if column == "text":
        return ("empty", "blank") if all(char.isspace() or not char.isprintable() for char in str(payload)) else None
    try:
        data = read(payload)
        pixels = pictures.decode(data, SMALL)
    except Unusable as error:
        return "unreadable", str(error) if payload is not None else "a path out of the table's folder"
    return ("constant", None) if (pixels == pixels[0, 0]).all() else None


def of_features(
    index: Index,
    rows: np.ndarray,
    labels: Labels | None,
    threshold: float,
    draw: np.random.Generator,
    found: Found,
    advance: Callable[[int], None],
) -> None:
    """Add the near copies that are no exact ones, each of the earlier row in id order that it is most like; the held-out rows that are
    near copies of rows that are trained on, unless their content told it; and the outliers. `rows` float (n, D)."""

    def ids(places: np.ndarray) -> list[Any]:
        return list(index.take(places).to_pylist())

    exact = {id_ for id_, problem in zip(found.ids, found.problems, strict=True) if problem == "exact-copy"}
    near = copies.nearest(rows, None, threshold, advance)
    for id_, score, other in zip(ids(near.rows), near.cosines.tolist(), ids(near.others), strict=True):
        if id_ not in exact:
            found.add(id_, "near-copy", score, other)
    if labels is not None:
        held, trained = (np.sort(index.positions(part.column("id"))) for part in (labels.holdout, labels.training))
        held, trained = held[held >= 0], trained[trained >= 0]
        known = {id_ for id_, problem in zip(found.ids, found.problems, strict=True) if problem == "leak"}
        leaks = copies.nearest(rows[held], rows[trained], threshold)
        for id_, score, other in zip(ids(held[leaks.rows]), leaks.cosines.tolist(), ids(trained[leaks.others]), strict=True):
            if id_ not in known:
                found.add(id_, "leak", score, other)
    length = rows.any(axis=1)
    unit = copies.single(rows)
    z = np.zeros(len(rows))
    z[length] = outliers.robust_z(outliers.isolation(unit[length], draw))
    far = np.flatnonzero(z >= outliers.UNLIKELY)
    for id_, score in zip(ids(far), z[far].tolist(), strict=True):
        found.add(id_, "outlier", score)


def of_labels(labeled: Labeled, found: Found) -> None:
    """Add the labels that are most likely wrong, by predictions of a model that did not see them."""
    known = np.flatnonzero(labeled.predicted)
    if not len(known):
        return
    doubted, margin = doubt.margins(labeled.probabilities[known], labeled.codes[known])
    likeliest = labeled.probabilities[known].argmax(axis=1)
    ids, said = (labeled.table.column(name).take(pa.array(known)).to_pylist() for name in ("id", "label"))
    for place in np.flatnonzero(doubted):
        reason = f"labeled {said[place]}, predicted {labeled.classes[likeliest[place]]}"
        found.add(ids[place], "label", float(margin[place]), reason=reason)


def of_annotators(log: pa.Table, labels: Labels, found: Found) -> None:
    """Add the ids on which people disagree: by how many of them the most frequent other class is ahead of the label, as a share."""
    said = {id_: label for id_, label in labels.by_people.items() if label is not None}
    for id_, tally in tallies(log).items():
        votes = {name: number for name, number in tally.items() if name is not None}
        if len(votes) < 2 or id_ not in said:
            continue
        against = max(number for name, number in votes.items() if name != said[id_])
        share = doubt.dissent(np.array(votes.get(said[id_], 0)), np.array(against), np.array(sum(votes.values())))
        parts = sorted(votes.items(), key=lambda part: (-part[1], part[0]))
        found.add(id_, "disagreement", float(share), reason=", ".join(f"{name} {count(number, 'vote')}" for name, number in parts))
