"""What is to be replayed: the settings that all runs share, and the runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from altool.errors import UsageError
from altool.metrics import steering
from altool.models.registry import REGISTRY, classifier, own_of_plan, prefix, vaal_of
from altool.options import Say, check, of_run
from altool.simulation.options import of_plans, of_runs
from altool.strategies import registry
from altool.strategies.registry import Strategy
from altool.text import clip
from altool.wrappers.choose import PARALLEL, THRESHOLD


@dataclass(frozen=True)
class Run:
    """One thing to try. `options` are the strategy's own, `fit` the classifier's, `vaal` those of VAAL's or TA-VAAL's networks, which are
    trained where the strategy asks for them; `mc_dropout` as in `score`; `seconds` those of a verified, a corrected and an answer from
    scratch."""

    name: str
    strategy: str
    diversify: bool = False
    diversify_by: str | None = None
    suggest: bool = False
    target_aware: bool = False
    candidate_threshold: float = THRESHOLD
    weights_from: str = steering.AUTO
    queue_size: int | None = None
    partitions: int | None = None
    parallel: int = PARALLEL
    audit: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    classifier: str = "logistic"
    balance: str = "none"
    fit: Mapping[str, Any] = field(default_factory=dict)
    mc_dropout: int | None = None
    vaal: Mapping[str, Any] = field(default_factory=dict)
    label_noise: str | float = 0.0
    skip: float = 0.0
    annotators: int = 1
    seconds: tuple[float, float, float] | None = None

    @property
    def slug(self) -> str:
        """The name as part of a folder's name."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "run"


@dataclass(frozen=True)
class Plan:
    """How often, how long and from where every run is replayed."""

    runs: Sequence[Run]
    seed_size: int
    rounds: int
    budget: int
    repeats: int
    seed: int
    at_precision: float = 0.9
    folds: int = 5
    validation_share: float | None = None

    def facts(self, run: Run) -> dict[str, Any]:
        """What decides the outcome of a run but for its inputs, whose fingerprints stand for their paths. A run depends on no other run,
        and no repeat on their number."""
        shared = {name: getattr(self, name) for name in ("seed_size", "rounds", "budget", "at_precision")}
        shared |= {"validation_share": self.validation_share} if self.validation_share is not None else {}
        shared |= {"folds": self.folds} if run.target_aware else {}
        own = {name: value for name, value in asdict(run).items() if value not in (None, {}) and name != "queue"}
        if not run.target_aware:
            del own["weights_from"]
        if isinstance(run.label_noise, str):
            del own["label_noise"]
        if run.fit:
            own["fit"] = {name: value for name, value in run.fit.items() if name not in classifier(run.classifier).files}
        return {**shared, **own}


SHARED = ("seed_size", "rounds", "budget", "repeats", "seed", "at_precision", "folds", "validation_share")
OF_RUNS = ("strategy", *of_runs())
VAAL = "vaal_"


def of_models(name: str) -> bool:
    """Is this the name of an option of a classifier, as `logistic_c`, or of VAAL, as `vaal_epochs`?"""
    return name.startswith((VAAL, *map(prefix, REGISTRY.names())))


def files() -> set[str]:
    """The classifiers' options that name files, as `fasttext_pretrained`."""
    return {prefix(name) + option for name, record in REGISTRY.every().items() for option in record.files}


