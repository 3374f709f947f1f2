"""One run from its seed set to its last round: train, measure, choose, ask the bot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from altool import seeds
from altool.metrics import cost, gaps
from altool.metrics.evaluation import Evaluation, evaluate
from altool.models import folds
from altool.models.registry import classifier
from altool.models.shape import Deep, Model
from altool.simulation import bot
from altool.simulation.plan import Plan, Run
from altool.strategies import clarifier, registry
from altool.strategies.registry import Strategy
from altool.wrappers.choose import Choice, Request, asked, choose, class_options
from altool.wrappers.suggest import predicted
from altool.wrappers.target_aware import candidate_labels


@dataclass(frozen=True)
class Pool:
    """Rows in id order: what the classifiers read (features (n, D), or texts (n,)) and `truth` int64 (n,) of the pool, the same of the
    held-out rows; class names in order."""

    rows: np.ndarray
    truth: np.ndarray
    held_rows: np.ndarray
    held_truth: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Aims:
    """What target-aware runs are after: of each class its metric, target and priority."""

    metrics: tuple[str, ...]
    targets: np.ndarray
    priorities: np.ndarray
    at_precision: tuple[float, ...]


@dataclass(frozen=True)
class Round:
    """After the labels of one round. `labels` int64 (K,) counts the training labels of each class, `answers` int64 (3,) those of the
    annotators by kind (metrics.cost.KINDS), but for the seed set, which costs nothing; `seconds` are those of all answers."""

    number: int
    labels: np.ndarray
    asked: int
    answers: np.ndarray
    seconds: float
    evaluation: Evaluation


@dataclass(frozen=True)
class Asked:
    """One round's questions, in order: positions in the pool, what the bot agreed on (-1: skipped), scores, suggestions and the classes
    that they were taken for (-1: none), whether they were explored, their tiers (int8, of clarifier.TIERS; -1: none), and whether they
    are `automatic`: these have their suggestion as answer, and nobody was asked."""

    number: int
    positions: np.ndarray
    answers: np.ndarray
    scores: np.ndarray
    suggested: np.ndarray
    target_class: np.ndarray
    explored: np.ndarray
    tier: np.ndarray
    automatic: np.ndarray


@dataclass
class History:
    """What a run found. `tied`: of each round that had nothing to tell its candidates apart by, why (wrappers.choose.Choice)."""

    rounds: list[Round] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    tied: list[str] = field(default_factory=list)


def replay(
    pool: Pool,
    plan: Plan,
    run: Run,
    repeat: int,
    *,
    noise: float | np.ndarray = 0.0,
    ranks: np.ndarray | None = None,
    aims: Aims | None = None,
) -> History:
    """Replay one repeat of a run. `noise` as the bot takes it; `ranks` (n,) those of an outside queue, infinity for rows not in it.

    The seed set, the answers and the generators of each round are the same for all runs of a repeat: they depend on the plan's seed and
    the repeat alone. A strategy sees what a real round would know: the labels so far, the predictions of the model fitted on them, and,
    where it is target-aware, estimates from out-of-fold predictions of the labels that were drawn at random.
    """
    seed = seeds.integer(plan.seed, "simulate", repeat)
    rows, classes = len(pool.truth), len(pool.classes)
    answers = bot.answers(pool.truth, classes, noise, run.skip, run.annotators, seeds.generator(seed, "bot"))
    label = np.full(rows, bot.SKIPPED)
    open_, explored, automatic = np.ones(rows, bool), np.zeros(rows, bool), np.zeros(rows, bool)
    history = History()
    asked, answered = np.zeros(3, np.int64), np.zeros(3, np.int64)
    fit: Callable[[np.ndarray, np.ndarray], tuple[Model, bool]] = partial(
        classifier(run.classifier).fit, count=classes, balance=run.balance, seed=seed, **run.fit
    )

    def ask(number: int, choice: Choice, positions: np.ndarray, suggested: np.ndarray | None) -> None:
        none = np.full(len(positions), -1)
        for_class = choice.target_class if choice.target_class is not None else none
        shown = suggested if suggested is not None else none
        tier = choice.marks.get("tier", none.astype(np.int8))
        nobody = clarifier.automatic(tier, run.audit or 0, seeds.generator(seed, "select", number, "audit"))
        part = Asked(number, positions, shown.copy(), choice.scores, shown, for_class, choice.explored, tier, nobody)
        people = ~nobody
        given = answers[positions[people]]
        part.answers[people] = bot.agreed(given, pool.classes)
        label[positions] = part.answers
        open_[positions], explored[positions], automatic[positions] = False, choice.explored, nobody
        counts = bot.counts(given, suggested[people] if suggested is not None else None)
        asked[:] += counts
        answered[:] += counts if number else 0
        history.asked.append(part)

    first = seeds.generator(seed, "seed set").permutation(rows)[: plan.seed_size]
    ask(0, Choice(first, -np.arange(1.0, len(first) + 1), np.ones(len(first), bool), None), first, None)
    before = None
    for number in range(plan.rounds + 1):
        labeled = np.flatnonzero(label >= 0)
        if not len(labeled):
            break
        model, _ = fit(pool.rows[labeled], label[labeled])
        measured = evaluate(pool.held_truth, _probabilities(model, run, pool.held_rows, seed), [plan.at_precision] * classes, None)
        counts = np.bincount(label[labeled], minlength=classes)
        spent = float(cost.spent(asked, np.array(run.seconds))) if run.seconds else np.nan
        questions = sum(int((~part.automatic).sum()) for part in history.asked)
        history.rounds.append(Round(number, counts, questions, answered.copy(), spent, measured))
        candidates = np.flatnonzero(open_ & np.isfinite(ranks) if ranks is not None else open_)
        if number == plan.rounds or not len(candidates):
            break
        weights = None
        if run.target_aware and aims is not None:
            weights = _weights(pool.rows[labeled], label[labeled], explored[labeled], fit, aims, plan.folds, seed)
        generator = partial(seeds.generator, seed, "select", number + 1)
        state = State(
            model, candidates, labeled, label[labeled], automatic[labeled], ranks, weights, answers, before, seed, _accepted(history.asked)
        )
        choice, suggested, before = _choose(pool, plan, run, state, generator)
        ask(number + 1, choice, candidates[choice.places], suggested)
        history.tied += [choice.tied] if choice.tied else []
    return history


@dataclass(frozen=True)
class State:
    """What is known when a round's questions are chosen. Positions are in the pool."""

    model: Model
    candidates: np.ndarray
    labeled: np.ndarray
    labels: np.ndarray  # of the labeled rows
    automatic: np.ndarray  # of them, those that no person labeled
    ranks: np.ndarray | None
    weights: np.ndarray | None
    answers: np.ndarray  # the annotators' to the whole pool
    before: Kept | None  # of the round before
    seed: int  # of the repeat
    accepted: np.ndarray  # (3, 2): of each of CLARIFIER's tiers how many suggestions people answered, and how many were right


