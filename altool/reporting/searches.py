"""What strategies that ask (direct, galaxy) found of where each class ends, and what that took of the budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Search:
    """How a round of a strategy that asks spent its budget on a class: labels to find where the class ends, and labels next to it.

    Of a complete round also what it found in the list of `size` rows that look most like the class first: the `threshold` (so many rows are
    taken to be of the class, the last of them with the largest probability `gap` above the class's own), and between which cuts it may
    lie (`first` to `last`), with the number of `unlabeled` rows between them.
    """

    round: int
    name: str
    searched: int
    spent: int
    size: int | None = None
    threshold: int | None = None
    gap: float | None = None
    first: int | None = None
    last: int | None = None
    unlabeled: int | None = None


def by_class(entries: Iterable[Mapping[str, Any]], found: Iterable[tuple[int, Sequence[Mapping[str, Any]]]]) -> list[Search]:
    """What the rounds of strategies that ask spent on each class, and found there.

    `entries` are rows of queries tables; `found` by round what select wrote of each class, the newest last.
    """
    spent: dict[tuple[int, str], Counter[str]] = {}
    for (round_, _), entry in {(entry.get("round"), entry["id"]): entry for entry in entries}.items():
        if entry.get("phase") and entry.get("target_class") is not None and round_ is not None:
            spent.setdefault((round_, entry["target_class"]), Counter())[entry["phase"]] += 1
    known = {(round_, fact["class"]): fact for round_, facts in found for fact in facts}
    lines = []
    for key in sorted(spent.keys() | known.keys()):
        asked, fact = spent.get(key, Counter()), known.get(key, {})
        facts: dict[str, Any] = {name: fact.get(name) for name in ("size", "threshold", "gap", "first", "last", "unlabeled")}
        lines.append(Search(round=key[0], name=key[1], searched=asked["search"], spent=asked["spend"], **facts))
    return lines


def cells(line: Search) -> list[str]:
    """Where a class ends, the gap there, between which places it may end, and the unlabeled rows between them; empty if not known yet."""
    if line.threshold is None:
        return ["", "", "", ""]
    gap = "" if line.gap is None else f"{line.gap:.3f}"
    return [f"{line.threshold:,} of {line.size:,}", gap, f"{line.first:,} to {line.last:,}", f"{line.unlabeled:,}"]
