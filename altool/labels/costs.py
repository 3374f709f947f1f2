"""What a label log cost, and whether the suggestions helped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from altool.labels.consensus import Labels, resolve, standing
from altool.metrics import cost
from altool.metrics.intervals import wilson
from altool.metrics.tiers import EASY, TIERS
from altool.tables.schema import CHANCE, RELABEL
from altool.text import count


@dataclass(frozen=True)
class Round:
    """The people's answers of a round by kind, the labels that cost nothing, and the cost (None: nobody knows what answers cost)."""

    round: int | None
    verified: int
    corrected: int
    scratch: int
    auto: int
    free: int
    cost: float | None


@dataclass(frozen=True)
class Times:
    """Median seconds of an annotator's answers, or of those that are of a class (both None: of all), of how many, and their means."""

    annotator: str | None
    class_: str | None
    verified: float | None
    corrected: float | None
    scratch: float | None
    timed: dict[str, int]
    mean: dict[str, float | None] = field(default_factory=dict)

    @property
    def ratios(self) -> tuple[float | None, float | None]:
        """c_a : c_v by medians, and by means."""
        return cost.ratio((self.verified, self.corrected, self.scratch)), cost.ratio([self.mean.get(name) for name in cost.KINDS])


@dataclass(frozen=True)
class Acceptance:
    """How many rows with a suggestion have it as their label, with a 95 % interval: of a tier, and suggested as a class (None: any)."""

    tier: str | None
    class_: str | None
    suggested: int
    accepted: int
    low: float
    high: float


@dataclass(frozen=True)
class Cost:
    """`prices` are those of a verified, a corrected and an answer from scratch, `given` or measured in seconds (None: unknown).

    `per_row` is how many answers a row got, on average over the rows that cost something. `wrong` answers are not the truth that was given;
    their times count nowhere.
    """

    given: bool
    prices: dict[str, float | None]
    rounds: list[Round]
    total: float | None
    per_row: float
    times: list[Times]
    acceptance: list[Acceptance]
    wrong: int = 0

    def suggestions(self, tier: str | None = None) -> tuple[int, int]:
        """How many were answered, and accepted."""
        return next(((one.suggested, one.accepted) for one in self.acceptance if (one.tier, one.class_) == (tier, None)), (0, 0))

    @property
    def easy_loss(self) -> str:
        """What to warn of where the audited rows of CLARIFIER's easy tier say that its auto labels cost more than they give; or "".

        At these prices, or at cost.UNMEASURED where they are unknown."""
        suggested, accepted = self.suggestions(TIERS[EASY])
        known = [np.nan if value is None else value for value in self.prices.values()]
        price = np.array(known) if known[cost.VERIFIED] + known[cost.CORRECTED] > 0 else cost.UNMEASURED
        least = cost.break_even(price)
        if not suggested or accepted / suggested >= least:
            return ""
        right = f"{accepted:,} of {count(suggested, 'audited suggestion')} right ({accepted / suggested:.0%})"
        return f"easy tier: {right}, below {least:.0%} its auto labels cost more to correct than to verify; ask people about these rows"

    @property
    def unit(self) -> str:
        return "cost" if self.given else "seconds"


def of_log(
    log: pa.Table,
    labels: Labels,
    requests: Sequence[Mapping[str, Any]],
    given: tuple[float, float] | None = None,
    truth: Mapping[Any, str] = MappingProxyType({}),
) -> Cost | None:
    """`costs` of a label log as tables.label_log reads it, and what it resolves to."""
    told = any(log.column(name).null_count < len(log) for name in ("seconds", "suggested_label"))
    if not told and given is None and not any(row.get("suggested_label") for row in requests):
        return None  # without a look at single rows
    return costs(standing(log).to_pylist(), requests, labels.by_people, given, truth)


