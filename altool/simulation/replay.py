"""One run from its seed set to its last round: train, measure, choose, ask the bot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from altool import seeds
from altool.engines.local import allowed
from altool.kernels.nearest import Nearest
from altool.metrics import cost, decided, steering
from altool.metrics.evaluation import Evaluation, evaluate
from altool.metrics.gaps import Aims
from altool.metrics.tiers import AUTO, TIERS
from altool.metrics.tiers import automatic as automatic_rows
from altool.models import folds
from altool.models.registry import classifier
from altool.models.shape import Model, chosen
from altool.models.training import Work
from altool.simulation import bot
from altool.simulation import pool as pools
from altool.simulation.from_model import Kept, Pool, State, likeness, probabilities, supply
from altool.simulation.narrowing import narrowed, neighbours
from altool.simulation.plan import BALANCED, RANDOM, Plan, Run, class_names, starts_cold
from altool.simulation.pool import balanced
from altool.simulation.start import Start
from altool.strategies import registry
from altool.strategies.inputs import Vectors, wanted
from altool.strategies.registry import Strategy
from altool.wrappers.choose import Choice, Request, asked, choose, class_options
from altool.wrappers.shortlist import scorer as scorer_of
from altool.wrappers.unique import choose_unique

if TYPE_CHECKING:
    from altool.simulation.journal import Journal


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
    that they were taken for (-1: none), whether they were explored, their tiers (int8, of TIERS; -1: none), and whether they
    are `automatic`: these have their suggestion as answer, and nobody was asked. `strategy` chose them."""

    number: int
    strategy: str
    positions: np.ndarray
    answers: np.ndarray
    scores: np.ndarray
    suggested: np.ndarray
    target_class: np.ndarray
    explored: np.ndarray
    tier: np.ndarray
    automatic: np.ndarray


@dataclass(frozen=True)
class Times:
    """Processor seconds of a round: to fit its model, to measure it, and to choose the next rows; None for what there was not."""

    number: int
    fit: float | None
    measure: float | None
    choose: float | None


@dataclass(frozen=True)
class Done:
    """A finished round, by its number: what was measured (None: nothing), what was asked for the next one, what it took, why nothing told
    its candidates apart (""), and what it left of its predictions."""

    number: int
    round: Round | None
    asked: Asked
    times: Times
    tied: str
    kept: Kept | None


@dataclass
class History:
    """What a run found. `tied`: of each round that had nothing to tell its candidates apart by, why (wrappers.choose.Choice)."""

    rounds: list[Round] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    tied: list[str] = field(default_factory=list)
    times: list[Times] = field(default_factory=list)

    def add(self, done: Done) -> None:
        """A round that is finished."""
        self.rounds += [done.round] if done.round is not None else []
        self.asked.append(done.asked)
        self.times.append(done.times)
        self.tied += [done.tied] if done.tied else []


