"""What is to be replayed: the settings that all runs share, and the runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from altool.errors import UsageError
from altool.models.registry import REGISTRY, classifier, own_of_plan, prefix, vaal_of
from altool.options import of_run
from altool.selection.options import Options
from altool.strategies import clarifier, registry
from altool.strategies.registry import Strategy
from altool.text import clip
from altool.wrappers.choose import PARALLEL


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
    candidate_threshold: float = 0.5
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

    def facts(self, run: Run) -> dict[str, Any]:
        """What decides the outcome of a run but for its inputs, whose fingerprints stand for their paths. A run depends on no other run,
        and no repeat on their number."""
        shared = {name: getattr(self, name) for name in ("seed_size", "rounds", "budget", "at_precision")}
        shared |= {"folds": self.folds} if run.target_aware else {}
        own = {name: value for name, value in asdict(run).items() if value not in (None, {}) and name != "queue"}
        if isinstance(run.label_noise, str):
            del own["label_noise"]
        if run.fit:
            files_ = classifier(run.classifier).files
            own["fit"] = {name: value for name, value in run.fit.items() if name not in files_}
        return {**shared, **own}


SHARED = ("seed_size", "rounds", "budget", "repeats", "seed", "at_precision", "folds")
OF_RUNS = tuple(entry.name for entry in fields(Run) if entry.name not in ("name", "options", "fit", "vaal"))
VAAL = "vaal_"


def of_models(name: str) -> bool:
    """Is this the name of an option of a classifier, as `logistic_c`, or of VAAL, as `vaal_epochs`?"""
    return name.startswith((VAAL, *map(prefix, REGISTRY.names())))


def files() -> set[str]:
    """The classifiers' options that name files, as `fasttext_pretrained`."""
    return {prefix(name) + option for name in REGISTRY.names() for option in classifier(name).files}


