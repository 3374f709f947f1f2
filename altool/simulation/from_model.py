"""The supplier of `simulate`: what a strategy is given (strategies/inputs.py), from a model and the rows of the pool."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from altool import seeds
from altool.engines import device as devices
from altool.errors import UsageError
from altool.metrics import adversary
from altool.models import folds
from altool.models.registry import prefix
from altool.models.shape import Deep, ImageModel, Model
from altool.options import of_run
from altool.payloads.reading import digest, read
from altool.simulation import bot
from altool.simulation.plan import OF_DEEP, Run
from altool.strategies.inputs import Vectors
from altool.strategies.margin import gaps
from altool.strategies.registry import Strategy
from altool.wrappers.suggest import predicted
from altool.wrappers.target_aware import candidate_labels
from altool.wrappers.unique import Likeness

if TYPE_CHECKING:
    from altool.models import vaal

CHUNK = 4096  # rows that VAAL tells of at a time


@dataclass(frozen=True)
class Pool:
    """Rows in id order: what the classifiers read (features (n, D), texts (n,), or pictures (n, E, E, 3), as `Part`s) and `truth` int64
    (n,) of the pool, the same of the held-out rows; class names in order."""

    rows: np.ndarray
    truth: np.ndarray
    held_rows: np.ndarray
    held_truth: np.ndarray
    classes: tuple[str, ...]

    @property
    def reads(self) -> str:
        """What the rows are: features, text or image."""
        return "image" if len(self.rows.shape) == 4 else "text" if self.rows.dtype == object else "features"

    def at(self, positions: np.ndarray) -> np.ndarray:
        """The rows at these int64 positions; pictures are copied when they are asked for, a few at a time."""
        return cast(np.ndarray, Part(self.rows, positions)) if self.reads == "image" else self.rows[positions]


class Part:
    """Some rows of an array, which is not copied: indexed with places as an array is, it gives arrays."""

    def __init__(self, whole: np.ndarray | Part, positions: np.ndarray) -> None:
        inner = whole if isinstance(whole, Part) else None
        self.whole: np.ndarray = inner.whole if inner else cast(np.ndarray, whole)
        self.positions: np.ndarray = inner.positions[positions] if inner else positions
        self.dtype = self.whole.dtype
        self.shape = (len(positions), *self.whole.shape[1:])

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, places: Any) -> np.ndarray:
        return self.whole[self.positions[places]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.whole[self.positions], dtype)


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
    accepted: np.ndarray  # (3, 2): of each of the tiers how many suggestions people answered, and how many were right
    device: str = "cpu"  # of what is learned beside the model
    told: dict[str, float] = field(default_factory=dict)  # what is measured of the round while its questions are chosen, by metric


@dataclass(frozen=True)
class Kept:
    """What a round leaves of its predictions for the next one, for every row of the pool: the number that the strategy keeps (float64,
    NaN for a row that was no candidate; None: it keeps none), the predicted class (-1), and the cluster (None: it clusters none)."""

    numbers: np.ndarray | None
    likeliest: np.ndarray
    clusters: np.ndarray | None = None


def supply(
    pool: Pool, run: Run, state: State, strategy: Strategy, names: Collection[str], budget: int
) -> tuple[dict[str, Any], Kept | None]:
    """The arrays of what `names` has for a round of `budget` rows, and what the next round will want of this one. The model predicts each
    row once."""
    names = set(names)
    if names & {"likeliest", "confidence", "candidate_labels", "margin"}:
        names.add("probabilities")
    candidates = state.candidates
    arrays: dict[str, Any] = {"labels": state.labels, "automatic": state.automatic, "classes": len(pool.classes)}
    arrays |= {"head": (state.model.head.weights, state.model.head.bias)} if state.model.head else {}
    arrays |= {"ranks": state.ranks[candidates]} if state.ranks is not None else {}
    if of_candidates := names & {"features", "probabilities", *OF_DEEP}:
        arrays |= _predicted(state.model, run, pool.at(candidates), of_candidates, state.seed)
    if of_labeled := {name.removeprefix("labeled_") for name in names & {"labeled_features", "labeled_probabilities"}}:
        found = _predicted(state.model, run, pool.at(state.labeled), of_labeled, state.seed)
        arrays |= {f"labeled_{name}": array for name, array in found.items()}
    if "probabilities" in arrays:
        arrays["likeliest"], arrays["confidence"] = predicted(arrays["probabilities"])
    if "margin" in names:
        arrays["margin"] = gaps(arrays["probabilities"])
    if "vectors" in names:
        arrays["vectors"] = Vectors(
            np.ones(len(candidates), bool),
            lambda places: (state.model.vectors(pool.at(candidates[places])), state.model.vectors(pool.at(state.labeled))),
        )
    if "labeled_probability" in names:
        arrays["labeled_probability"] = _labeled_probability(pool, run, state, ranked=strategy.wrapped.name == "ta-vaal")
    if "candidate_labels" in names:
        arrays["candidate_labels"] = candidate_labels(arrays["probabilities"], run.candidate_threshold)
    if strategy.shape == "ask":
        arrays["answers"] = bot.agreed(state.answers[candidates], pool.classes)
    compared = strategy.wrapped.across or run.diversify_by == "previous"
    kept = _across(strategy.wrapped, run, arrays, len(pool.truth), state) if compared else None
    if "clusters" in names and (clusters := _clusters(pool, run, state, strategy.wrapped, budget)) is not None:
        arrays["clusters"] = clusters[candidates]
        kept = replace(kept or Kept(None, np.full(len(pool.truth), -1, np.int32)), clusters=clusters)
    return arrays, kept


def likeness(pool: Pool, threshold: float, candidates: np.ndarray, labeled: np.ndarray) -> Likeness:
    """What near copies are told by, as `select --unique` tells them: by the features, or by equal texts or pictures. Positions are in the
    pool."""
    rows = pool.rows
    if pool.reads == "features":
        return Likeness(threshold, Vectors(np.ones(len(candidates), bool), lambda places: (rows[candidates[places]], rows[labeled])))

    def digests(places: np.ndarray) -> list[bytes | None]:
        return [digest(rows[place].tobytes() if pool.reads == "image" else read(rows[place])).tobytes() for place in places]

    known = digests(labeled)
    return Likeness(threshold, contents=lambda places: (digests(candidates[places]), known))


def _clusters(pool: Pool, run: Run, state: State, strategy: Strategy, budget: int) -> np.ndarray | None:
    """The clusters of the whole pool: those of the round before, or new ones. None where the model makes vectors of its own, which are
    others in each round."""
    if state.before and state.before.clusters is not None:
        return state.before.clusters
    probe = pool.rows[:1]
    if strategy.clustered is None or state.model.vectors(probe) is not probe:
        return None
    return strategy.clustered(np.asarray(pool.rows), budget, seeds.generator(state.seed, "clusters"), strategy.own(run.options))


def _predicted(model: Model, run: Run, rows: np.ndarray, names: Collection[str], seed: int) -> dict[str, np.ndarray]:
    """What the model says of the rows, as `score` has it: one or more `names` of features (its vectors), probabilities and OF_DEEP."""
    if isinstance(model, Deep) and ({*OF_DEEP} & set(names) or (run.mc_dropout and "probabilities" in names)):
        if run.mc_dropout and not model.has_dropout:
            text = f"{of_run(run.name)('mc_dropout')}: {run.classifier} has no dropout"
            raise UsageError(text, f"give it {prefix(run.classifier)}dropout = 0.5")
        outputs = model.outputs(rows, run.mc_dropout or 0, seed)
        found = {name: getattr(outputs, name) for name in names if name != "features"}
        return found | ({"features": outputs.vectors if not run.mc_dropout else model.vectors(rows)} if "features" in names else {})
    if {"features", "probabilities"} <= set(names):
        vectors, likely = model.predict(rows)
        return {"features": vectors, "probabilities": likely}
    return {"features": model.vectors(rows)} if "features" in names else {"probabilities": model.probabilities(rows)}


def probabilities(model: Model, run: Run, rows: np.ndarray, seed: int) -> np.ndarray:
    """As `score` gives them: with MC dropout the mean over its samples."""
    return _predicted(model, run, rows, ("probabilities",), seed)["probabilities"]


def _labeled_probability(pool: Pool, run: Run, state: State, *, ranked: bool) -> np.ndarray:
    """What a VAAL that was fitted on candidates and labeled rows says of the candidates, float32; with `ranked` it is a TA-VAAL, which is
    told what the model's ranker says. As `train --vaal` and `score` do it. What it has learned is measured: `metrics.adversary`."""
    from altool.models import training, vaal

    known = np.sort(np.concatenate([state.candidates, state.labeled]))
    rows = pool.at(known)
    outputs = state.model.outputs(rows) if isinstance(state.model, Deep) else None
    ranks = None if outputs is None else outputs.predicted_loss
    rank = ranks if ranked else None
    seen = _seen(rows, state.model)
    places, labeled = (np.searchsorted(known, part) for part in (state.candidates, state.labeled))
    with training.threads(1):
        device = devices.choose(state.device)
        fitted = vaal.fit(seen, np.isin(known, state.labeled), rank, **run.vaal, seed=state.seed, device=device)
        parts = [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
        said = [fitted.labeled_probability(seen.batch(part), rank[part] if rank is not None else None) for part in parts]
    found = np.concatenate(said)
    likely = state.model.probabilities(rows[places]) if outputs is None else outputs.probabilities[places]
    both = () if ranks is None else (ranks[places], ranks[labeled])
    state.told.update(adversary.measure(found, folds.losses(likely, pool.truth[state.candidates]), fitted.curve, *both))
    return found


def _seen(rows: np.ndarray, model: Model) -> vaal.Rows:
    """What VAAL sees of the rows: features, the vectors that the model makes of texts, or pictures as the model reads them."""
    from altool.models.training import Pool as Seen

    if rows.dtype == object:
        return Seen(model.vectors(rows))
    return Seen(rows, model.recipe.shape[0]) if isinstance(model, ImageModel) else Seen(rows)


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
