"""What a report says of stopping: what the next labels bring, and how far the predictions of the pool still change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.errors import InputError
from altool.metrics import stopping
from altool.tables import rounds
from altool.tables.derive import derive
from altool.tables.previous import read_previous
from altool.tables.read import Source
from altool.text import count

if TYPE_CHECKING:
    from altool.reporting.content import Estimate, Past

AGREEMENT = "agreement"  # the metric of all classes that holds the kappa
OF_TARGETS = {"f1": "macro_f1", "recall": "macro_recall"}  # what a target's metric is averaged to


@dataclass(frozen=True)
class Agreement:
    """The `kappa` of this round's predictions with those of an earlier one that had so many `labels`, over `rows` of the pool without a
    label."""

    kappa: float
    rows: int
    labels: int


class Next(TypedDict):
    """What the next labels bring: of a metric the rise, with an interval."""

    value: float
    low: float
    high: float


class NextRound(Next):
    """The same of a round as large as the last, of so many labels."""

    labels: int


class GainSummary(TypedDict):
    """The `slope` of the metric a doubling of the labels, its standard `error`, and over which rounds and labels (first, last)."""

    slope: float
    error: float
    rounds: int
    labels: list[int]
    next_100: Next
    next_round: NextRound | None


class AgreementSummary(TypedDict):
    """Cohen's kappa of the predictions with earlier ones, over so many rows without a label, and how many labels there were then."""

    kappa: float
    rows: int
    labels: int


class StoppingSummary(TypedDict):
    """Whether to stop labeling, and what that rests on."""

    metric: str
    gain: GainSummary | None
    agreement: AgreementSummary | None
    agreements: list[float]
    stop: bool


@dataclass(frozen=True)
class Stopping:
    """`gain` of the `metric` on the holdout, None where it is unknown; `agreements` (kappas) of the rounds that have one, this round's the
    last, and how this round's came about; `stop` where both say so."""

    metric: str
    gain: stopping.Gain | None
    agreement: Agreement | None
    agreements: tuple[float, ...]
    held_out: bool
    classes: int
    step: int = 0  # labels of the last round; 0: unknown

    @property
    def stop(self) -> bool:
        return self.held_out and self.agreement is not None and stopping.stop(self.gain, self.agreements, self.classes)

    def lines(self, name: str) -> list[str]:
        """What is said, in sentences without full stops. `name` is the metric's as people read it."""
        said = []
        if self.gain and self.held_out:
            said.append(next_labels(self.gain, name) + self._next_round())
        if self.agreement:
            found = self.agreement
            changing = "; predictions still change" if found.kappa < stopping.CHANGING and not self.stop else ""
            rows = f"over {count(found.rows, 'row')} without a label"
            said.append(f"agreement with the predictions at {count(found.labels, 'label')}: kappa {found.kappa:.2f} {rows}{changing}")
        if self.stop and self.gain:
            slope = f"{name} rises by {_points(self.gain.slope)} points a doubling of the labels, less than {100 * stopping.SLOPE:g}"
            mean = float(np.mean(self.agreements[-stopping.AGREEMENTS :]))
            kappa = f"the mean kappa of the last {stopping.AGREEMENTS} rounds is {mean:.2f}, at least {stopping.STABLE:.2f}"
            said.append(f"stop: {slope}, and {kappa}")
        return said

    def _next_round(self) -> str:
        """The same line, over a round as large as the last; empty where it would go on beyond 1."""
        if not self.gain or self.step <= 0:
            return ""
        value, low, high = self.gain.next(self.step)
        if value >= 1 - self.gain.value:
            return ""
        return f"; a round of {self.step:,}, as large as the last, {_points(value)} [{_points(low)}, {_points(high)}]"

    def summary(self) -> StoppingSummary:
        """As a JSON object."""
        found: GainSummary | None = None
        if self.gain and self.held_out:
            step: NextRound | None = None
            if self.step > 0:
                value, low, high = self.gain.next(self.step)
                step = {"labels": self.step, "value": value, "low": low, "high": high}
            value, low, high = self.gain.next()
            found = {
                "slope": self.gain.slope,
                "error": self.gain.error,
                "rounds": self.gain.rounds,
                "labels": [self.gain.first, self.gain.last],
                "next_100": {"value": value, "low": low, "high": high},
                "next_round": step,
            }
        agreement: AgreementSummary | None = None
        if one := self.agreement:
            agreement = {"kappa": one.kappa, "rows": one.rows, "labels": one.labels}
        return {"metric": self.metric, "gain": found, "agreement": agreement, "agreements": list(self.agreements), "stop": self.stop}


