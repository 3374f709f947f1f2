"""The forecast of `altool report` over simulated runs: how often its 80 % interval holds, and how often it says that it cannot tell.

python -m benchmarks.forecast DIR… [--metric f1] [--runs random,auto,margin] [--alone], for folders of `altool simulate`. Each repeat of
each run is gone through round by round, from the fourth on; the holdout is the rows that the simulation measured on. The targets of a
class are the value that it has two rounds later, and 0.5, 0.6, 0.7, 0.8 and 0.9. What is true is when a later round measures the target
for the first time, on a straight line over the logarithm of the labels from the round before. A run that ends before that decides only
where the interval ends before it, too (it does not hold) or begins after it (it holds). Of "levels off" it is counted how often the
target is reached all the same. --alone: instead of the forecast the plain bootstrap of each class by itself, a weighted fit to 200 draws
of its rounds' values.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from altool.metrics import forecast as method
from altool.metrics.forecast import LABELS, LEVEL, REACHED, UNKNOWN, Forecasts

FIXED = (0.5, 0.6, 0.7, 0.8, 0.9)
AHEAD = 2  # rounds
DRAWS = 200
SPEEDS = np.geomspace(0.05, 2, 30)

Method = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], Forecasts]


@dataclass(frozen=True)
class Repeat:
    """int64 (R,) labels; of each class and round (K, R) the value, the held-out rows behind it and the labels of the class."""

    run: str
    labels: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    own: np.ndarray


def repeats(folder: Path, metric: str) -> Iterator[Repeat]:
    for path in sorted(folder.glob("runs/*/history.parquet")):
        table = pq.read_table(path, columns=["run", "class", "metric", "value", "support", "labels", "total"])
        table = table.filter(pc.and_(pc.equal(table.column("metric"), metric), pc.is_valid(table.column("class"))))
        table = table.sort_by([("class", "ascending"), ("total", "ascending")])
        labels = np.unique(np.array(table.column("total")))
        values, rows, own = (np.array(table.column(name)).reshape(-1, len(labels)) for name in ("value", "support", "labels"))
        yield Repeat(table.column("run")[0].as_py(), labels, values, rows, own)


def crossing(labels: np.ndarray, values: np.ndarray, target: float, now: int) -> float:
    """How many labels there are when a round after `now` measures the target for the first time; infinite where none does."""
    for place in range(now + 1, len(labels)):
        if values[place] >= target:
            step = (target - values[place - 1]) / (values[place] - values[place - 1])
            return float(labels[place - 1] * (labels[place] / labels[place - 1]) ** step)
    return float(np.inf)


def score(repeat: Repeat, found: Method) -> Counter[tuple[str, str]]:
    """Counts by kind of target and what was found."""
    counts: Counter[tuple[str, str]] = Counter()
    end = repeat.labels[-1]
    for now in range(method.ROUNDS - 1, len(repeat.labels) - 1):
        targets = [("fixed", np.full(len(repeat.values), value)) for value in FIXED]
        if now + AHEAD < len(repeat.labels):
            targets.append(("two rounds later", repeat.values[:, now + AHEAD]))
        seen = repeat.labels[: now + 1], *(part[:, : now + 1] for part in (repeat.values, repeat.rows, repeat.own))
        for kind, target in targets:
            given = found(*seen, target)
            for code, state in enumerate(given.state):
                if state == REACHED:
                    continue
                counts[kind, "all"] += 1
                counts[kind, state] += 1
                true = crossing(repeat.labels, repeat.values[code], float(target[code]), now)
                _, low, high = repeat.labels[now] + given.labels[code]
                if state == LEVEL:
                    counts[kind, "reached all the same"] += bool(np.isfinite(true))
                elif state == LABELS and (np.isfinite(true) or high <= end or low >= end):
                    counts[kind, "decided"] += 1
                    counts[kind, "holds"] += bool(low <= true <= high or (np.isinf(true) and low >= end))
                    counts[kind, "before"] += bool(true < low)
    return counts


def alone(labels: np.ndarray, values: np.ndarray, rows: np.ndarray, own: np.ndarray, target: np.ndarray) -> Forecasts:
    """The plain bootstrap: a - b n^-c with 0 <= a <= 1 and b >= 0, weighted by the rows, fitted to binomial draws of a class's values."""
    rng = np.random.default_rng(0)
    tail = (1 - method.COVERAGE) / 2
    state, more, nothing = [], np.full((len(target), 3), np.nan), np.full((len(target), 3), np.nan)
    basis = (labels / labels[-1]) ** -SPEEDS[:, None]
    for code, (y, m, wanted) in enumerate(zip(values, rows, target, strict=True)):
        if y[-1] >= wanted or (own[code] >= method.OWN).sum() < method.ROUNDS or own[code, -1] < method.OWN:
            state.append(REACHED if y[-1] >= wanted else UNKNOWN)
            continue
        use = own[code] >= method.OWN
        share = (m * y + 1) / (m + 2)
        drawn = (rng.binomial(m[use], share[use], (DRAWS, use.sum())) / m[use])[:, None]
        w, x = (m / (share * (1 - share)))[use], basis[:, use]
        w = w / w.sum()
        mean_x, mean_y = x @ w, drawn @ w
        b = -(((x - mean_x[:, None]) * (drawn - mean_y[..., None])) @ w) / ((x - mean_x[:, None]) ** 2 @ w)
        b = np.maximum(b, 0)
        a = np.minimum(mean_y + b * mean_x, 1)
        b = np.where(a < 1, b, np.maximum((((1 - drawn) * x) @ w) / (x**2 @ w), 0))
        loss = (((a[..., None] - b[..., None] * x) - drawn) ** 2) @ w
        best = loss.argmin(axis=1)
        a, b, c = a[np.arange(DRAWS), best], b[np.arange(DRAWS), best], SPEEDS[best]
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = np.where(a - b >= wanted, 1.0, np.where(a <= wanted, np.inf, (b / np.maximum(a - wanted, 1e-12)) ** (1 / c)))
        needed[needed > method.LIMIT] = np.inf
        middle, low, high = np.quantile(needed, [0.5, tail, 1 - tail], method="higher")
        state.append(LABELS if np.isfinite(high) else LEVEL if np.isinf(low) else UNKNOWN)
        more[code] = (np.array([middle, low, high]) - 1) * labels[-1] if np.isfinite(high) else np.nan
    return Forecasts(tuple(state), more, nothing, np.full(3, np.nan))


