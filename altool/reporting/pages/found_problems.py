"""What `altool check` found, as the page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from altool.selection.problems import PROBLEMS

ROWS = 12  # rows of a problem


@dataclass(frozen=True)
class Problem:
    """A kind of problem: what it means, how many rows have it, and the worst of them as rows of the problems table."""

    name: str
    meaning: str
    rows: int
    first: list[Mapping[str, Any]]

    @property
    def left(self) -> int:
        return self.rows - len(self.first)


def problems(rows: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """The kinds of problems in rows of a problems table, in the order of `PROBLEMS`; kinds of somebody else's come last."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["problem"], []).append(row)
    order = [*(name for name in PROBLEMS if name in groups), *sorted(groups.keys() - PROBLEMS.keys())]
    return [Problem(name, PROBLEMS.get(name, ""), len(groups[name]), groups[name][:ROWS]) for name in order]


def wanted(found: Iterable[Problem]) -> list[Any]:
    """The ids of the rows that are shown, and of those that they are like."""
    return [id_ for one in found for row in one.first for id_ in (row["id"], row.get("other_id")) if id_ is not None]
