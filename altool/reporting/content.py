"""The content of a report as plain data: what the terminal, the page and `--json` all show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from altool.labels.costs import Cost
from altool.metrics import gaps, steering
from altool.metrics.evaluation import Evaluation
from altool.metrics.measured import Measured
from altool.metrics.proof import PROVED, States
from altool.reporting.forecast import Forecast, cells
from altool.reporting.proof import Proof
from altool.reporting.relabeled import Again, Relabeled
from altool.reporting.searches import Search
from altool.reporting.stopping import AGREEMENT, Stopping
from altool.tables.schema import CHANCE, RELABEL
from altool.text import count, visible

SOURCE_ORDER = ("seed", "explore", "exploit", "auto", "unknown", "holdout")
DEFAULT_METRIC = "f1"  # what is shown of a class without a target
SHORT = {"f1": "F1", "recall": "recall", "precision": "precision", "accuracy": "accuracy", "macro_f1": "macro-F1"}
SHORT |= {"macro_recall": "macro recall", "shortfall": "shortfall", "specificity": "specificity"}


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, and the value in the last earlier round (None: there is none)."""

    value: float
    low: float
    high: float
    was: float | None = None


@dataclass(frozen=True)
class Aim:
    """A class's target. `met` and `state` (of proof.STATES) are None where priority 0 leaves the class out; `rows_to_prove` as there."""

    metric: str
    target: float
    priority: float
    gap: float
    weight: float
    met: bool | None
    state: str | None
    rows_to_prove: int | None


@dataclass(frozen=True)
class Sampled:
    """What one sample of rows says of a class, to weigh it by: its `rows` there, and each metric."""

    rows: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class ClassReport:
    """One class. `labels` counts its training labels, `support` the measured rows that are of it, `samples` has what can steer.

    `threshold` belongs to recall at precision: None where no threshold is precise enough.
    """

    name: str
    labels: int
    labels_by_source: dict[str, int]
    support: int
    metrics: dict[str, Estimate]
    at_precision: float
    threshold: float | None
    target: Aim | None
    samples: dict[str, Sampled] = field(default_factory=dict)  # by name of steering.SAMPLES

    @property
    def shown(self) -> str:
        """The metric that matters for the class: its target's, else F1."""
        return self.target.metric if self.target else DEFAULT_METRIC


@dataclass(frozen=True)
class Rows:
    """What was measured, and which labeled rows were not. `left_out` counts by source what would have been biased."""

    measured: int
    by_source: dict[str, int]
    biased: int
    without_prediction: int
    in_sample: int
    left_out: dict[str, int]


@dataclass(frozen=True)
class Labels:
    """The label log: training labels and held-out labels by source, skipped rows, training labels by round ("" is none)."""

    training: int
    by_source: dict[str, int]
    skipped: int
    by_round: dict[str, int]
    contested: int


@dataclass(frozen=True)
class Past:
    """An earlier round: all labels it had (None: unknown), overall metrics, each class's metrics, how many rows were measured, and of each
    class how many of these it had, and how many labels."""

    round: int | None
    labels: int | None
    overall: dict[str, float]
    classes: dict[str, dict[str, float]]
    rows: int | None = None
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """The queries of one round, strategy, source and tier, and what became of them.

    `suggested` counts the answered ones that came with a suggestion, `accepted` those whose answer was the suggestion.
    """

    round: int | None
    strategy: str | None
    source: str | None
    tier: str | None
    asked: int
    answered: int
    skipped: int
    suggested: int
    accepted: int


