"""One run from its seed set to its last round: train, measure, choose, ask the bot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from altool import seeds
from altool.metrics.evaluation import Evaluation, evaluate
from altool.models import logistic
from altool.simulation import bot
from altool.simulation.plan import Plan, Run
from altool.strategies import registry
from altool.wrappers.choose import Request, choose, class_options
from altool.wrappers.suggest import predicted


@dataclass(frozen=True)
class Pool:
    """Rows in id order. `features` (n, D) and `truth` int64 (n,) of the pool, the same of the held-out rows; class names in order."""

    features: np.ndarray
    truth: np.ndarray
    held_features: np.ndarray
    held_truth: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Round:
    """After the labels of one round. `labels` int64 (K,) counts the training labels of each class."""

    number: int
    labels: np.ndarray
    asked: int
    seconds: float
    evaluation: Evaluation


@dataclass(frozen=True)
class Asked:
    """One round's questions, in order: positions in the pool, what the bot agreed on (-1: skipped), scores and suggestions (-1: none)."""

    number: int
    source: str
    positions: np.ndarray
    answers: np.ndarray
    scores: np.ndarray
    suggested: np.ndarray


@dataclass
class History:
    """What a run found."""

    rounds: list[Round] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


def replay(
    pool: Pool,
    plan: Plan,
    run: Run,
    repeat: int,
    *,
    noise: float | np.ndarray = 0.0,
    ranks: np.ndarray | None = None,
    advance: Callable[[], None] = lambda: None,
) -> History:
    """Replay one repeat of a run. `noise` as the bot takes it; `ranks` (n,) those of an outside queue, infinity for rows not in it.

    The seed set, the answers and the generators of each round are the same for all runs of a repeat: they depend on the plan's seed and
    the repeat alone. A strategy sees what a real round would know: the labels so far and the predictions of the model fitted on them.
    """
    seed = seeds.integer(plan.seed, "simulate", repeat)
    rows, classes = len(pool.truth), len(pool.classes)
    answers = bot.answers(pool.truth, classes, noise, run.skip, run.annotators, seeds.generator(seed, "bot"))
    label = np.full(rows, bot.SKIPPED)
    open_ = np.ones(rows, bool)
    history = History()
    spent = 0.0

    def ask(number: int, source: str, positions: np.ndarray, scores: np.ndarray, suggested: np.ndarray | None) -> None:
        nonlocal spent
        given = answers[positions]
        label[positions] = bot.agreed(given, pool.classes)
        open_[positions] = False
        spent += bot.seconds(given, suggested, run.seconds) if run.seconds else np.nan
        known = suggested if suggested is not None else np.full(len(positions), -1)
        history.asked.append(Asked(number, source, positions, label[positions], scores, known))

    first = seeds.generator(seed, "seed set").permutation(rows)[: plan.seed_size]
    ask(0, "seed", first, -np.arange(1.0, len(first) + 1), None)
    for number in range(plan.rounds + 1):
        labeled = np.flatnonzero(label >= 0)
        if not len(labeled):
            break
        model, _ = logistic.fit(
            pool.features[labeled], label[labeled], classes, balance=run.balance, c=run.logistic_c, iterations=run.logistic_iterations
        )
        measured = evaluate(pool.held_truth, model.probabilities(pool.held_features), [plan.at_precision] * classes, None)
        counts = np.bincount(label[labeled], minlength=classes)
        history.rounds.append(Round(number, counts, sum(len(part.positions) for part in history.asked), spent, measured))
        advance()
        candidates = np.flatnonzero(open_ & np.isfinite(ranks) if ranks is not None else open_)
        if number == plan.rounds or not len(candidates):
            break
        generator = partial(seeds.generator, seed, "select", number + 1)
        ask(number + 1, *_choose(pool, plan, run, model, candidates, labeled, label, ranks, generator))
    return history


def _choose(
    pool: Pool,
    plan: Plan,
    run: Run,
    model: logistic.Logistic,
    candidates: np.ndarray,
    labeled: np.ndarray,
    label: np.ndarray,
    ranks: np.ndarray | None,
    generator: Callable[..., np.random.Generator],
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray | None]:
    """The source, positions, scores and suggestions of one round's questions."""
    strategy = registry.load(run.strategy)
    wanted = {*strategy.takes, *(strategy.optional if run.options.get("similarity") != "features" else ())}
    arrays: dict[str, Any] = {"labels": label[labeled], "head": (model.weights, model.bias)}
    arrays |= {"ranks": ranks[candidates]} if ranks is not None else {}
    if wanted & {"features", "probabilities"} or run.diversify or run.suggest:
        arrays["features"] = pool.features[candidates]
    if "probabilities" in wanted or run.diversify or run.suggest:
        arrays["probabilities"] = model.probabilities(arrays["features"])
    if run.diversify:
        arrays["likeliest"] = predicted(arrays["probabilities"])[0]
    if wanted & {"labeled_features", "labeled_probabilities"}:
        arrays["labeled_features"] = pool.features[labeled]
    if "labeled_probabilities" in wanted:
        arrays["labeled_probabilities"] = model.probabilities(arrays["labeled_features"])
    keywords = dict(run.options)
    named = {name: _numbers(keywords.pop(name), pool.classes) for name in ("query_classes", "private_classes") if name in keywords}
    keywords |= class_options(strategy, label[labeled], named.get("query_classes"), named.get("private_classes"))
    scoped = partial(generator, strategy.name)
    request = Request(strategy, plan.budget, scoped, keywords, diversify=run.diversify, partitions=run.partitions)
    choice = choose(request, len(candidates), arrays)
    suggested = predicted(arrays["probabilities"][choice.places])[0].astype(np.int64) if run.suggest else None
    return strategy.source, candidates[choice.places], choice.scores, suggested


def _numbers(names: Sequence[str] | str, classes: Sequence[str]) -> list[int]:
    return [list(classes).index(name) for name in (names.split(",") if isinstance(names, str) else names)]