def make(settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan of these settings; each of `rows` is a run, and overrides the settings that belong to runs.

    Keys of a row that are no setting are options of its strategy. Raises UsageError for an option that the strategy does not know,
    values that make no sense, and runs that cannot be told apart.
    """
    common = {name: value for name, value in settings.items() if name in OF_RUNS or of_models(name)}
    runs = [_run(row, common) for row in rows]
    if not runs:
        raise UsageError("nothing to simulate", "name a --strategy, or a [[run]] in the --plan")
    twice = {run.slug for run in runs if [other.slug for other in runs].count(run.slug) > 1}
    if twice:
        raise UsageError(f"two runs are called {sorted(twice)[0]!r}", "give each [[run]] a name of its own")
    missing = [name for name in ("seed_size", "rounds", "budget") if settings.get(name) is None]
    if missing:
        raise UsageError(f"missing {', '.join('--' + name.replace('_', '-') for name in missing)}", "or name them in the --plan")
    shared = {name: settings[name] for name in SHARED if settings.get(name) is not None}
    _check_types("the plan", shared, get_type_hints(Plan))
    for name in ("seed_size", "rounds", "budget", "repeats"):
        if name in shared and not (isinstance(shared[name], int) and 0 < shared[name] < 2**31):
            raise UsageError(f"{name}: {clip(repr(shared[name]), 80)} is no whole number above 0, or beyond all use")
    return Plan(runs, **{"repeats": 1, "seed": 0, **shared})


def _run(row: Mapping[str, Any], common: Mapping[str, Any]) -> Run:
    given = {name.replace("-", "_"): value for name, value in {**common, **row}.items() if value is not None}
    if not isinstance(given.get("strategy"), str):
        raise UsageError("a [[run]] has no strategy", 'for example strategy = "margin"')
    if not isinstance(given.get("name", ""), str):
        raise UsageError(f"run {clip(repr(given['name']), 80)}: its name is no text", 'for example name = "margin, twice"')
    strategy = registry.load(given["strategy"], given)
    if "ranks" not in strategy.takes:
        given.pop("queue", None)  # the plan's queue is for the runs that follow one
    fit = {name: value for name, value in given.items() if of_models(name)}
    own = {name: value for name, value in given.items() if name not in (*OF_RUNS, "name") and name not in fit}
    if own.get("clarifier_budgets", clarifier.AUTO) != clarifier.AUTO:
        own["clarifier_budgets"] = clarifier.budgets(own["clarifier_budgets"])
    known = {name: value for name, value in given.items() if name in OF_RUNS}
    known["seconds"] = _seconds(known.get("seconds"))
    who = f"run {given.get('name') or strategy.name}"
    _check_types(who, known, get_type_hints(Run))
    lists = {name for name in ("query_classes", "private_classes", "clarifier_budgets") if isinstance(own.get(name), list | tuple)}
    _check_types(who, {name: value for name, value in own.items() if name not in lists}, get_type_hints(Options))
    if wrong := [name for name in lists - {"clarifier_budgets"} if not all(isinstance(class_, str) for class_ in own[name])]:
        raise UsageError(f"{who}: {wrong[0]} = {clip(repr(own[wrong[0]]), 80)}", "give names of classes")
    wraps = [name.replace("_", "-") for name in ("diversify", "target_aware", "suggest") if known.get(name)]
    start = prefix(str(given.get("classifier", "logistic")))
    known["fit"] = {name.removeprefix(start): value for name, value in fit.items() if name.startswith(start)}
    if strategy.wrapped.name == "ta-vaal":
        known["fit"] = {"ranker": "ranking", **known["fit"]}
    of_vaal = "labeled_probability" in strategy.wrapped.takes
    known["vaal"] = {name.removeprefix(VAAL): value for name, value in fit.items() if name.startswith(VAAL) and of_vaal}
    run = Run(name=given.get("name") or " + ".join([strategy.name, *wraps]), options=own, **known)
    registry.check(strategy, own, diversify=run.diversify, partitions=run.partitions, who=f"run {run.name}", flag=str)
    if "ranks" in strategy.takes and not run.queue:
        raise UsageError(f"run {run.name}: it needs a queue")
    usable = (start, VAAL) if of_vaal else (start,)
    if stray := [name for name in row if of_models(name.replace("-", "_")) and not name.replace("-", "_").startswith(usable)]:
        raise UsageError(f"run {run.name}: {stray[0]} means nothing to {strategy.name} with classifier {run.classifier}")
    if "queue" in row and "ranks" not in strategy.takes:
        raise UsageError(f"run {run.name}: a queue means nothing to {strategy.name}", "use strategy queue")
    if run.audit is not None and not ("tier" in strategy.marks and run.audit > 0):
        raise UsageError(f"run {run.name}: audit is a number of rows of clarifier's easy tier")
    if run.diversify_by not in (None, "previous", "current") or (run.diversify_by and not run.diversify):
        raise UsageError(f"run {run.name}: diversify_by is previous or current, beside diversify = true")
    if run.classifier not in REGISTRY.names():
        raise UsageError(f"run {run.name}: there is no classifier {run.classifier!r}; there are {', '.join(REGISTRY.names())}")
    module = classifier(run.classifier)
    if "head" in strategy.takes and not module.head:
        raise UsageError(f"run {run.name}: classifier {run.classifier} has no linear head, which {strategy.name} needs")
    say = of_run(run.name)
    own_of_plan(module, {start + name: value for name, value in run.fit.items()}, say)
    vaal_of({VAAL + name: value for name, value in run.vaal.items()}, say, "VAAL")
    _check_deep(run, strategy.wrapped, {**module.defaults, **run.fit})
    if not (0 <= run.skip < 1 and run.annotators >= 1 and 0 <= run.candidate_threshold <= 1):
        raise UsageError(f"run {run.name}: skip and candidate_threshold are shares, annotators at least 1")
    if not isinstance(run.label_noise, str) and not 0 <= run.label_noise <= 1:
        raise UsageError(f"run {run.name}: label_noise {run.label_noise} is no share")
    return run


def _check_types(who: str, given: Mapping[str, Any], hints: Mapping[str, Any], prefix: str = "") -> None:
    """Raises UsageError for a value that is of none of the types of its hint; a whole number is a float, too, and a truth value none."""
    for name in given.keys() & hints.keys():
        kinds = [get_origin(kind) or kind for kind in get_args(hints[name]) or (hints[name],) if kind is not NoneType]
        kinds += [int] if float in kinds else []
        if given[name] is not None and (isinstance(given[name], bool) is not (bool in kinds) or not isinstance(given[name], tuple(kinds))):
            wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
            hint = f"give {' or '.join(wanted.get(kind, kind.__name__) for kind in kinds if kind is not int or float not in kinds)}"
            raise UsageError(f"{who}: {prefix}{name} = {clip(repr(given[name]), 80)}", hint)


def _check_deep(run: Run, strategy: Strategy, fit: Mapping[str, Any]) -> None:
    """Does the classifier, with the options `fit`, say what the strategy takes beside probabilities? Raises UsageError."""
    needs, mlp = f"run {run.name}: {strategy.name} needs", 'give classifier = "mlp" and'
    if ("predicted_loss" in strategy.takes or strategy.name == "ta-vaal") and fit.get("ranker", "none") == "none":
        raise UsageError(f"{needs} a loss ranker", f'{mlp} mlp-ranker = "ranking"')
    if "mutual_information" in strategy.takes and run.mc_dropout is None:
        raise UsageError(f"{needs} mc-dropout", f"{mlp} mlp-dropout = 0.5 and mc-dropout = 20")
    if run.mc_dropout is not None and not (run.mc_dropout > 1 and fit.get("dropout")):
        raise UsageError(
            f"run {run.name}: mc-dropout = N takes N samples of a classifier with dropout, at least 2", f"{mlp} mlp-dropout = 0.5"
        )


def _seconds(value: Any) -> tuple[float, float, float] | None:
    """`2,6,5` or a list: seconds of a verified, a corrected and an answer from scratch."""
    if value is None:
        return None
    try:
        numbers = tuple(float(part) for part in (value.split(",") if isinstance(value, str) else value))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or not all(0 <= number < float("inf") for number in numbers):
        raise UsageError(f"seconds: {value!r} is not VERIFIED,CORRECTED,SCRATCH", "for example 2,6,5")
    return numbers[0], numbers[1], numbers[2]
