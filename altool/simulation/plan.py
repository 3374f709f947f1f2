"""What is to be replayed: the settings that all runs share, and the runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

from altool.errors import UsageError
from altool.extras import need
from altool.kernels.similarity import QUERY_CLASSES
from altool.metrics import steering
from altool.models.recipes import RECIPES
from altool.models.registry import REGISTRY, VAAL, VAAL_RANK, classifier, known, own_of_plan, prefix, vaal_of
from altool.models.shape import Classifier
from altool.options import Option, Say, check, of_run
from altool.payloads.pictures import Recipe
from altool.simulation.options import of_plans, of_runs
from altool.strategies import registry
from altool.strategies.inputs import INPUTS
from altool.strategies.registry import Strategy
from altool.text import clip, count
from altool.wrappers import shortlist
from altool.wrappers.choose import PARALLEL, THRESHOLD

RANDOM, BALANCED = "random", "balanced"  # seed sets


@dataclass(frozen=True)
class Run:
    """One thing to try. `options` are the strategy's own, `fit` the classifier's, `vaal` those of VAAL's or TA-VAAL's networks, which are
    trained where the strategy asks for them; with `warm_start` each round's model is trained from the one before; `subset_factor` is that
    of a strategy without this option, and `shortlist` and `within_neighbours` as in `select`, all three from the first model on;
    `query_classes` are those whose neighbours are candidates, where the strategy has no such option; `mc_dropout` as in `score`; `seconds`
    those of a verified, a corrected and an answer from scratch. The seed set is drawn at random (RANDOM), with as many rows of each class
    (BALANCED), or chosen by a strategy that starts cold; once `after` rows are labeled, the run `then` chooses, which differs in how it
    chooses alone. While nothing is labeled, a strategy chooses by `start_predictions`, if there are any."""

    name: str
    strategy: str
    diversify: bool = False
    diversify_by: str | None = None
    unique: float | None = None
    suggest: bool = False
    target_aware: bool = False
    candidate_threshold: float = THRESHOLD
    weights_from: str = steering.AUTO
    queue_size: int | None = None
    partitions: int | None = None
    parallel: int = PARALLEL
    audit: int | None = None
    subset_factor: int | None = None
    within_neighbours: int | None = None
    query_classes: Sequence[str] | str | None = None
    shortlist: int | None = None
    shortlist_by: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    start_predictions: str | None = None
    classifier: str = "logistic"
    balance: str = "none"
    fit: Mapping[str, Any] = field(default_factory=dict)
    warm_start: bool = False
    mc_dropout: int | None = None
    vaal: Mapping[str, Any] = field(default_factory=dict)
    label_noise: str | float = 0.0
    skip: float = 0.0
    annotators: int = 1
    seconds: tuple[float, float, float] | None = None
    seed_strategy: str = RANDOM
    then: Run | None = None
    after: int | None = None

    @property
    def parts(self) -> tuple[Run, ...]:
        """This run, and those that take over one after another."""
        return (self, *(self.then.parts if self.then else ()))

    def at(self, labeled: int) -> Run:
        """The one that chooses when so many rows are labeled."""
        return self.then.at(labeled) if self.then and self.after is not None and labeled >= self.after else self

    @property
    def slug(self) -> str:
        """The name as part of a folder's name."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "run"


@dataclass(frozen=True)
class Plan:
    """How often, how long and from where every run is replayed. `budget`: the rows to ask for in each round; the last goes on."""

    runs: Sequence[Run]
    seed_size: int
    rounds: int
    budget: tuple[int, ...]
    repeats: int
    seed: int
    at_precision: float = 0.9
    folds: int = 5
    validation_share: float | None = None
    decided: bool = False

    def budget_of(self, number: int) -> int:
        """The rows to ask for in a round, from 1."""
        return self.budget[min(number, len(self.budget)) - 1]

    @property
    def total(self) -> int:
        """The rows of the seed set and of all rounds."""
        return self.seed_size + sum(map(self.budget_of, range(1, self.rounds + 1)))

    def facts(self, run: Run) -> dict[str, Any]:
        """What decides the outcome of a run but for its inputs, whose fingerprints stand for their paths. A run depends on no other run,
        and no repeat on their number."""
        shared = {name: getattr(self, name) for name in ("seed_size", "rounds", "budget", "at_precision")}
        shared |= {"validation_share": self.validation_share} if self.validation_share is not None else {}
        shared |= {"decided": True} if self.decided else {}
        shared |= {"folds": self.folds} if self.decided or any(part.target_aware for part in run.parts) else {}
        return {**shared, **_facts(run)}


