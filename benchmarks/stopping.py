"""The stopping rule of `altool report` over simulated runs: how often it stops, and what it gives up.

python -m benchmarks.stopping DIR… [--metric macro_f1] [--runs auto,margin], for folders of `altool simulate`. Each repeat of each run is
gone through round by round; the holdout is the rows that the simulation measured on, which no run asks about. Printed per run: how many
repeats stop, at what share of the last budget, how many points below its end, and of those with a doubling of the labels left what that
brought: the mean, the worst, and how many were above 3 points. Beside it the same for the slope alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from altool.metrics import learning_curves, stopping


@dataclass(frozen=True)
class Curve:
    """One repeat: int64 (R,) labels, the metric, and the agreement of each round (NaN where it has none)."""

    run: str
    classes: int
    labels: np.ndarray
    values: np.ndarray
    agreements: np.ndarray


def curves(folder: Path, metric: str) -> Iterator[Curve]:
    for path in sorted(folder.glob("runs/*/history.parquet")):
        table = pq.read_table(path, columns=["run", "round", "class", "metric", "value", "total"])
        classes = pc.count_distinct(table.column("class")).as_py()
        table = table.filter(pc.is_null(table.column("class"))).sort_by("round")
        values = dict(rounds(table, metric))
        agreements = dict(rounds(table, "agreement"))
        totals = dict(zip(table.column("round").to_pylist(), table.column("total").to_pylist(), strict=True))
        yield Curve(
            table.column("run")[0].as_py(),
            classes,
            np.array([totals[number] for number in values]),
            np.array(list(values.values())),
            np.array([agreements.get(number, np.nan) for number in values]),
        )


def rounds(table: pa.Table, metric: str) -> Iterator[tuple[int, float]]:
    chosen = table.filter(pc.equal(table.column("metric"), metric))
    return zip(chosen.column("round").to_pylist(), chosen.column("value").to_pylist(), strict=True)


def both(curve: Curve, end: int) -> bool:
    """The rule after the rounds before `end`."""
    known = curve.agreements[:end][~np.isnan(curve.agreements[:end])]
    return stopping.stop(stopping.gain(curve.labels[:end].tolist(), curve.values[:end].tolist()), known.tolist(), curve.classes)


def slope(curve: Curve, end: int) -> bool:
    found = stopping.gain(curve.labels[:end].tolist(), curve.values[:end].tolist())
    return stopping.stop(found, [1.0] * stopping.AGREEMENTS, 0)


def line(found: list[Curve], rule: Callable[[Curve, int], bool]) -> str:
    used, below, given_up = [], [], []
    for curve in found:
        end = next((end for end in range(1, len(curve.labels) + 1) if rule(curve, end)), None)
        if end is None:
            continue
        at, value = curve.labels[end - 1], curve.values[end - 1]
        used.append(at / curve.labels[-1])
        below.append(100 * (curve.values[-1] - value))
        if 2 * at <= curve.labels[-1]:
            after = learning_curves.resample(curve.labels, curve.values, np.array([2 * at]))[0]
            given_up.append(100 * (after - value))
    if not used:
        return f"stops 0 of {len(found)}"
    text = f"stops {len(used)} of {len(found)}, at {np.mean(used):.2f} of the labels, {np.mean(below):.1f} points below the end"
    if given_up:
        over = sum(points > 3 for points in given_up)
        text += f"; the next doubling brought {np.mean(given_up):.1f} (worst {max(given_up):.1f}, {over} of {len(given_up)} over 3)"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--runs", help="these runs alone, with commas between")
    options = parser.parse_args()
    found = [curve for folder in options.folders for curve in curves(folder, options.metric)]
    names = options.runs.split(",") if options.runs else sorted({curve.run for curve in found})
    for name in [*names, None]:
        own = [curve for curve in found if curve.run == name or (name is None and curve.run in names)]
        for title, rule in (("slope and agreement", both), ("slope alone", slope)):
            print(f"{name or 'all runs'}: {title}: {line(own, rule)}")


if __name__ == "__main__":
    main()