@dataclass(frozen=True)
class Report:
    round: int | None
    measured_on: str
    rows: Rows
    overall: dict[str, Estimate]
    classes: list[ClassReport]
    labels: Labels
    history: list[Past]
    queries: list[Asked]
    suggestions: dict[str, dict[str, int]]  # by round, then by suggested label
    searches: list[Search] = field(default_factory=list)
    cost: Cost | None = None  # unknown
    stopping: Stopping | None = None
    proof: Proof | None = None  # without targets
    forecast: Forecast | None = None  # without targets
    relabeled: list[Relabeled] = field(default_factory=list)  # labels that were asked again, where there are some
    training: dict[str, list[float]] = field(default_factory=dict)  # per epoch loss, accuracy, rate and, with a ranker, its loss

    @property
    def aims(self) -> list[ClassReport]:
        """The classes whose target counts."""
        return [line for line in self.classes if line.target and line.target.met is not None]

    @property
    def missed(self) -> list[str]:
        return [line.name for line in self.aims if line.target and not line.target.met]

    @property
    def unproved(self) -> list[str]:
        return [line.name for line in self.aims if line.target and line.target.state != PROVED]

    @property
    def targets_line(self) -> str:
        """How many targets are met, and how many of these are proved; empty without any."""
        total, missed = len(self.aims), len(self.missed)
        return f"{total - missed} of {count(total, 'target')} met, {total - len(self.unproved)} proved" if total else ""

    @property
    def proofs(self) -> list[str]:
        """What the proofs rest on, and what would prove the rest, in sentences without full stops."""
        found = [(line.name, line.support, line.target.state, line.target.rows_to_prove) for line in self.aims if line.target]
        return self.proof.lines(found) if self.proof and found else []

    @property
    def basis(self) -> str:
        """One sentence: what was measured."""
        sources = ", ".join(f"{source} {count:,}" for source, count in self.rows.by_source.items())
        nouns = {
            "holdout": ("held-out row", ""),
            "out-of-fold": ("out-of-fold prediction", ""),
            "all": ("labeled row of every source", "labeled rows of every source"),
        }
        return f"measured on {count(self.rows.measured, *nouns[self.measured_on])} ({sources})"

    @property
    def caution(self) -> str:
        """What must be said wherever values are shown; empty if nothing."""
        if self.measured_on != "all":
            return ""
        if not self.rows.biased:
            return "measured on rows of every source (--evaluate-on all)"
        return (
            f"BIASED: {self.rows.biased:,} of {count(self.rows.measured, 'measured row')} chosen by uncertainty, or of unknown source "
            "(--evaluate-on all): the values do not describe the pool"
        )

    @property
    def advice(self) -> list[str]:
        """What the next labels bring, what the targets need, and whether to stop, in sentences without full stops."""
        forecast = [line] if self.forecast and (line := self.forecast.line()) else []
        return [*forecast, *(self.stopping.lines(SHORT[self.stopping.metric]) if self.stopping else [])]


def metric_name(metric: str, at_precision: float) -> str:
    """How people read a metric's name."""
    return f"R@P {at_precision:g}" if metric == "recall_at_precision" else SHORT[metric]


def short(name: str, width: int = 28) -> str:
    """A class name that fits beside a plot or into a terminal."""
    name = visible(name)
    return name if len(name) <= width else name[: width - 1] + "…"


def class_reports(
    classes: Sequence[str],
    evaluation: Evaluation,
    at_precision: Sequence[float],
    aims: gaps.Aims | None,
    counts: Mapping[str, Mapping[str, int]],
    past: Sequence[Past],
    samples: Mapping[str, Evaluation] = MappingProxyType({}),
    states: States = ([], []),
) -> list[ClassReport]:
    """One entry per class. `counts` holds each class's labels by source, `samples` by name what can steer, `states` belongs
    to `aims`."""
    if aims is not None:
        values = steering.Sample.of(evaluation, aims).value
        missing, reached = gaps.gap(values, aims.targets), gaps.met(values, aims.targets)
        weighed = steering.steered({name: steering.Sample.of(found, aims) for name, found in samples.items()}, aims, steering.AUTO)
    lines = []
    for code, name in enumerate(classes):
        metrics = {
            metric: Estimate(float(found.value[code]), float(found.low[code]), float(found.high[code]), _was(past, metric, name))
            for metric, found in evaluation.metrics.items()
        }
        aim = None
        if aims is not None:
            target, priority, gap, weight = (float(of[code]) for of in (aims.targets, aims.priorities, missing, weighed))
            met = bool(reached[code]) if priority > 0 else None
            aim = Aim(aims.metrics[code], target, priority, gap, weight, met, states[0][code], states[1][code])
        by_source = {source: counts[name][source] for source in SOURCE_ORDER if source in counts.get(name, {})}
        threshold = float(evaluation.threshold[code])
        lines.append(
            ClassReport(
                name=name,
                labels=sum(count for source, count in by_source.items() if source != "holdout"),
                labels_by_source=by_source,
                support=int(evaluation.support[code]),
                metrics=metrics,
                at_precision=at_precision[code],
                threshold=threshold if np.isfinite(threshold) else None,
                target=aim,
                samples={
                    name: Sampled(int(found.support[code]), {metric: float(one.value[code]) for metric, one in found.metrics.items()})
                    for name, found in samples.items()
                },
            )
        )
    return lines