def replay(
    pool: Pool,
    plan: Plan,
    run: Run,
    repeat: int,
    *,
    noise: float | np.ndarray = 0.0,
    ranks: np.ndarray | None = None,
    start: np.ndarray | None = None,
    aims: Aims | None = None,
    tell: Callable[[int], None] = lambda rounds: None,
    device: str = "cpu",
    journal: Journal | None = None,
) -> History:
    """Replay one repeat of a run. `noise` as the bot takes it; `ranks` (n,) those of an outside queue, infinity for rows not in it;
    `start` float32 (n, K) the predictions that choose before there is a model, None: there are none; `tell` is told how many rounds, the
    seed set included, are over. Networks are on the `device`, and trained in one thread on the processor, whose number would change the
    last bits. What the `journal` tells of finished rounds is taken from it, and it is told of each that ends.

    The answers, the generators of each round and a seed set that is drawn are the same for all runs of a repeat: they depend on the plan's
    seed and the repeat alone. While nothing is labeled there is no model: a strategy chooses by `start`, or without one if it starts cold,
    and nothing is measured. A strategy sees what a real round would know: the labels so far, the predictions of the model fitted on them,
    and, where it is target-aware, estimates from out-of-fold predictions of the labels that were drawn at random.
    """
    seed = seeds.integer(plan.seed, "simulate", repeat)
    rows, classes = len(pool.truth), len(pool.classes)
    answers = bot.answers(pool.truth, classes, noise, run.skip, run.annotators, seeds.generator(seed, "bot"))
    label = np.full(rows, bot.SKIPPED)
    explored, automatic = np.zeros(rows, bool), np.zeros(rows, bool)
    validation = validated(pool.truth, plan.validation_share, seed)
    open_ = ~validation
    history = History()
    asked, answered = np.zeros(3, np.int64), np.zeros(3, np.int64)

    def ask(number: int, part_of: Run, choice: Choice, positions: np.ndarray, suggested: np.ndarray | None) -> Asked:
        none = np.full(len(positions), -1)
        for_class = choice.target_class if choice.target_class is not None else none
        shown = suggested if suggested is not None else none
        tier = choice.marks.get("tier", none.astype(np.int8))
        nobody = automatic_rows(tier, part_of.audit or 0, seeds.generator(seed, "select", number, "audit"))
        part = Asked(number, part_of.strategy, positions, shown.copy(), choice.scores, shown, for_class, choice.explored, tier, nobody)
        part.answers[~nobody] = bot.agreed(answers[positions[~nobody]], pool.classes)
        return part

    def take(part: Asked) -> None:
        """The answers are there."""
        rows = part.positions
        label[rows], open_[rows], explored[rows], automatic[rows] = part.answers, False, part.explored, part.automatic
        people = ~part.automatic
        counts = bot.counts(answers[rows[people]], part.suggested[people])
        asked[:] += counts
        answered[:] += counts if part.number else 0

    def end(done: Done) -> Kept | None:
        """A round is over, in this process or an earlier one."""
        history.add(done)
        take(done.asked)
        return done.kept

    if plan.seed_size:
        seeds_ = ask(0, Run(run.name, run.seed_strategy), *_seed_set(pool, plan, run, np.flatnonzero(open_), seed), None)
        history.asked.append(seeds_)
        take(seeds_)
    before, chooser = None, run
    record = classifier(run.classifier)
    behind = journal.read(models=run.warm_start) if journal is not None else []
    previous: Model | None = None
    if journal is not None and behind and run.warm_start and behind[-1].round is not None:
        previous = journal.model(behind[-1].number, record, classes)
    work = Work(device, int(device == "cpu"), journal.checkpoints if journal is not None and record.deep else None)
    nearest = cache(partial(Nearest, pool.rows))
    for number in range(plan.rounds + 1):
        labeled = np.flatnonzero(label >= 0)
        now = run.at(len(labeled))
        if number < len(behind):
            chooser = now if len(labeled) else chooser
            before = end(behind[number])
            tell(number + 1)
            continue
        strategy = registry.load(now.strategy, now.options)
        generator = partial(seeds.generator, seed, "select", number + 1)
        candidates = np.flatnonzero(open_ & np.isfinite(ranks) if ranks is not None and "ranks" in strategy.takes else open_)
        near = neighbours(pool, now, nearest, candidates, labeled, label[labeled])
        last = number == plan.rounds or not len(candidates if near is None else near)
        if not len(labeled):
            if last or (start is None and not starts_cold(strategy)):
                break
            begun = process_time()
            suggested = None
            if start is None:
                choice = _choose_cold(pool, plan, now, plan.budget_of(number + 1), candidates, ranks, generator)
            else:
                weights = steering.steered({}, aims, now.weights_from) if now.target_aware and aims is not None else None
                none = labeled.astype(np.int64)
                state = State(
                    Start(start[candidates]), candidates, none, none, automatic[none], ranks, weights, answers, None, seed, _accepted([])
                )
                choice, suggested, _ = _choose(pool, plan, now, plan.budget_of(number + 1), state, generator)
            times = Times(number, None, None, process_time() - begun)
            over = Done(number, None, ask(number + 1, now, choice, candidates[choice.places], suggested), times, choice.tied, None)
            end(over)
            if journal is not None:
                journal.add(over, None)
            continue
        fit: Callable[..., tuple[Model, bool]] = partial(record.fit, count=classes, balance=run.balance, seed=seed, **now.fit)
        if record.deep:
            fit = partial(fit, work=work)
        begun = process_time()
        first = fit if previous is None else partial(fit, start=(previous, np.arange(classes)))
        model, _ = first(pool.rows[labeled], label[labeled])
        previous = model if run.warm_start else None
        fitted = process_time()
        at_precision = aims.at_precision if aims is not None else [plan.at_precision] * classes
        seen = Seen(pool, labeled, label[labeled], explored[labeled], automatic[labeled], validation)
        crossed = cache(partial(_out_of_fold, seen, model, fit, plan.folds, seed))
        held_rows = pool.held_rows if pool.reads == "image" else pool.held_rows[:]
        likely = probabilities(model, now, held_rows, seed)
        measured = evaluate(pool.held_truth, likely, at_precision, None, aims)
        if plan.decided:
            threshold = _thresholds(seen, crossed, at_precision)
            measured = decided.measured(measured, pool.held_truth, likely, threshold, aims.priorities if aims is not None else None)
        counts = np.bincount(label[labeled], minlength=classes)
        spent = float(cost.spent(asked, np.array(run.seconds))) if run.seconds else np.nan
        questions = sum(int((~part.automatic).sum()) for part in history.asked)
        done = process_time()
        tell(number + 1)
        round_ = Round(number, counts, questions, answered.copy(), spent, measured)
        if last:
            history.rounds.append(round_)
            history.times.append(Times(number, fitted - begun, done - fitted, None))
            break
        weights = None
        if now.target_aware and aims is not None:
            weights = _weights(seen, now, aims, model, crossed, seed)
        if before is not None and now is not chooser:  # the number that another strategy has kept is none to compare with
            before = replace(before, numbers=None)
        chooser = now
        accepted = _accepted(history.asked)
        state = State(
            model, candidates, labeled, label[labeled], automatic[labeled], ranks, weights, answers, before, seed, accepted, work.device
        )
        choice, suggested, kept = _choose(pool, plan, now, plan.budget_of(number + 1), state, generator, near)
        if state.told:
            overall = measured.overall | {name: (value, np.nan, np.nan) for name, value in state.told.items()}
            round_ = replace(round_, evaluation=replace(measured, overall=overall))
        times = Times(number, fitted - begun, done - fitted, process_time() - done)
        over = Done(number, round_, ask(number + 1, now, choice, candidates[choice.places], suggested), times, choice.tied, kept)
        before = end(over)
        if journal is not None:
            journal.add(over, previous)
    return history