@dataclass(frozen=True)
class Kept:
    """What a round leaves of its predictions for the next one, for every row of the pool: the number that the strategy keeps (float64,
    NaN for a row that was no candidate; None: it keeps none), and the predicted class (-1)."""

    numbers: np.ndarray | None
    likeliest: np.ndarray


def _accepted(asked: Sequence[Asked]) -> np.ndarray:
    """int64 (3, 2), as `State` has it. Every row counts once, by what was agreed on; skipped rows do not."""
    found = np.zeros((len(clarifier.TIERS), 2), np.int64)
    for part in asked:
        told = ~part.automatic & (part.tier >= 0) & (part.answers >= 0)
        right = told & (part.answers == part.suggested)
        found += np.stack([np.bincount(part.tier[rows], minlength=len(clarifier.TIERS)) for rows in (told, right)], axis=1)
    return found


def _weights(
    rows: np.ndarray, labels: np.ndarray, drawn: np.ndarray, fit: Callable[..., Any], aims: Aims, count: int, seed: int
) -> np.ndarray:
    """TAAL's class weights from out-of-fold predictions, measured on the rows that were `drawn` at random, as `report` does it."""
    values = np.zeros(len(aims.metrics))
    if np.bincount(labels).max() > 1 and drawn.any():
        fold = folds.assign(labels, count, seeds.integer(seed, "train", "folds"))
        probabilities = folds.predict(rows, labels, fold, lambda x, y: fit(x, y)[0].probabilities)
        found = evaluate(labels[drawn], probabilities[drawn], aims.at_precision, None)
        values = np.array([found.metrics[metric].value[code] for code, metric in enumerate(aims.metrics)])
    return gaps.weights(gaps.gap(values, aims.targets), aims.priorities)


