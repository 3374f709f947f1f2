"""How often `altool report` calls a target proved: where the class never reaches it (at most 5 % of the projects), and where it does.

python -m benchmarks.proof [--projects 1000]. A project is one class, watched over so many looks at its held-out rows; it counts as proved
from the first look that proves it. The model's true share is the same at all looks, the worst case of a class below its target. From look
to look one row in five is drawn anew (`fresh`: all rows), as another model gets other rows right. The holdout is fixed, or grows by a fifth
of its first rows at each look, or adapts to what a look shows: to `rows_to_prove`, or by half where the estimate is below the target, at
most to 20 times its first rows. Beside it what the estimate, and the lower end of its 95 % interval, say at any look at a fixed holdout.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain, product

import numpy as np

from altool.metrics.proof import Look, Shares, proves, rows_to_prove, shares

TARGET = 0.9
CHANGED = 0.2  # of the rows, from look to look
ROWS = 300  # of the class, of metrics other than recall


def recall_project(share: float, looks: int, rows: int, holdout: str, rng: np.random.Generator) -> tuple[bool, bool, bool]:
    """Of a project's recall: was it proved, was the estimate at the target, and the lower end of its 95 % interval, at any look?"""
    right = rng.random(20 * rows) < share
    held, grown = rows, False
    proved = met = interval = False
    for number in range(1, looks + 1):
        changed = rng.random(len(right)) < (1.0 if holdout == "fresh" else CHANGED)
        right = np.where(changed, rng.random(len(right)) < share, right)
        found = Shares(np.array([[right[:held].sum()]], float), np.array([[held]], float), np.array([[TARGET]]))
        look = Look(number, grown)
        proved |= proves(found, look)
        estimate = right[:held].mean()
        met |= bool(estimate >= TARGET)
        interval |= bool(wilson_low(estimate, held) >= TARGET)
        if holdout == "grows":
            held, grown = held + rows // 5, True
        elif holdout == "adapts" and not proved:
            wanted = rows_to_prove(found, held, look) if estimate > TARGET else held + held // 2
            wanted = min(wanted or held, 20 * rows)
            held, grown = max(held, wanted), grown or wanted > held
    return proved, met, interval


def wilson_low(share: float, rows: int) -> float:
    z = 1.959963984540054
    return (share + z * z / 2 / rows - z * np.sqrt(share * (1 - share) / rows + z * z / 4 / rows**2)) / (1 + z * z / rows)


def metric_project(metric: str, below: float, looks: int, rows: int, rng: np.random.Generator) -> bool:
    """Of `metric` of a class of `rows` among ten times as many: was it proved at any of the looks at a fixed holdout? Its scores are of
    two normal distributions, of which the truth is known; the target is as far above the truth as is said."""
    of_class = np.repeat([True, False], [rows, 9 * rows])
    target = min(truths(metric) + below, 1.0)
    noise = rng.normal(size=len(of_class))
    for number in range(1, looks + 1):
        noise = np.where(rng.random(len(noise)) < CHANGED, rng.normal(size=len(noise)), noise)
        logit = np.where(of_class, *MEANS) + noise
        if proves(shares(of_class, logit > 0, 1 / (1 + np.exp(-logit)), metric, target, 0.9), Look(number, False)):
            return True
    return False


MEANS = (2.0, -2.5)  # of the logits of the class and of all others, with a standard deviation of 1


def truths(metric: str) -> float:
    """The true value in a pool of which a tenth is of the class; of recall at precision at the best of all thresholds."""
    cut = np.linspace(-6, 6, 24_001) if metric == "recall_at_precision" else np.zeros(1)
    of_class, others = (upper_tail(cut - mean) for mean in MEANS)
    tp, fp = 0.1 * of_class, 0.9 * others
    precision = tp / (tp + fp)
    found = {
        "recall": of_class,
        "precision": precision,
        "accuracy": 1 - (0.1 - tp) - fp,
        "f1": 2 * tp / (tp + fp + 0.1),
        "recall_at_precision": np.where(precision >= 0.9, of_class, 0),
    }
    return float(found[metric].max())


def upper_tail(points: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return np.asarray(ndtr(-points))


def of_recall(projects: int) -> Iterator[str]:
    yield "| true recall | looks | first rows | fixed | fresh | grows | adapts | estimate, once | interval, once |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for above, looks, rows in product((-0.05, -0.02, 0.0, 0.03, 0.05, 0.08), (5, 20), (35, 100, 300)):
        cells = []
        for place, holdout in enumerate(("fixed", "fresh", "grows", "adapts")):
            rng = np.random.default_rng([place, looks, rows, round(100 * (above + 1))])
            found = np.array([recall_project(TARGET + above, looks, rows, holdout, rng) for _ in range(projects)]).mean(axis=0)
            cells.append(found[0])
            if holdout == "fixed":
                beside = found[1:]
        shown = " | ".join(f"{100 * cell:.1f}" for cell in (*cells, *beside))
        yield f"| {TARGET + above:.2f} | {looks} | {rows} | {shown} |"


def of_other_metrics(projects: int) -> Iterator[str]:
    yield "| metric (truth) | looks | rows | target 0.00 above | 0.02 above | 0.10 below |"
    yield "|---|---|---|---|---|---|"
    for metric, looks in product(("f1", "precision", "accuracy", "recall_at_precision"), (5, 20)):
        rng = np.random.default_rng([looks, len(metric)])
        cells = [np.mean([metric_project(metric, below, looks, ROWS, rng) for _ in range(projects)]) for below in (0.0, 0.02, -0.1)]
        yield f"| {metric} ({truths(metric):.3f}) | {looks} | {ROWS} | " + " | ".join(f"{100 * cell:.1f}" for cell in cells) + " |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=1000)
    projects = parser.parse_args().projects
    for text in chain(of_recall(projects), [""], of_other_metrics(projects)):
        print(text, flush=True)