def overall(evaluation: Evaluation, past: Sequence[Past]) -> dict[str, Estimate]:
    return {name: Estimate(*found, past[-1].overall.get(name) if past else None) for name, found in evaluation.overall.items()}


def _was(past: Sequence[Past], metric: str, name: str) -> float | None:
    return past[-1].classes.get(name, {}).get(metric) if past else None


def rows(chosen: Measured, source: np.ndarray) -> Rows:
    return Rows(
        measured=int(chosen.rows.sum()),
        by_source=tally(source[chosen.rows]),
        biased=int(chosen.biased.sum()),
        without_prediction=int(chosen.unpredicted.sum()),
        in_sample=int(chosen.in_sample.sum()),
        left_out=tally(source[chosen.left_out]),
    )


def tally(sources: Iterable[str | None]) -> dict[str, int]:
    """How many of each source, in a fixed order."""
    found = Counter(str(source or "unknown") for source in sources)
    return {source: found[source] for source in SOURCE_ORDER if found[source]}


def labels(log: Sequence[tuple[str | None, str | None, int | None]], contested: int) -> tuple[Labels, dict[str, Counter[str]]]:
    """The counts of a resolved log of (label, source, round), label None where skipped, and each class's labels by source."""
    given = [(name, source or "unknown", round_) for name, source, round_ in log if name is not None]
    counts: dict[str, Counter[str]] = {}
    for name, source, _ in given:
        counts.setdefault(name, Counter())[source] += 1
    training = [round_ for _, source, round_ in given if source != "holdout"]
    by_round = Counter(training)
    ordered = sorted(by_round, key=lambda value: (value is None, value or 0))
    total = Labels(
        training=len(training),
        by_source=tally(source for _, source, _ in given),
        skipped=len(log) - len(given),
        by_round={"" if value is None else str(value): by_round[value] for value in ordered},
        contested=contested,
    )
    return total, counts


def history(entries: Iterable[Mapping[str, Any]]) -> list[Past]:
    """Earlier rounds, oldest first, from rows of metrics tables. Raises ValueError where a round holds a class's metric twice."""
    rounds: dict[int | None, dict[tuple[str | None, str], Mapping[str, Any]]] = {}
    for entry in entries:
        found = rounds.setdefault(entry.get("round"), {})
        key = (entry["class"], entry["metric"])
        if key in found:
            where = "without a round" if entry.get("round") is None else f"round {entry['round']}"
            raise ValueError(f"{where}: metric {key[1]!r} of {'all classes' if key[0] is None else repr(key[0])} appears twice")
        found[key] = entry
    past = []
    for round_, found in rounds.items():
        counts = [entry.get("labels") for (name, _), entry in found.items() if name is None]
        classes: dict[str, dict[str, float]] = {}
        own: dict[str, tuple[int, int]] = {}
        for (name, metric), entry in found.items():
            if name is not None:
                classes.setdefault(name, {})[metric] = entry["value"]
                own[name] = entry.get("support") or 0, entry.get("labels") or 0
        totals = {metric: entry["value"] for (name, metric), entry in found.items() if name is None}
        sizes = [entry.get("support") for (name, metric), entry in found.items() if name is None and metric in SHORT]
        past.append(Past(round_, counts[0] if counts else None, totals, classes, sizes[0] if sizes else None, own))
    return sorted(past, key=lambda entry: -1 if entry.round is None else entry.round)