def _seed_set(pool: Pool, plan: Plan, run: Run, rows: np.ndarray, seed: int) -> tuple[Choice, np.ndarray]:
    """The rows of the seed set out of `rows` (increasing positions), as a choice and as positions. Only what is drawn from all of them is
    a random sample."""
    draw = seeds.generator(seed, "seed set")
    if run.seed_strategy in (RANDOM, BALANCED):
        size = plan.seed_size
        places = draw.permutation(len(rows))[:size] if run.seed_strategy == RANDOM else balanced(pool.truth[rows], size, draw)
        drawn = np.full(len(places), run.seed_strategy == RANDOM)
        return Choice(places, -np.arange(1.0, len(places) + 1), drawn, None), rows[places]
    alone = Run(run.name, run.seed_strategy)
    choice = _choose_cold(pool, plan, alone, plan.seed_size, rows, None, partial(seeds.generator, seed, "select", 0))
    return choice, rows[choice.places]


def _choose_cold(
    pool: Pool,
    plan: Plan,
    run: Run,
    budget: int,
    candidates: np.ndarray,
    ranks: np.ndarray | None,
    generator: Callable[..., np.random.Generator],
) -> Choice:
    """The first questions, while nothing is labeled and there is no model: what wraps a strategy has no predictions to go by yet. Near
    copies are left out all the same."""
    strategy = registry.load(run.strategy, run.options)
    names = wanted(strategy, run.options, diversify=False, suggest=False, target_aware=False)
    arrays: dict[str, Any] = {"labels": np.empty(0, np.int64), "automatic": np.empty(0, bool), "classes": len(pool.classes)}
    arrays |= {"ranks": ranks[candidates]} if ranks is not None else {}
    if pool.reads == "features":
        arrays |= {"features": pool.rows[candidates]} if "features" in names else {}
        arrays |= {"labeled_features": pool.rows[candidates[:0]]} if "labeled_features" in names else {}
        arrays["vectors"] = Vectors(
            np.ones(len(candidates), bool), lambda places: (pool.rows[candidates[places]], pool.rows[candidates[:0]])
        )
    keywords = _keywords(pool, plan, run, strategy, arrays["labels"])
    plain = replace(run, diversify=False)
    return _chosen(pool, run, _request(plain, strategy, budget, keywords, None, generator), candidates, arrays, candidates[:0])