def make(settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan of these settings; each of `rows` is a run, and overrides the settings that belong to runs.

    Keys of a row that are no setting are options of its strategy. Raises UsageError for an option that the strategy does not know,
    values that make no sense, and runs that cannot be told apart.
    """
    common = {name: value for name, value in settings.items() if name in OF_RUNS or of_models(name)}
    runs = [_run(row, common, validated=settings.get("validation_share") is not None) for row in rows]
    if not runs:
        raise UsageError("nothing to simulate", "name a --strategy, or a [[run]] in the --plan")
    twice = {run.slug for run in runs if [other.slug for other in runs].count(run.slug) > 1}
    if twice:
        raise UsageError(f"two runs are called {sorted(twice)[0]!r}", "give each [[run]] a name of its own")
    missing = [name for name in ("seed_size", "rounds", "budget") if settings.get(name) is None]
    if missing:
        raise UsageError(f"missing {', '.join('--' + name.replace('_', '-') for name in missing)}", "or name them in the --plan")
    shared = {name: settings[name] for name in SHARED if settings.get(name) is not None}
    every = of_plans()
    return Plan(runs, **{"repeats": 1, "seed": 0, **check([every[name] for name in SHARED], shared, lambda key: f"plan, {key}", "a plan")})


def _run(row: Mapping[str, Any], common: Mapping[str, Any], *, validated: bool) -> Run:
    given = {name.replace("-", "_"): value for name, value in {**common, **row}.items() if value is not None}
    name = given.pop("name", None)
    if not isinstance(name, str | None):
        raise UsageError(f"[[run]], name: expected a text, found {clip(repr(name), 80)}", 'for example name = "margin, twice"')
    if not isinstance(given.get("strategy"), str):
        who = f'run "{clip(name, 80)}"' if name else "a [[run]]"
        raise UsageError(f"{who}, strategy: expected the name of a strategy", 'for example strategy = "margin"')
    say = of_run(name or given["strategy"])
    fit = {key: value for key, value in given.items() if of_models(key)}
    own = {key: value for key, value in given.items() if key not in OF_RUNS and key not in fit}
    strategy, options = registry.prepare(given["strategy"], own, say, given["strategy"], say("strategy"), OF_RUNS)
    if "first" in options:
        raise UsageError(f"{say('first')} has no effect in a simulation", "leave it out: the seed set is drawn at random")
    if "ranks" not in strategy.takes:
        given.pop("queue", None)  # the plan's queue is for the runs that follow one
    known = check(of_runs().values(), {key: given[key] for key in of_runs() if key in given}, say, "a run")
    wraps = [key.replace("_", "-") for key in ("diversify", "target_aware", "suggest") if known.get(key)]
    known |= _fit(known.get("classifier", "logistic"), strategy.wrapped, fit, say)
    run = Run(name=name or " + ".join([strategy.name, *wraps]), strategy=strategy.name, options=options, **known)
    _check_run(run, strategy, say)
    usable = (prefix(run.classifier), VAAL) if "labeled_probability" in strategy.wrapped.takes else (prefix(run.classifier),)
    if stray := [key for key in row if of_models(key.replace("-", "_")) and not key.replace("-", "_").startswith(usable)]:
        raise UsageError(f"{say(stray[0])} has no effect with {strategy.name} and classifier {run.classifier}", "leave it out")
    if "weights_from" in row and not run.target_aware:
        raise UsageError(f"{say('weights_from')} has no effect without target_aware = true", "add it, or leave weights_from out")
    if run.target_aware and run.weights_from == steering.HOLDOUT and not validated:
        raise UsageError(f"{say('weights_from')}: holdout needs validation rows", "give validation_share = 0.2, or --validation-share 0.2")
    if "queue" in row and "ranks" not in strategy.takes:
        raise UsageError(f"{say('queue')} has no effect with {strategy.name}", 'use strategy = "queue"')
    return run


def _fit(name: str, strategy: Strategy, given: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """What a run fits: the options of its classifier and of VAAL among the `given` ones, checked. Raises UsageError."""
    if name not in REGISTRY.names():
        raise UsageError(f"{say('classifier')}: {clip(repr(name), 80)} is unknown", f"choose from {', '.join(REGISTRY.names())}")
    record, start = classifier(name), prefix(name)
    fit = {key: value for key, value in given.items() if key.startswith(start)}
    if strategy.name == "ta-vaal" and record.deep:
        fit = {f"{start}ranker": "ranking", **fit}
    of_vaal = "labeled_probability" in strategy.takes
    own = {key: value for key, value in given.items() if key.startswith(VAAL) and of_vaal}
    return {"fit": own_of_plan(record, fit, say), "vaal": vaal_of(own, say, "VAAL")}


def _check_run(run: Run, strategy: Strategy, say: Say) -> None:
    """Refuse what does not go together. Raises UsageError."""
    registry.check_wrappers(strategy, diversify=run.diversify, partitions=run.partitions, who=strategy.name, say=say)
    if "ranks" in strategy.takes and not run.queue:
        raise UsageError(f"{strategy.name} needs {say('queue')}", 'for example queue = "ranked.parquet"')
    if run.audit is not None and not strategy.tiers:
        raise UsageError(f"{say('audit')} has no effect with {strategy.name}", "use it with a strategy that has tiers, as clarifier")
    if run.diversify_by and not run.diversify:
        raise UsageError(f"{say('diversify_by')} has no effect without diversify = true", "add it, or leave diversify_by out")
    record = classifier(run.classifier)
    _check_deep(run, strategy.wrapped, {**record.defaults, **run.fit})
    if "head" in strategy.takes and not record.head:
        raise UsageError(f"{say('classifier')}: {run.classifier} has no linear head, which {strategy.name} needs", 'give "logistic"')


def _check_deep(run: Run, strategy: Strategy, fit: Mapping[str, Any]) -> None:
    """Does the classifier, with the options `fit`, say what the strategy takes beside probabilities? Raises UsageError."""
    needs, mlp = f'run "{clip(run.name, 80)}": {strategy.name} needs', 'give classifier = "mlp" and'
    if ("predicted_loss" in strategy.takes or strategy.name == "ta-vaal") and fit.get("ranker", "none") == "none":
        raise UsageError(f"{needs} a loss ranker", f'{mlp} mlp-ranker = "ranking"')
    if "mutual_information" in strategy.takes and run.mc_dropout is None:
        raise UsageError(f"{needs} mc-dropout", f"{mlp} mlp-dropout = 0.5 and mc-dropout = 20")
    if run.mc_dropout is not None and not fit.get("dropout"):
        text = f"{of_run(run.name)('mc_dropout')} takes samples of a classifier with dropout, which {run.classifier} has not"
        raise UsageError(text, f"{mlp} mlp-dropout = 0.5")