def _facts(run: Run) -> dict[str, Any]:
    own = {name: value for name, value in asdict(run).items() if value not in (None, {}) and name not in (*TABLES, "then")}
    if not run.target_aware:
        del own["weights_from"]
    if not run.warm_start:
        del own["warm_start"]
    if isinstance(run.label_noise, str):
        del own["label_noise"]
    record = classifier(run.classifier)  # with its defaults: one that changes is another setting
    paths = record.paths(run.fit)
    own["fit"] = {name: value for name, value in {**record.defaults, **run.fit}.items() if value is not None and name not in paths}
    return own | ({"then": _facts(run.then)} if run.then else {})


TABLES = ("queue", "start_predictions")  # of a run, which their fingerprints stand for
AFTER = Option("after", int, low=1, high=2**31 - 1, metavar="N", help="The labels from which on it chooses.")
OF_DEEP = ("mutual_information", "predicted_loss")  # what deep models alone predict
SHARED = ("seed_size", "rounds", "budget", "repeats", "seed", "at_precision", "folds", "validation_share", "decided")
OF_RUNS = ("strategy", "then", *of_runs())
OF_CHOICE = (
    *("diversify", "diversify_by", "unique", "suggest", "target_aware", "weights_from", "candidate_threshold", "queue_size"),
    *("partitions", "parallel", "audit", "subset_factor", "shortlist", "shortlist_by", "within_neighbours"),
)
# Of these, what fits the one strategy or the other.
OF_STRATEGY = ("diversify", "diversify_by", "partitions", "audit", "subset_factor", "shortlist", "shortlist_by")
OF_TRAINING = ("recipe", "warm_start")  # what deep classifiers alone take


def classifiers(settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Classifier]:
    """Those that a plan of these settings and runs may hold options of: all that are registered, and the networks that it names."""
    named = {row["classifier"] for row in (settings, *rows) if isinstance(row.get("classifier"), str)}
    return REGISTRY.every() | {name: REGISTRY.load(name) for name in sorted(named) if known(name)}


def of_models(names: Iterable[str]) -> tuple[str, ...]:
    """What the keys of options of VAAL, as `vaal_epochs`, and of the classifiers of these names, as `logistic_c`, begin with."""
    return (VAAL, *map(prefix, names))


def files(records: Mapping[str, Classifier]) -> dict[str, Option]:
    """The options of the classifiers that name files, by their keys, as `fasttext_pretrained`."""
    return {prefix(name) + option.name: option for name, record in records.items() for option in record.options if option.file}