def _choose(
    pool: Pool, plan: Plan, run: Run, state: State, generator: Callable[..., np.random.Generator]
) -> tuple[Choice, np.ndarray | None, Kept | None]:
    """One round's questions, as places among the candidates, the suggestions for them, and what the next round will want of this one."""
    strategy, model, candidates = registry.load(run.strategy, run.options), state.model, state.candidates
    optional = strategy.optional if strategy.inner or run.options.get("similarity") != "features" else ()
    wanted = {*strategy.takes, *strategy.wrapped.takes, *optional}
    arrays: dict[str, Any] = {"labels": state.labels, "automatic": state.automatic, "classes": len(pool.classes)}
    arrays |= {"head": (model.head.weights, model.head.bias)} if model.head else {}
    arrays |= {"ranks": state.ranks[candidates]} if state.ranks is not None else {}
    likely = run.diversify or run.suggest or run.target_aware or wanted & {"probabilities", "likeliest"}
    deep = wanted & {"mutual_information", "predicted_loss"}
    rows = pool.rows[candidates] if likely or deep or "features" in wanted else pool.rows[:0]
    if "features" in wanted:
        arrays["features"] = model.vectors(rows)
    found = model.outputs(rows, run.mc_dropout or 0, state.seed) if deep and isinstance(model, Deep) else None
    arrays |= {name: getattr(found, name) for name in deep}
    if likely:
        arrays["probabilities"] = found.probabilities if found else _probabilities(model, run, rows, state.seed)
        arrays["likeliest"], arrays["confidence"] = predicted(arrays["probabilities"])
    if "labeled_probability" in wanted:
        arrays["labeled_probability"] = _labeled_probability(pool, run, state, ranked=strategy.wrapped.name == "ta-vaal")
    if run.target_aware:
        arrays["candidate_labels"] = candidate_labels(arrays["probabilities"], run.candidate_threshold)
    if strategy.shape == "ask":
        arrays["answers"] = bot.agreed(state.answers[candidates], pool.classes)
    if "labeled_features" in wanted:
        arrays["labeled_features"] = model.vectors(pool.rows[state.labeled])
    if "labeled_probabilities" in wanted:
        arrays["labeled_probabilities"] = _probabilities(model, run, pool.rows[state.labeled], state.seed)
    keywords, kept = dict(run.options), None
    if strategy.wrapped.across or run.diversify_by == "previous":
        kept = _across(strategy.wrapped, run, arrays, len(pool.truth), state)
    if "total_budget" in strategy.options and "e3g_decay" not in keywords:
        keywords.setdefault("total_budget", plan.seed_size + plan.rounds * plan.budget)
    given = {name: class_names(keywords.pop(name)) for name in ("query_classes", "private_classes") if name in keywords}
    named = {name: [pool.classes.index(class_) for class_ in names] for name, names in given.items()}
    keywords |= class_options(strategy, state.labels, named.get("query_classes"), named.get("private_classes"))
    if keywords.get("clarifier_budgets") == clarifier.AUTO:
        prices = np.array(run.seconds) * run.annotators if run.seconds else cost.UNMEASURED
        keywords["clarifier_budgets"] = cost.tiers(prices, *state.accepted.T, rows=plan.budget, audit=run.audit or 0)
    request = Request(
        strategy,
        sum(keywords.get("clarifier_budgets", (plan.budget,))),
        partial(generator, strategy.name),
        keywords,
        diversify=run.diversify,
        partitions=run.partitions,
        class_weights=state.weights,
        queue_size=run.queue_size,
        parallel=run.parallel,
    )
    choice = choose(request, len(candidates), arrays)
    if choice.round is not None:
        choice = replace(asked(choice.round.asked, choice.round), tied=choice.tied)
    suggested = arrays["likeliest"][choice.places] if run.suggest else choice.marks.get("suggested")
    return choice, None if suggested is None else suggested.astype(np.int64), kept


def _probabilities(model: Model, run: Run, rows: np.ndarray, seed: int) -> np.ndarray:
    """As `score` gives them: with MC dropout the mean over its samples."""
    if run.mc_dropout and isinstance(model, Deep):
        return model.outputs(rows, run.mc_dropout, seed).probabilities
    return model.probabilities(rows)


def _labeled_probability(pool: Pool, run: Run, state: State, *, ranked: bool) -> np.ndarray:
    """What a VAAL that was fitted on candidates and labeled rows says of the candidates, float32; with `ranked` it is a TA-VAAL, which is
    told what the model's ranker says. As `train --vaal` and `score` do it."""
    from altool.models import training, vaal

    known = np.sort(np.concatenate([state.candidates, state.labeled]))
    rows = pool.rows[known]
    rank = state.model.outputs(rows).predicted_loss if ranked and isinstance(state.model, Deep) else None
    seen = training.Pool(state.model.vectors(rows) if rows.dtype == object else rows)
    places = np.searchsorted(known, state.candidates)
    with training.threads(1):
        fitted = vaal.fit(seen, np.isin(known, state.labeled), rank, **run.vaal, seed=state.seed)
        return fitted.labeled_probability(seen.batch(places), rank[places] if rank is not None else None)


def _across(strategy: Strategy, run: Run, arrays: dict[str, Any], rows: int, state: State) -> Kept:
    """Put into `arrays` what comes of comparing this round with the one before, and keep this one for the next."""
    numbers, likeliest = None, np.full(rows, -1, np.int32)
    likeliest[state.candidates] = arrays["likeliest"]
    if strategy.across:
        keep, compare = strategy.across
        numbers = np.full(rows, np.nan)
        numbers[state.candidates] = keep(arrays["probabilities"], **strategy.own(run.options))
        if state.before and state.before.numbers is not None:
            arrays["scores"] = compare(numbers[state.candidates], state.before.numbers[state.candidates])
    if state.before and run.diversify_by != "current":
        arrays["likeliest_before"] = state.before.likeliest[state.candidates]
    return Kept(numbers, likeliest)


def class_names(given: Sequence[str] | str) -> Sequence[str]:
    """A plan names classes in a list, or in one text with commas."""
    return given.split(",") if isinstance(given, str) else given