def next_labels(found: stopping.Gain, name: str) -> str:
    """The gain as a sentence without a full stop."""
    value, low, high = found.next()
    line = f"the line through the last {found.rounds} rounds, {found.first:,} to {found.last:,} labels"
    if value >= 1 - found.value > 0:  # the line would go on beyond 1
        return f"the next 100 labels bring up to {_points(value)} points of {name}, all that is left to 1 ({line})"
    return f"the next 100 labels bring {_points(value)} points of {name} [{_points(low)}, {_points(high)}] ({line}, ± 2 standard errors)"


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"  # no -0.0


def of_rounds(
    overall: Mapping[str, Estimate],
    rows: int,
    labels: int,
    targets: Collection[str],
    past: Sequence[Past],
    agreement: Agreement | None,
    *,
    held_out: bool,
    classes: int,
) -> Stopping:
    """What the rounds say of stopping: this one, with its `overall` metrics at so many `labels`, and of the `past` ones those that were
    measured on as many `rows`: the same holdout. `targets` are the metrics of the targets; macro recall or accuracy where all of them are
    after that, accuracy without any."""
    metrics = {OF_TARGETS.get(metric, "accuracy") for metric in targets} or {"accuracy"}
    metric = metrics.pop() if len(metrics) == 1 else "macro_f1"
    earlier = [one for one in past if one.rows == rows and one.labels and metric in one.overall]
    counts = [*(one.labels or 0 for one in earlier), labels]
    found = stopping.gain(counts, [*(one.overall[metric] for one in earlier), overall[metric].value]) if labels else None
    agreements = [one.overall[AGREEMENT] for one in past if AGREEMENT in one.overall]
    step = labels - (past[-1].labels or labels) if past else 0
    return Stopping(metric, found, agreement, (*agreements, *([agreement.kappa] if agreement else [])), held_out, classes, step)


def agree(
    previous: Sequence[Source], now: Source, labeled: pa.ChunkedArray, labels: int, before: int | None, console: Console
) -> Agreement | None:
    """How far the predictions `now`, of a model with so many `labels`, agree with the `previous` ones on the rows of both that are not
    among the `labeled` ids: with the last of those that `stopping.comparable` names. A table that does not say how many labels its model
    had is of `before`. None, and said, where there is none.

    Raises InputError where the tables share no such row, or a number of labels is unknown.
    """
    counts = [trained_on(source, before) for source in previous]
    for source, then in zip(previous, counts, strict=True):
        if then is None:
            raise InputError(
                f"{source.name}: the number of labels that its model had is unknown",
                "write it with altool score, or give the metrics of its round as the last --history",
            )
    found = sorted((then or 0, place) for place, then in enumerate(counts))
    chosen = stopping.comparable([then for then, _ in found], labels)
    if chosen is None:
        names = ", ".join(source.name for source in previous)
        console.info(
            f"{names}: of {found[0][0]:,} labels or more, too near this round's {labels:,} to tell whether predictions still change; "
            f"give the predictions of a round with {int(labels / stopping.GROWTH):,} at most"
        )
        return None
    then, source = found[chosen][0], previous[found[chosen][1]]
    with console.progress(f"reading {now.name}", now.num_rows) as advance:
        index, likeliest, _ = derive(now, ["probabilities"], lambda values: values["probabilities"].argmax(axis=1), advance=advance)
    with console.progress(f"reading {source.name}", source.num_rows) as advance:
        earlier = read_previous(source, now, index, len(now.classes), None, advance=advance)
    current = index.arrange(np.concatenate(likeliest))
    open_ = (earlier.likeliest >= 0) & ~index.mask(labeled)
    if not open_.any():
        raise InputError(
            f"{source.name}: no row without a label is in it and in {now.name}",
            "give predictions of the whole pool: of this round as --pool-predictions, of earlier ones as --previous",
        )
    return Agreement(stopping.kappa(current[open_], earlier.likeliest[open_]), int(open_.sum()), then)


def trained_on(predictions: Source, otherwise: int | None) -> int | None:
    """How many labels the model of these predictions had, as `altool score` wrote."""
    found = [origin.get("options", {}).get("trained_on") for _, origin in rounds.origins(predictions)]
    return found[0] if found and all(isinstance(one, int) and one == found[0] for one in found) else otherwise