def make(settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan of these settings; each of `rows` is a run, and overrides the settings that belong to runs.

    Keys of a row that are no setting are options of its strategy. A list of values of an option of a classifier stands for a run with each.
    Raises UsageError for an option that the strategy does not know, values that make no sense, and runs that cannot be told apart.
    """
    starts = of_models(classifiers(settings, rows))
    common = {name: value for name, value in settings.items() if name in OF_RUNS or name.startswith(starts)}
    runs = [run for row in rows for run in _runs(row, common, starts)]
    if not runs:
        raise UsageError("nothing to simulate", "name a --strategy, or a [[run]] in the --plan")
    twice = {run.slug for run in runs if [other.slug for other in runs].count(run.slug) > 1}
    if twice:
        raise UsageError(f"two runs are called {sorted(twice)[0]!r}", "give each [[run]] a name of its own")
    shared = {name: settings[name] for name in SHARED if settings.get(name) is not None}
    every = of_plans()
    values = check([every[name] for name in SHARED], shared, lambda key: f"plan, {key}", "a plan")
    several = len(values.get("budget", ())) > 1  # says how many rounds there are
    missing = [name for name in ("seed_size", "rounds", "budget") if name not in values and not (name == "rounds" and several)]
    if missing:
        raise UsageError(f"missing {', '.join('--' + name.replace('_', '-') for name in missing)}", "or name them in the --plan")
    plan = Plan(runs, **{"repeats": 1, "seed": 0, "rounds": len(values["budget"]), **values})
    if len(plan.budget) > plan.rounds:
        text = f"plan, budget: found budgets for {count(len(plan.budget), 'round')}, expected at most {plan.rounds:,}, as many as rounds"
        raise UsageError(text, "leave out --rounds, or give fewer")
    for run in runs:
        _check_start(run, plan.seed_size)
        for part in run.parts:
            shortlist.check_budget(part.shortlist, max(plan.budget), of_run(run.name))
        if plan.validation_share is None and any(part.target_aware and part.weights_from == steering.HOLDOUT for part in run.parts):
            text = f"{of_run(run.name)('weights_from')}: holdout needs validation rows"
            raise UsageError(text, "give validation_share = 0.2, or --validation-share 0.2")
    return plan


def _runs(row: Mapping[str, Any], common: Mapping[str, Any], starts: tuple[str, ...]) -> Iterator[Run]:
    """The runs that a row stands for: one for each combination of the values in lists. `starts` are what `of_models` gives."""
    given = {name.replace("-", "_"): value for name, value in {**common, **row}.items()}
    known = _axes(given.get("classifier", "logistic"))
    axes = {name: value for name, value in given.items() if isinstance(value, list) and value and name in known}
    own = {name: value for name, value in row.items() if name.replace("-", "_") not in axes}
    for values in product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        run = _run({**own, **chosen}, common, starts)
        words = [f"{name} {f'{value:g}' if isinstance(value, float) else value}" for name, value in chosen.items()]
        yield replace(run, name=", ".join([run.name, *words]))


def _axes(name: Any) -> set[str]:
    """The keys whose lists are several values: balance, and the classifier's options."""
    if not isinstance(name, str) or not known(name):
        return set()
    return {"balance", *(prefix(name) + option.name for option in classifier(name).options)}


def _run(row: Mapping[str, Any], common: Mapping[str, Any], starts: tuple[str, ...], say: Say | None = None) -> Run:
    """The run of a row; `say` names the keys of a part of one that is called otherwise."""
    given = {name.replace("-", "_"): value for name, value in {**common, **row}.items() if value is not None}
    name, then = given.pop("name", None), given.pop("then", None)
    if not isinstance(name, str | None):
        raise UsageError(f"[[run]], name: expected a text, found {clip(repr(name), 80)}", 'for example name = "margin, twice"')
    if not isinstance(given.get("strategy"), str):
        who = f'run "{clip(name, 80)}"' if name else "a [[run]]"
        raise UsageError(f"{who}, strategy: expected the name of a strategy", 'for example strategy = "margin"')
    say = say or of_run(name or given["strategy"])
    fit = {key: value for key, value in given.items() if key.startswith(starts)}
    own = {key: value for key, value in given.items() if key not in OF_RUNS and key not in fit}
    named = None  # whose neighbours are candidates: of any strategy
    if "within_neighbours" in given and "query_classes" not in registry.load(given["strategy"], own, say, say("strategy")).option_names:
        named = own.pop("query_classes", None)
        named = QUERY_CLASSES.take(named, say("query_classes")) if named is not None else None
    strategy, options = registry.prepare(given["strategy"], own, say, given["strategy"], say("strategy"), OF_RUNS)
    if "first" in options:
        raise UsageError(f"{say('first')} has no effect in a simulation", "leave it out: what is first is drawn at random")
    if "ranks" not in strategy.takes:
        given.pop("queue", None)  # the plan's queue is for the runs that follow one
    taken = check(of_runs().values(), {key: given[key] for key in of_runs() if key in given}, say, "a run")
    if "subset_factor" in strategy.option_names and "subset_factor" in taken:
        options = {**options, "subset_factor": taken.pop("subset_factor")}
    wraps = [key.replace("_", "-") for key in ("diversify", "unique", "target_aware", "suggest") if taken.get(key)]
    taken = _fit(taken, strategy.wrapped, fit, row, say)
    run = Run(name=name or " + ".join([strategy.name, *wraps]), strategy=strategy.name, options=options, query_classes=named, **taken)
    if then is not None:
        part = _then(then, row, common, starts, say)
        if reads(part) != reads(run):
            raise UsageError(f"{say('then')}: it reads other pictures than the run", "give size, stem and augmentation to the whole run")
        run = replace(run, then=part, after=then["after"], name=name or f"{run.name} then {part.name}")
    _check_run(run, strategy, say)
    usable = (prefix(run.classifier), VAAL) if "labeled_probability" in strategy.wrapped.takes else (prefix(run.classifier),)
    names = {key: key.replace("-", "_") for key in row}
    idle = () if strategy.wrapped.name == "ta-vaal" else (VAAL_RANK,)
    if stray := [key for key, own in names.items() if own in idle or (own.startswith(starts) and not own.startswith(usable))]:
        raise UsageError(f"{say(stray[0])} has no effect with {strategy.name} and classifier {run.classifier}", "leave it out")
    if "weights_from" in row and not run.target_aware:
        raise UsageError(f"{say('weights_from')} has no effect without target_aware = true", "add it, or leave weights_from out")
    if "queue" in row and "ranks" not in strategy.takes:
        raise UsageError(f"{say('queue')} has no effect with {strategy.name}", 'use strategy = "queue"')
    return run


def _then(then: Any, row: Mapping[str, Any], common: Mapping[str, Any], starts: tuple[str, ...], say: Say) -> Run:
    """The part of a run that takes over, from its table. Raises UsageError."""
    hint = 'for example then = {strategy = "margin", after = 200}'
    if not isinstance(then, Mapping) or not isinstance(then.get("strategy"), str):
        raise UsageError(f"{say('then')}: expected a table with strategy and after, found {clip(repr(then), 80)}", hint)

    def inner(key: str) -> str:
        return say(f"then.{key}")

    own = {name.replace("-", "_"): value for name, value in then.items() if name != "after"}
    if stray := [name for name in own if name in ("name", *OF_RUNS) and name not in ("strategy", "then", *OF_CHOICE)]:
        raise UsageError(f"{inner(stray[0])} has no effect", "give it to the whole run")
    if "after" not in then:
        raise UsageError(f"{say('then')} needs after, the labels from which on it chooses", hint)
    after = AFTER.take(then["after"], inner("after"))
    if own["strategy"] == "queue":
        raise UsageError(f"{inner('strategy')}: queue has no effect here", "begin with it")
    of_run_ = {name.replace("-", "_"): value for name, value in row.items()}
    kept = {name: value for name, value in of_run_.items() if name in of_runs() or name.startswith(starts)}
    if "within_neighbours" in kept:
        kept |= {name: value for name, value in of_run_.items() if name == "query_classes"}
    whole = {**common, "then": None, **{name: value for name, value in kept.items() if name not in OF_STRATEGY}}
    part = _run(own, whole, starts, inner)
    if part.after is not None and part.after <= after:
        raise UsageError(
            f"{inner('then.after')}: expected more than {then['after']:,}, found {part.after:,}", "give the later one more labels"
        )
    return part


def _check_start(run: Run, seed_size: int) -> None:
    """Refuse what cannot choose without a model. Raises UsageError."""
    say = of_run(run.name)
    begins = run.at(0)
    if run.seed_strategy not in (RANDOM, BALANCED):
        if not seed_size:
            raise UsageError(f"{say('seed_strategy')} has no effect with a seed set of 0 rows", "leave it out, or give --seed-size")
        strategy = registry.load(run.seed_strategy, option=say("seed_strategy"))
        if "ranks" in strategy.takes or not starts_cold(strategy) or any(option.required for option in strategy.options):
            text = f"{say('seed_strategy')}: {strategy.name} cannot choose without a model"
            raise UsageError(text, f"give random, balanced or one of {', '.join(_cold())}")
        _check_reads(run, strategy, say("seed_strategy"))
    if run.start_predictions is not None:
        _check_predicted(run, registry.load(begins.strategy, begins.options), seed_size, say)
    elif not seed_size:
        strategy = registry.load(begins.strategy, begins.options)
        if not starts_cold(strategy):
            text = f"{say('strategy')}: {strategy.name} cannot choose without a model, which a seed set of 0 rows leaves it without"
            hint = f"give a larger --seed-size or --start-predictions, or begin with one of {', '.join(_cold())}"
            raise UsageError(text, hint)
        _check_reads(run, strategy, say("strategy"))


def _check_predicted(run: Run, strategy: Strategy, seed_size: int, say: Say) -> None:
    """Refuse predictions to start with that choose nothing. Raises UsageError."""
    if seed_size:
        text = f"{say('start_predictions')} has no effect with a seed set of {count(seed_size, 'row')}"
        raise UsageError(text, "give --seed-size 0: they choose until a model is trained")
    beyond = {*OF_DEEP, "labeled_probability", "head", "ranks"} & {*strategy.takes, *strategy.wrapped.takes}
    if beyond or strategy.shape == "ask":
        text = f"{say('strategy')}: {strategy.name} needs more than predictions, which a seed set of 0 rows leaves it without"
        raise UsageError(text, "give a larger --seed-size, or begin with margin or most-likely-positive")
    _check_reads(run, strategy, say("strategy"))


def _check_reads(run: Run, strategy: Strategy, subject: str) -> None:
    """Refuse a choice by vectors, where only a model makes them. Raises UsageError."""
    column = classifier(run.classifier).reads
    if column != "features" and any(INPUTS[name].table == "features" for name in strategy.takes):
        text = f"{subject}: {strategy.name} needs features, and classifier {run.classifier} reads {column}"
        raise UsageError(text, "give random, or a classifier of features")


def starts_cold(strategy: Strategy) -> bool:
    """Can it choose before there is a model?"""
    of_models = {name for name in (*strategy.takes, *strategy.wrapped.takes) if INPUTS[name].table in ("predictions", "model")}
    return strategy.cold_start and not of_models - {"classes"}


def _cold() -> list[str]:
    return [name for name, strategy in registry.REGISTRY.every().items() if starts_cold(strategy)]


def reads(run: Run) -> tuple[str, Recipe | None]:
    """The column that a run's classifier reads and, of images, the recipe of the pictures that it is trained on."""
    record = classifier(run.classifier)
    return record.reads, record.picture(record.complete(dict(run.fit)), True) if record.picture else None


def _fit(taken: dict[str, Any], strategy: Strategy, given: Mapping[str, Any], row: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """What is `taken` for a run, and what it fits: the options of its classifier and of VAAL among the `given` ones, checked, above those
    of its recipe. Raises UsageError, also for what deep classifiers alone take where another one's `row` has it."""
    record = classifier(taken.get("classifier", "logistic"), say("classifier"))
    start = prefix(record.name)
    if record.learns != "labels":
        text = f"{say('classifier')}: {record.name} learns {record.learns} of an outside model, which a simulation does not have"
        raise UsageError(text, 'give for example "logistic"')
    if not record.deep:
        if idle := [key for key in row if key.replace("-", "_") in OF_TRAINING and taken[key.replace("-", "_")]]:
            text = f"{say(idle[0])} has no effect with classifier {record.name}"
            raise UsageError(text, "leave it out, or give a deep classifier, as mlp or resnet18")
        taken = {key: value for key, value in taken.items() if key not in OF_TRAINING}
    recipe = RECIPES[taken.pop("recipe")] if "recipe" in taken else {}
    if "balance" in recipe:
        taken.setdefault("balance", recipe["balance"])
    first = {"ranker": "ranking"} if strategy.name == "ta-vaal" and record.deep else {}
    first |= {name: value for name, value in recipe.items() if name in record.defaults}
    fit = {start + name: value for name, value in first.items()} | {key: value for key, value in given.items() if key.startswith(start)}
    vaal: dict[str, Any] = {}
    if "labeled_probability" in strategy.takes:
        need("torch", f"{say('strategy')} {strategy.name}")
        ranked = strategy.name == "ta-vaal"
        own = {key: value for key, value in given.items() if key.startswith(VAAL) and (ranked or key != VAAL_RANK)}
        vaal = vaal_of(own, say, "VAAL", ranked=ranked)
    return {**taken, "vaal": vaal, "fit": own_of_plan(record, fit, say)}


def _check_run(run: Run, strategy: Strategy, say: Say) -> None:
    """Refuse what does not go together. Raises UsageError."""
    registry.check_wrappers(strategy, diversify=run.diversify, partitions=run.partitions, who=strategy.name, say=say)
    shortlist.check(strategy, run.shortlist, run.shortlist_by, strategy.name, say)
    if "ranks" in strategy.takes and not run.queue:
        raise UsageError(f"{strategy.name} needs {say('queue')}", 'for example queue = "ranked.parquet"')
    if run.within_neighbours is not None and classifier(run.classifier).reads != "features":
        text = f"{say('within_neighbours')} has no effect with classifier {run.classifier}, which reads {classifier(run.classifier).reads}"
        raise UsageError(text, "give a classifier of features: neighbours are told by them")
    if run.unique is not None and strategy.shape == "ask":
        raise UsageError(f"{say('unique')} has no effect with {strategy.name}: what it asks follows from the answers", "leave it out")
    if run.audit is not None and not strategy.tiers:
        raise UsageError(f"{say('audit')} has no effect with {strategy.name}", "use it with a strategy that has tiers, as clarifier")
    if run.diversify_by and not run.diversify:
        raise UsageError(f"{say('diversify_by')} has no effect without diversify = true", "add it, or leave diversify_by out")
    record = classifier(run.classifier)
    _check_deep(run, strategy.wrapped, {**record.defaults, **run.fit})
    if "head" in (*strategy.takes, *strategy.optional) and not record.head:
        raise UsageError(f"{say('classifier')}: {run.classifier} has no linear head, which {strategy.name} needs", 'give "logistic"')


def _check_deep(run: Run, strategy: Strategy, fit: Mapping[str, Any]) -> None:
    """Does the classifier, with the options `fit`, say what the strategy takes beside probabilities? Raises UsageError."""
    needs, record = f'run "{clip(run.name, 80)}": {strategy.name} needs', classifier(run.classifier)
    name = record.name if record.deep else "mlp"
    own, give = prefix(name).replace("_", "-"), f'give classifier = "{name}" and'
    if ("predicted_loss" in strategy.takes or strategy.name == "ta-vaal") and fit.get("ranker", "none") == "none":
        raise UsageError(f"{needs} a loss ranker", f'{give} {own}ranker = "ranking"')
    if "mutual_information" in strategy.takes and run.mc_dropout is None:
        raise UsageError(f"{needs} mc-dropout", f"{give} {own}dropout = 0.5 and mc-dropout = 20")
    if run.mc_dropout is not None and not fit.get("dropout") and record.reads != "image":  # a network may have its own
        text = f"{of_run(run.name)('mc_dropout')} takes samples of a classifier with dropout, which {run.classifier} has not"
        raise UsageError(text, f"{give} {own}dropout = 0.5")


def class_names(given: Sequence[str] | str) -> Sequence[str]:
    """A plan names classes in a list, or in one text with commas."""
    return given.split(",") if isinstance(given, str) else given