def costs(
    answers: Iterable[Mapping[str, Any]],
    requests: Iterable[Mapping[str, Any]],
    labels: Mapping[Any, str | None],
    given: tuple[float, float] | None,
    truth: Mapping[Any, str] = MappingProxyType({}),
) -> Cost | None:
    """What a label log cost; None where it holds neither times nor suggestions and no prices are `given` (of a verified, of any other).

    `answers` are the standing rows of the log, `requests` rows of queries tables, which say the tier, and the suggestion where the log
    does not; `labels` maps the ids that people labeled to the label that they agreed on. Every answer costs, each annotator's too; but
    acceptance counts a row once, by what was agreed on, and no suggestion that replaced the model's. Answers that are not the `truth` of
    their id are not timed.
    """
    asked = {(row.get("round"), row["id"]): row for row in requests}
    distinct = {tuple(row.items()): row for row in answers}.values()  # two imports at once may have added the same row
    people = [row for row in distinct if row["source"] != "auto"]
    queries = [asked.get((row["round"], row["id"]), {}) for row in people]
    suggested = [row["suggested_label"] or query.get("suggested_label") for row, query in zip(people, queries, strict=True)]
    said = [None if row["status"] == "skipped" else row["label"] for row in people]
    names = sorted({name for name in (*suggested, *said) if name is not None})
    code = {name: place for place, name in enumerate(names)} | {None: cost.NONE}
    kind = cost.kinds(np.array([code[name] for name in said], np.int64), np.array([code[name] for name in suggested], np.int64))
    seconds = np.array([np.nan if row["seconds"] is None else row["seconds"] for row in people], np.float64)
    wrong = np.array([name is not None and truth.get(row["id"], name) != name for row, name in zip(people, said, strict=True)], bool)
    seconds[wrong] = np.nan
    if given is None and not np.isfinite(seconds).any() and not any(suggested):
        return None
    price = np.array([given[0], given[1], given[1]]) if given else cost.prices(kind, seconds)
    shown: dict[Any, tuple[str | None, str]] = {}
    ordered = sorted(zip(people, queries, suggested, strict=True), key=lambda one: (_round(one[0]["round"]), one[2] or ""))
    for row, query, suggestion in ordered:
        # who answers what nobody asked is no fair sample of it
        if suggestion is not None and query.get("source") != "auto" and query.get("suggested_by") != CHANCE:
            shown[row["id"]] = query.get("tier"), suggestion  # of the last round that suggested something
    # Whoever is asked again about a row that was free is paid.
    free = [row["source"] in cost.FREE and query.get("strategy") != RELABEL for row, query in zip(people, queries, strict=True)]
    rounds = _rounds(people, kind, free, [row["round"] for row in distinct if row["source"] == "auto"], price)
    paid = np.sum([[one.verified, one.corrected, one.scratch] for one in rounds], axis=0) if rounds else np.zeros(3, np.int64)
    return Cost(
        given=given is not None,
        prices={name: _known(value) for name, value in zip(cost.KINDS, price, strict=True)},
        rounds=rounds,
        total=_known(cost.spent(paid, price)),
        per_row=int(paid.sum()) / max(1, len({row["id"] for row, is_free in zip(people, free, strict=True) if not is_free})),
        times=list(_times([row["annotator"] for row in people], said, kind, seconds)),
        acceptance=_acceptance([(*shown[row], labels[row]) for row in shown if labels.get(row) is not None]),
        wrong=int(wrong.sum()),
    )


def _round(number: int | None) -> int:
    return -1 if number is None else number


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _rounds(
    people: Sequence[Mapping[str, Any]], kind: np.ndarray, free: Sequence[bool], auto: Sequence[int | None], price: np.ndarray
) -> list[Round]:
    counts: dict[int | None, Counter[str]] = {}
    for row, place, is_free in zip(people, kind, free, strict=True):
        counts.setdefault(row["round"], Counter())["free" if is_free else cost.KINDS[place]] += 1
    for round_ in auto:
        counts.setdefault(round_, Counter())["auto"] += 1
    rounds = []
    for round_ in sorted(counts, key=_round):
        own = counts[round_]
        kinds = {name: own[name] for name in cost.KINDS}
        price_ = _known(cost.spent(np.array(list(kinds.values())), price))
        rounds.append(Round(round_, **kinds, auto=own["auto"], free=own["free"], cost=price_))
    return rounds


def _times(annotators: Sequence[str | None], labels: Sequence[str | None], kind: np.ndarray, seconds: np.ndarray) -> Iterator[Times]:
    """Of all, of each annotator, of each class; only what was timed."""
    who, what = np.array(annotators, object), np.array(labels, object)
    groups: list[tuple[str | None, str | None, np.ndarray]] = [(None, None, np.ones(len(kind), bool))]
    groups += [(name, None, who == name) for name in sorted({name for name in annotators if name is not None})]
    groups += [(None, name, what == name) for name in sorted({name for name in labels if name is not None})]
    for annotator, class_, mine in groups:
        found, timed = cost.medians(kind[mine], seconds[mine])
        if timed.any():
            values = {name: _known(value) for name, value in zip(cost.KINDS, found, strict=True)}
            mean = {name: _known(value) for name, value in zip(cost.KINDS, cost.means(kind[mine], seconds[mine]), strict=True)}
            yield Times(annotator, class_, **values, timed=dict(zip(cost.KINDS, timed.tolist(), strict=True)), mean=mean)


def _acceptance(rows: Sequence[tuple[str | None, str, str | None]]) -> list[Acceptance]:
    """Of (tier, suggestion, label): of all, of each tier, of each suggested class, and of each class of a tier."""
    groups: dict[tuple[str | None, str | None], list[int]] = {}
    for tier, suggestion, label in rows:
        for key in dict.fromkeys(((None, None), (tier, None), (None, suggestion), (tier, suggestion))):
            group = groups.setdefault(key, [0, 0])
            group[0] += 1
            group[1] += label == suggestion
    order = sorted(groups, key=lambda key: (key[1] is not None, key[0] is not None, _tier(key[0]), key[0] or "", key[1] or ""))
    counts = np.array([groups[key] for key in order], np.int64).reshape(-1, 2)
    low, high = wilson(counts[:, 1], counts[:, 0])
    return [Acceptance(*key, int(n), int(k), float(a), float(b)) for key, (n, k), a, b in zip(order, counts, low, high, strict=True)]


def _tier(name: str | None) -> int:
    return TIERS.index(name) if name in TIERS else len(TIERS)


def known(log: pa.Table) -> dict[Any, str]:
    """The agreed label of each id of a log that has one."""
    table = resolve(log).table
    ids, labels = (table.column(name).to_pylist() for name in ("id", "label"))
    return {id_: label for id_, label in zip(ids, labels, strict=True) if label is not None}