def line(name: str, counts: Counter[tuple[str, str]], kind: str) -> str:
    def share(part: str, whole: str) -> str:
        return f"{counts[kind, part] / counts[kind, whole]:.0%}" if counts[kind, whole] else "–"

    cells = [name, kind, f"{counts[kind, 'all']:,}", *(share(state, "all") for state in (LABELS, UNKNOWN, LEVEL))]
    cells += [f"{share('holds', 'decided')} of {counts[kind, 'decided']:,}", share("before", "decided")]
    cells.append(share("reached all the same", LEVEL))
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--metric", default="f1")
    parser.add_argument("--runs", default="random,auto,margin")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    runs = options.runs.split(",")
    by_folder: dict[str, Counter[tuple[str, str]]] = {}
    by_run: dict[str, Counter[tuple[str, str]]] = {}
    for folder in options.folders:
        for repeat in repeats(folder, options.metric):
            if repeat.run in runs:
                found = score(repeat, alone if options.alone else method.forecast)
                by_folder.setdefault(folder.name, Counter()).update(found)
                by_run.setdefault(repeat.run, Counter()).update(found)
    head = ["", "target", "forecasts", *(LABELS, UNKNOWN, LEVEL), "interval holds", "before it", "levels off, yet reached"]
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    total: Counter[tuple[str, str]] = sum(by_folder.values(), Counter())
    for kind in ("two rounds later", "fixed"):
        for name, counts in {**by_folder, **by_run, "all": total}.items():
            print(line(name, counts, kind))


if __name__ == "__main__":
    main()
