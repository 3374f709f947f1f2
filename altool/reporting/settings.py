"""Several settings (data sets, pools) in one summary: of each run its mean difference from the baseline, its rank, its worst setting."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from altool.metrics import learning_curves
from altool.reporting.cost import Cells
from altool.reporting.history import OVER, Difference, History, Run, metric_name
from altool.reporting.history_curves import Interval, interval
from altool.reporting.history_series import FALLING
from altool.reporting.terminal import named_table
from altool.text import count, visible

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Outcome:
    """What the `repeats` of a run came to in one setting: its area, its `rank` by it (1 is best; runs that tie share the mean of theirs),
    its difference from the baseline (None: it is the baseline), and the share of the labels that it saves."""

    repeats: int
    area: float
    rank: float
    difference: Difference | None
    saved: float


@dataclass(frozen=True)
class Line:
    """A run over its `settings`: the means of what `Outcome` has, the worst difference and where it is, and in how many settings the run
    is better or worse by its own interval. The mean of what is saved is that of the ratios of labels, a geometric one."""

    name: str
    settings: int
    difference: Interval | None
    worst: float | None
    worst_setting: str | None
    rank: float
    saved: float
    better: int
    worse: int


@dataclass(frozen=True)
class Settings:
    """The runs, the best mean difference first: the largest, or where less of the metric is better the smallest. `outcomes` are by setting
    and run."""

    metric: str
    area_over: str
    baseline: str
    outcomes: dict[str, dict[str, Outcome]]
    runs: list[Line]

    @property
    def falls(self) -> bool:
        """Is less of the metric better?"""
        return self.metric in FALLING

    @property
    def basis(self) -> str:
        """One sentence: what is summed up."""
        numbers = f"{count(len(self.runs), 'run')} in {count(len(self.outcomes), 'setting')}"
        return f"{metric_name(self.metric)}, {numbers}, against {visible(self.baseline)}"

    @property
    def result(self) -> str:
        """The best run, as the end of a sentence."""
        found = [(line.name, line.difference.value) for line in self.runs if line.difference]
        best = "smallest" if self.falls else "largest"
        return f"; {best} mean difference: {visible(found[0][0])}, {_signed(found[0][1])} points" if found else ""

    @property
    def notes(self) -> list[str]:
        """What the columns mean."""
        notes = [
            f"difference: area minus that of {visible(self.baseline)}, in points, mean over settings with Student's 95 % interval (of 2"
            f" settings both values); area: under the learning curve over {OVER[self.area_over]}, in percent",
            f"worst: the {'largest' if self.falls else 'smallest'} difference, and its setting; better, worse: settings whose own 95 %"
            " interval leaves out 0; rank: mean, by area",
            f"saved: labels that the run needs less than {visible(self.baseline)} to reach the level that both mean curves reach, geometric"
            " mean over settings",
        ]
        if any(line.settings < len(self.outcomes) for line in self.runs):
            notes.append("a run that is not in every setting is summed up over its own: its mean and rank do not compare with the others'")
        return notes


def names(locations: Sequence[str]) -> list[str]:
    """What the settings are called: the last parts of their locations, or the whole of those where these are not distinct."""
    last = [os.path.basename(location.rstrip("/")) or location for location in locations]
    return last if len(set(last)) == len(last) else list(locations)


def summarize(settings: Mapping[str, History]) -> Settings:
    """The summary of comparisons that each have a baseline, by setting."""
    first, *_ = settings.values()
    assert first.baseline is not None
    sign = -1 if first.metric in FALLING else 1
    outcomes = {name: _outcomes(found, sign) for name, found in settings.items()}
    runs = list(dict.fromkeys(run for found in outcomes.values() for run in found))
    lines = [_line(run, {name: found[run] for name, found in outcomes.items() if run in found}, sign) for run in runs]
    lines.sort(key=lambda line: (-sign * (line.difference.value if line.difference else 0), line.rank, line.name))
    return Settings(first.metric, first.area_over, first.baseline, outcomes, lines)


def _outcomes(found: History, sign: int) -> dict[str, Outcome]:
    """Of each run that shares a repeat with the baseline, and of the baseline. Times `sign` more of the metric is better."""
    runs = [run for run in found.runs if run.difference or run.name == found.baseline]
    baseline = next(run for run in runs if run.name == found.baseline)
    areas = np.array([run.area["all"].value for run in runs])
    ranks = [1 + (sign * areas > sign * area).sum() + ((areas == area).sum() - 1) / 2 for area in areas]
    outcomes = {}
    for run, area, rank in zip(runs, areas.tolist(), ranks, strict=True):
        difference = run.difference["all"] if run.difference else None
        outcomes[run.name] = Outcome(run.repeats, area, float(rank), difference, _saved(run, baseline, found.labels[1], sign))
    return outcomes


def _saved(run: Run, baseline: Run, end: int, sign: int) -> float:
    """The share of the baseline's labels that the run saves at the best level that both mean curves reach within `end` labels."""
    curves = []
    for one in (run, baseline):
        curve = one.curves["all"]
        inside = np.array(curve.labels) <= end
        curves.append((np.array(curve.labels)[inside], sign * np.array(curve.value)[inside]))
    level = min(float(values.max()) for _, values in curves)
    own, other = (learning_curves.labels_needed(labels, values, level) for labels, values in curves)
    return 1 - own / other