def _chosen(pool: Pool, run: Run, request: Request, candidates: np.ndarray, arrays: dict[str, Any], labeled: np.ndarray) -> Choice:
    """What is chosen, of near copies one where the run is `unique`."""
    if run.unique is None:
        return choose(request, len(candidates), arrays)
    return choose_unique(request, len(candidates), arrays, likeness(pool, run.unique, candidates, labeled))[0]


def _accepted(asked: Sequence[Asked]) -> np.ndarray:
    """int64 (3, 2), as `State` has it. Every row counts once, by what was agreed on; skipped rows do not."""
    found = np.zeros((len(TIERS), 2), np.int64)
    for part in asked:
        told = ~part.automatic & (part.tier >= 0) & (part.answers >= 0)
        right = told & (part.answers == part.suggested)
        found += np.stack([np.bincount(part.tier[rows], minlength=len(TIERS)) for rows in (told, right)], axis=1)
    return found


@dataclass(frozen=True)
class Seen:
    """The rows that estimates may see: positions of the `labeled` ones, their `labels`, which were `explored` (drawn at random) or
    `automatic`, and boolean (n,) the `validation` rows."""

    pool: Pool
    labeled: np.ndarray
    labels: np.ndarray
    explored: np.ndarray
    automatic: np.ndarray
    validation: np.ndarray


def validated(truth: np.ndarray, share: float | None, seed: int) -> np.ndarray:
    """Boolean (n,): the validation rows, a random `share` of every class; without a share none."""
    return pools.hold_out(truth, share, seeds.generator(seed, "validation")) if share else np.zeros(len(truth), bool)


def _two_alike(labels: np.ndarray) -> bool:
    """Does some class have two labels, so that it can be predicted out of fold?"""
    return bool(np.bincount(labels).max() > 1)


def _out_of_fold(seen: Seen, model: Model, fit: Callable[..., tuple[Model, bool]], count: int, seed: int) -> np.ndarray:
    """float32 (m, K) probabilities of the labeled rows, each by a model that `fit` makes of other folds, with what `model` chose."""
    again = partial(fit, **(found.options if (found := chosen(model)) else {}))
    fold = folds.assign(seen.labels, count, seeds.integer(seed, "train", "folds"))
    return folds.predict(seen.pool.rows[seen.labeled], seen.labels, fold, lambda x, y: again(x, y)[0].probabilities)


def _thresholds(seen: Seen, crossed: Callable[[], np.ndarray], at_precision: Sequence[float]) -> np.ndarray:
    """float64 (K,): the classes' thresholds, by the labels that people gave; infinity where no label can be predicted out of fold."""
    own = ~seen.automatic
    if not own.any() or not _two_alike(seen.labels):
        return np.full(len(seen.pool.classes), np.inf)
    return decided.thresholds(seen.labels[own], crossed()[own], at_precision)