def queries(
    entries: Iterable[Mapping[str, Any]], answers: Mapping[Any, str | None], again: Again = MappingProxyType({})
) -> tuple[list[Asked], dict[str, dict[str, int]]]:
    """What was asked, by round, strategy, source and tier, and how often each label was suggested in a round.

    `entries` are rows of queries tables (an id that a round asks for again counts once), `answers` maps the ids that people answered to
    labels, None where skipped: what the machine labeled itself is no answer. A label that was there before does not answer a query that
    asks again; `again` does, by round and id.
    """
    distinct = {(entry.get("round"), entry["id"]): entry for entry in entries}
    groups: dict[tuple[Any, ...], Counter[str]] = {}
    suggestions: dict[str, Counter[str]] = {}
    for (round_, row), entry in distinct.items():
        group = groups.setdefault((round_, entry.get("strategy"), entry.get("source"), entry.get("tier")), Counter())
        group["asked"] += 1
        given = again if entry.get("strategy") == RELABEL else {(round_, row): answers[row]} if row in answers else {}
        label, suggestion = given.get((round_, row)), entry.get("suggested_label")
        if (round_, row) in given:
            group["answered" if label is not None else "skipped"] += 1
        if suggestion is not None and entry.get("suggested_by") != CHANCE:
            suggestions.setdefault("" if round_ is None else str(round_), Counter())[suggestion] += 1
            if label is not None:
                group["suggested"] += 1
                group["accepted"] += label == suggestion
    fields = ("asked", "answered", "skipped", "suggested", "accepted")
    order = sorted(
        groups, key=lambda key: tuple((part is not None, part or 0) if place == 0 else part or "" for place, part in enumerate(key))
    )
    asked = [Asked(*key, *(groups[key][name] for name in fields)) for key in order]
    rounds_ = sorted(suggestions, key=lambda value: int(value or -1))
    return asked, {key: dict(sorted(suggestions[key].items(), key=lambda item: (-item[1], item[0]))) for key in rounds_}


def metrics_rows(report: Report) -> list[dict[str, Any]]:
    """The metrics table's rows: five per class in class order, then the overall ones (schema.py, kind "metrics")."""
    rows: list[dict[str, Any]] = []
    for line in report.classes:
        for metric, estimate in line.metrics.items():
            aim = line.target if line.target and line.target.metric == metric else None
            at_precision = metric == "recall_at_precision"
            rows.append(
                {
                    "class": line.name,
                    "metric": metric,
                    "value": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "support": line.support,
                    "labels": line.labels,
                    "target": aim and aim.target,
                    "gap": aim and aim.gap,
                    "weight": aim and aim.weight,
                    "state": aim and aim.state,
                    "rows_to_prove": aim and aim.rows_to_prove,
                    "threshold": (np.inf if line.threshold is None else line.threshold) if at_precision else None,
                    "round": report.round,
                }
                | {f"{name}_value": found.metrics[metric] for name, found in line.samples.items()}
                | {f"{name}_rows": found.rows for name, found in line.samples.items()}
                | (cells(report.forecast, line.name) if aim else {})
            )
    for metric, estimate in report.overall.items():
        rows.append(
            {
                **dict.fromkeys(rows[0]),
                "metric": metric,
                "value": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "support": report.rows.measured,
                "labels": report.labels.training,
                "round": report.round,
            }
        )
    if report.stopping and (found := report.stopping.agreement):
        shared = {"support": found.rows, "labels": report.labels.training, "round": report.round}
        rows.append({**dict.fromkeys(rows[0]), "metric": AGREEMENT, "value": found.kappa, **shared})
    return rows
