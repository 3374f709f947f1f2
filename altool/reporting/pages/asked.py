"""The last batch of queries, as cards: what people are to label next, or were asked last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from altool.reporting.relabeled import Again
from altool.tables.schema import RELABEL
from altool.text import count

CARDS = 24  # cards before the fold


@dataclass(frozen=True)
class Card:
    """A query: its id, the `suggested` label and how probable it is, the class that it was asked for, `why` it was chosen, its score, and
    the answer (None: there is none, "": it was skipped)."""

    id: Any
    suggested: str | None
    probability: float | None
    target: str | None
    why: str
    score: float | None
    answer: str | None

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is said of it but for its id and why, as names and texts."""
        found = []
        if self.answer is not None:
            found.append(("answer", self.answer or "skipped"))
        if self.suggested is not None:
            sure = "" if self.probability is None else f" ({self.probability:.0%})"
            found.append(("suggested", f"{self.suggested}{sure}"))
        if self.target is not None:
            found.append(("for class", self.target))
        return found


@dataclass(frozen=True)
class Batch:
    """The queries of a round in the order of their rank. Are some `open`, these alone; else all, with their answers."""

    round: int | None
    cards: list[Card]
    asked: int
    open: bool

    @property
    def title(self) -> str:
        return "Ask next" if self.open else "Asked last"

    @property
    def said(self) -> str:
        """What the batch is, as a sentence without a full stop."""
        where = "" if self.round is None else f" of round {self.round}"
        if not self.open:
            return f"all {count(self.asked, 'row')}{where} are answered" if self.asked > 1 else f"the row{where} is answered"
        which = "" if len(self.cards) == self.asked else f" of the {self.asked:,}"
        return f"{count(len(self.cards), 'row')}{which}{where} to label, the most useful first"


def last_batch(requests: Iterable[Mapping[str, Any]], answers: Mapping[Any, str | None], again: Again) -> Batch | None:
    """The batch of the last round of `requests`, rows of queries tables. `answers` maps the ids that people answered to labels, None where
    skipped; `again` the rows that were asked again, by round and id."""
    rows = [*{(row.get("round"), row["id"]): row for row in requests}.values()]
    if not rows:
        return None
    last = max((row.get("round") for row in rows), key=lambda number: -1 if number is None else number)
    mine = sorted((row for row in rows if row.get("round") == last), key=lambda row: (row.get("rank") is None, row.get("rank") or 0))
    cards = [_card(row, answers, again) for row in mine]
    unanswered = [card for card in cards if card.answer is None]
    return Batch(last, unanswered or cards, len(cards), bool(unanswered))


def _card(row: Mapping[str, Any], answers: Mapping[Any, str | None], again: Again) -> Card:
    key = (row.get("round"), row["id"])
    held = again if row.get("strategy") == RELABEL else {key: answers[row["id"]]} if row["id"] in answers else {}
    answer = (held[key] or "") if key in held else None
    parts = (row.get("strategy"), row.get("source"), row.get("tier") and f"tier {row['tier']}", row.get("phase"), row.get("reason"))
    return Card(
        id=row["id"],
        suggested=row.get("suggested_label"),
        probability=row.get("suggested_probability"),
        target=row.get("target_class"),
        why=", ".join(part for part in parts if part),
        score=row.get("score"),
        answer=answer,
    )