def _weights(seen: Seen, run: Run, aims: Aims, model: Model, crossed: Callable[[], np.ndarray], seed: int) -> np.ndarray:
    """TAAL's class weights from the estimates of the run's `weights_from`, as `report` and `select` come to them; `crossed` predicts the
    labeled rows out of fold."""
    samples: dict[str, steering.Sample] = {}
    if run.weights_from in (steering.AUTO, steering.HOLDOUT) and seen.validation.any():
        found = probabilities(model, run, seen.pool.at(np.flatnonzero(seen.validation)), seed)
        samples[steering.HOLDOUT] = steering.sample(seen.pool.truth[seen.validation], found, aims)
    masks = {steering.EXPLORED: seen.explored, steering.LABELED: ~seen.automatic}
    wanted = [name for name in steering.wanted(run.weights_from, samples.get(steering.HOLDOUT)) if masks[name].any()]
    if wanted and _two_alike(seen.labels):
        out_of_fold = crossed()
        samples |= {name: steering.sample(seen.labels[masks[name]], out_of_fold[masks[name]], aims) for name in wanted}
    return steering.steered(samples, aims, run.weights_from)


def _choose(
    pool: Pool,
    plan: Plan,
    run: Run,
    budget: int,
    state: State,
    generator: Callable[..., np.random.Generator],
    near: np.ndarray | None = None,
) -> tuple[Choice, np.ndarray | None, Kept | None]:
    """One round's questions, as places among the candidates, the suggestions for them, and what the next round will want of this one.
    `near` are the places of the candidates near labeled rows (narrowing.neighbours)."""
    strategy = registry.load(run.strategy, run.options)
    names = wanted(strategy, run.options, diversify=run.diversify, suggest=run.suggest, target_aware=run.target_aware)
    names |= {*scorer_of(run.shortlist_by).takes} if run.shortlist else frozenset()
    arrays, kept = supply(pool, run, state, strategy, names, budget)
    keywords = _keywords(pool, plan, run, strategy, state.labels)
    if keywords.get(strategy.budgets) == AUTO:
        prices = np.array(run.seconds) * run.annotators if run.seconds else cost.UNMEASURED
        keywords[strategy.budgets] = cost.tiers(prices, *state.accepted.T, rows=budget, audit=run.audit or 0)
    request = _request(run, strategy, sum(keywords.get(strategy.budgets, (budget,))), keywords, state.weights, generator)
    left, places = narrowed(run, request, state, arrays, near)
    choice = _chosen(pool, run, request, state.candidates[places], left, state.labeled)
    if choice.round is not None:
        choice = replace(asked(choice.round.asked, choice.round), tied=choice.tied)
    choice = replace(choice, places=places[choice.places])
    if near is not None:  # what is drawn at random among neighbours is no random sample of the pool
        choice = replace(choice, explored=np.zeros(len(choice.places), bool))
    suggested = arrays["likeliest"][choice.places] if run.suggest else choice.marks.get("suggested")
    return choice, None if suggested is None else suggested.astype(np.int64), kept


def _keywords(pool: Pool, plan: Plan, run: Run, strategy: Strategy, labels: np.ndarray) -> dict[str, Any]:
    """The strategy's options as its function takes them; `labels` are those of the labeled rows."""
    keywords = dict(run.options)
    if "total_budget" in strategy.option_names and "e3g_decay" not in keywords:
        keywords.setdefault("total_budget", plan.total)
    given = {name: class_names(keywords.pop(name)) for name in ("query_classes", "private_classes") if name in keywords}
    named = {name: [pool.classes.index(class_) for class_ in names] for name, names in given.items()}
    return keywords | class_options(strategy, labels, named.get("query_classes"), named.get("private_classes"))


def _request(
    run: Run,
    strategy: Strategy,
    count: int,
    keywords: dict[str, Any],
    weights: np.ndarray | None,
    generator: Callable[..., np.random.Generator],
) -> Request:
    return Request(
        strategy,
        count,
        partial(generator, strategy.name),
        keywords,
        diversify=run.diversify,
        partitions=run.partitions,
        class_weights=weights,
        queue_size=run.queue_size,
        parallel=run.parallel,
        threads=allowed(),
    )
