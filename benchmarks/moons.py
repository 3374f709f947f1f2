"""TA-VAAL's toy (Kim et al. 2021, section 4.1): two moons of 500 and 50 rows, noise 0.2, 20 labels, then 10 a round.

python -m benchmarks.moons [--seeds 10] [--out moons.png] [--rank place] [--loss sum] prints accuracy, mean recall and the labels of the
rare class after each round, and draws them, with the fifth round's choices of seed 0 as in the paper's figure 1. What that figure claims is
printed as numbers: how surely the rows that are chosen were classified (0: on the boundary), and how far each lies from the next one, both
means over the rounds, and the rank correlation of what is chosen first with the predicted loss. `learning-loss` is trained by its authors'
loss, `learning-loss v2` and all others by TA-VAAL's. The learner's rate is 0.01: with the paper's 0.1 this network predicts the large moon
everywhere.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib
import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.datasets import make_moons

from altool import seeds
from altool.classifiers import mlp
from altool.models import vaal
from altool.strategies import registry
from altool.wrappers.choose import Request, choose

matplotlib.use("Agg")
from matplotlib import pyplot

ROUNDS = 6
STRATEGIES = ("random", "learning-loss", "learning-loss v2", "vaal", "ta-vaal")
DRAWN = ("learning-loss", "vaal", "ta-vaal")  # in the paper's figure 1
MEASURES = ("accuracy", "mean recall of the two classes", "labels of the rare class")
CHOSEN = ("margin", "distance to the next", "correlation with the predicted loss")  # of the rows that are chosen, and of all candidates
LEARNER = {
    "hidden": "64,64",
    "optimizer": "adam",
    "rate": 0.01,
    "epochs": 100,
    "minibatch": 32,
    "schedule": "constant",
    "ranker": "ranking",
}
ACROSS, UP = np.linspace(-2, 3, 160), np.linspace(-1.5, 2, 120)


@dataclass(frozen=True)
class Rows:
    """The pool as `vaal.fit` reads it."""

    values: torch.Tensor

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, positions: np.ndarray) -> torch.Tensor:
        return self.values[positions]


def moons(seed: int, large: int, small: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 (n, 2) rows and int64 (n,) classes."""
    rows, classes = make_moons((large, small), noise=0.2, random_state=seed)
    return rows.astype(np.float32), classes


def run(name: str, seed: int, options: dict[str, Any]) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]], dict[str, Any]]:
    """The measures after each round, those of the rows that each round chose, and what the fifth round saw. `options` of `vaal.fit`."""
    rows, truth = moons(seed, 500, 50)
    unseen, expected = moons(10_000 + seed, 5000, 500)
    first = np.random.default_rng(seed).permutation(len(rows))
    while len(set(truth[first[:20]])) < 2:  # a classifier needs two classes
        first = np.roll(first, 1)
    labeled = np.zeros(len(rows), bool)
    labeled[first[:20]] = True
    strategy, curve, picks, seen = registry.load(name.removesuffix(" v2")), [], [], {}
    learner = LEARNER | ({"ranker": "loss"} if name == "learning-loss" else {})
    for number in range(1, ROUNDS + 2):
        model, _ = mlp.fit(rows[labeled], truth[labeled], 2, **learner, seed=seed)
        right = model.probabilities(unseen).argmax(1) == expected
        curve.append((right.mean(), np.mean([right[expected == code].mean() for code in (0, 1)]), truth[labeled].sum()))
        if number > ROUNDS:
            break
        candidates = np.flatnonzero(~labeled)
        outputs = model.outputs(rows)
        assert outputs.predicted_loss is not None
        told, order = {"predicted_loss": outputs.predicted_loss}, outputs.predicted_loss
        if "vaal" in name:
            rank = outputs.predicted_loss if name == "ta-vaal" else None
            own = {"rate": 0.01, "width": 16, "latent": 2, "epochs": 100, "seed": seed} | options
            adversary = vaal.fit(Rows(torch.from_numpy(rows)), labeled, rank, **own)
            told["labeled_probability"] = adversary.labeled_probability(torch.from_numpy(rows), rank)
            order = -adversary.logits(torch.from_numpy(rows), rank)
        arrays = {column: values[candidates] for column, values in told.items() if column in strategy.takes}
        generator = partial(seeds.generator, seed, "select", number, name)
        chosen = candidates[choose(Request(strategy, 10, generator), len(candidates), arrays).places]
        margin = np.abs(outputs.probabilities[chosen] @ [-1, 1])
        apart = np.sort(np.hypot(*(rows[chosen][:, None] - rows[chosen]).transpose(2, 0, 1)), axis=1)[:, 1]
        listens = spearmanr(order[candidates], outputs.predicted_loss[candidates]).statistic if name != "random" else 0
        picks.append((margin.mean(), apart.mean(), listens))
        if number == 5:
            grid = np.stack(np.meshgrid(ACROSS, UP), -1).reshape(-1, 2).astype(np.float32)
            surface = model.probabilities(grid)[:, 1].reshape(len(UP), len(ACROSS))
            seen = {"rows": rows, "truth": truth, "labeled": labeled.copy(), "chosen": chosen, "surface": surface}
        labeled[chosen] = True
    return curve, picks, seen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", default="moons.png")
    parser.add_argument("--rank", default="place", choices=vaal.RANKS)
    parser.add_argument("--loss", default="sum", choices=("sum", "mean"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    own = {"rank": options.rank, "loss": options.loss}
    found = {name: [run(name, seed, own) for seed in range(options.seeds)] for name in STRATEGIES}
    curves = {name: np.array([curve for curve, _, _ in runs], float) for name, runs in found.items()}  # (seeds, rounds + 1, measures)
    print(f"{'':16}", *(f"{title:>36}" for title in CHOSEN))
    for name, runs in found.items():
        means = np.array([picks for _, picks, _ in runs]).mean(1)  # (seeds, measures)
        print(f"{name:16}", *(f"{f'{mean:.3f} ± {spread:.3f}':>36}" for mean, spread in zip(means.mean(0), means.std(0), strict=True)))
    labels = 20 + 10 * np.arange(ROUNDS + 1)
    figure, axes = pyplot.subplots(2, 3, figsize=(15, 8.5))
    for panel, name in zip(axes[0], DRAWN, strict=True):
        seen = found[name][0][2]
        rows = seen["rows"]
        panel.scatter(*rows.T, c=np.where(seen["truth"] == 0, "tab:red", "tab:blue"), s=6, alpha=0.35, linewidths=0)
        panel.scatter(*rows[seen["labeled"]].T, facecolors="none", edgecolors="grey", s=30, linewidths=0.8)
        panel.scatter(*rows[seen["chosen"]].T, c="black", marker="x", s=50)
        panel.contour(ACROSS, UP, seen["surface"], [0.5], colors="black", linestyles="--")
        panel.set_title(f"{name}: round 5 (crosses; circles: labeled)")
    for panel, place, title in zip(axes[1], range(3), MEASURES, strict=True):
        print(title)
        for name in STRATEGIES:
            mean, spread = curves[name][:, :, place].mean(0), curves[name][:, :, place].std(0)
            print(f"{name:16}", *(f"{value:8.3f}" for value in mean), f"± {spread[-1]:.3f}")
            panel.plot(labels, mean, marker="o", label=name)
            panel.fill_between(labels, mean - spread, mean + spread, alpha=0.12)
        panel.set(title=f"{title}, {options.seeds} seeds", xlabel="labels")
        panel.legend()
    figure.tight_layout()
    figure.savefig(options.out, dpi=80)


if __name__ == "__main__":
    main()