def _line(name: str, found: Mapping[str, Outcome], sign: int) -> Line:
    differences = {setting: outcome.difference for setting, outcome in found.items() if outcome.difference}
    values = {setting: difference.value for setting, difference in differences.items()}
    worst = min(values, key=lambda setting: sign * values[setting]) if values else None
    verdicts = [difference.verdict for difference in differences.values()]
    return Line(
        name=name,
        settings=len(found),
        difference=interval(list(values.values())) if values else None,
        worst=values[worst] if worst is not None else None,
        worst_setting=worst,
        rank=float(np.mean([outcome.rank for outcome in found.values()])),
        saved=1 - float(np.exp(np.mean([np.log(1 - outcome.saved) for outcome in found.values()]))),
        better=verdicts.count("better"),
        worse=verdicts.count("worse"),
    )


def table(found: Settings) -> Cells:
    """A row per run: the head of a table, and its rows."""
    several = len(found.outcomes) > 1
    head = ["run", "settings", "difference", *(["interval"] if several else []), "worst", "in", "rank", "saved", "better", "worse"]
    rows = []
    for line in found.runs:
        mean, compared = line.difference or Interval(0.0, None, None), line.difference is not None
        cells = [f"{line.settings:,}", _signed(mean.value) if compared else ""]
        if several:
            cells.append("" if mean.low is None else f"[{_signed(mean.low)}, {_signed(mean.high)}]")
        cells += [_signed(line.worst), line.worst_setting or "", f"{line.rank:.1f}"]
        cells += [f"{100 * line.saved:.0f} %", f"{line.better:,}", f"{line.worse:,}"] if compared else [""] * 3
        rows.append((line.name + ("" if compared else " (baseline)"), cells))
    return head, rows


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value + 0.0:+.1f}"


def render(found: Settings) -> list[RenderableType]:
    """What to print, in order."""
    from rich.text import Text

    return [Text(found.basis, style="bold"), named_table(table(found)), *(Text(note) for note in found.notes)]


def summary_rows(found: Settings) -> list[dict[str, Any]]:
    """The summary table's rows (schema.py, kind "summary"): of each run over all settings, then of each in each. Over settings `repeats`
    counts these."""
    rows: list[dict[str, Any]] = []

    def add(
        run: str,
        quantity: str,
        setting: str | None,
        repeats: int,
        value: float,
        spread: Interval | Difference | None = None,
        kind: str = "",
    ) -> None:
        low, high = (spread.low, spread.high) if spread else (None, None)
        row: dict[str, Any] = {
            "run": run,
            "scope": "all",
            "metric": found.metric,
            "quantity": quantity,
            "setting": setting,
            "repeats": repeats,
        }
        row |= {"value": value, "low": low, "high": high, "interval": None if low is None else kind, "baseline": found.baseline}
        rows.append(row)

    for line in found.runs:
        if line.difference:
            kind = "t" if line.settings >= learning_curves.BAND else "range"
            add(line.name, "area_difference", None, line.settings, line.difference.value, line.difference, kind)
            add(line.name, "labels_saved", None, line.settings, line.saved)
        if line.worst is not None:
            add(line.name, "worst_difference", line.worst_setting, line.settings, line.worst)
        add(line.name, "rank", None, line.settings, line.rank)
    for setting, outcomes in found.outcomes.items():
        for name, outcome in outcomes.items():
            repeats = outcome.repeats
            add(name, "area", setting, repeats, outcome.area)
            add(name, "rank", setting, repeats, outcome.rank)
            if outcome.difference:
                add(name, "area_difference", setting, repeats, outcome.difference.value, outcome.difference, "bootstrap")
                add(name, "labels_saved", setting, repeats, outcome.saved)
    return rows
