"""CLARIFIER (Beck et al. 2022): hard rows to learn from, rows like a class's labels to confirm, and rows too easy to ask about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from altool.errors import InputError, UsageError
from altool.kernels.blocks import Matrix, alike, host, namespace, take
from altool.kernels.similarity import ETA, KERNEL, RIDGE, SIMILARITY, having, prepare
from altool.kernels.top import order, turns
from altool.metrics.tiers import AUTO, INTERMEDIATE, budgets
from altool.options import Option, Say
from altool.strategies.registry import Strategy, load

if TYPE_CHECKING:
    from altool.kernels.submodular import Picks

MEASURES = ("flqmi", "flvmi", "gcmi", "com", "logdetmi")  # their modules load when they are asked for


def pick(
    likeliest: np.ndarray,
    confidence: np.ndarray,
    classes: int,
    hard: Callable[[np.ndarray, int], np.ndarray],
    rng: np.random.Generator,
    features: Matrix | None = None,
    labeled_features: Matrix | None = None,
    labels: np.ndarray | None = None,
    automatic: np.ndarray | None = None,
    probabilities: Matrix | None = None,
    labeled_probabilities: Matrix | None = None,
    *,
    clarifier_budgets: tuple[int, int, int],
    clarifier_hard: str = "badge",
    clarifier_easy: str = "balanced",
    clarifier_measure: str = "logdetmi",
    clarifier_use_auto: bool = False,
    similarity: str | None = None,
    kernel: str = "cosine",
    eta: float | None = None,
    ridge: float | None = None,
    partitions: int | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Algorithm 1, with tiers that share no row: the easy rows are chosen first, the intermediate ones among the rest, then the hard ones.

    - easy: the largest `confidence` (n,) of the `likeliest` (n,) of so many `classes`, as `easiest` says;
    - intermediate: of each class rows like its labels, as `intermediate` says, of `features` (n, D) and, for gradients or where a
      suggestion's probability is to be told, `probabilities` (n, K). `labels` (m,) marked `automatic` (m,) are no query rows, unless
      `clarifier_use_auto`: then the easy rows are, too, with their likeliest class (so the authors' code);
    - hard: `hard(places, count)` chooses among the int64 `places` that are left, by the strategy that `clarifier_hard` names.

    `clarifier_budgets` is how many rows of the hard, the intermediate and the easy tier; there may be fewer.

    Returns int64 (r,) positions, hard rows first and each tier in its order of preference, and of each the `tier` (int8, of TIERS), the
    class `suggested` for it (int32; hard and easy: the likeliest) and the `confidence` in that (float32; NaN without `probabilities`).
    Raises InputError for an intermediate tier without features or any label.
    """
    wanted_hard, wanted, wanted_easy = clarifier_budgets
    easy = easiest(likeliest, confidence, wanted_easy, classes if clarifier_easy == "balanced" else None, rng)
    free = np.ones(len(likeliest), bool)
    free[easy] = False
    middle, class_ = np.empty(0, np.int64), np.empty(0, np.int64)
    if wanted:
        if features is None or labeled_features is None or labels is None or not len(labels):
            raise InputError("labels: the intermediate tier is like labeled rows, and there are none", "give --labels and --features")
        gradient = similarity == "gradient" or (similarity is None and probabilities is not None)
        own, known = (probabilities, labeled_probabilities) if gradient else (None, None)
        if automatic is not None and not clarifier_use_auto:
            labels = np.where(automatic, -1, labels)
        if clarifier_use_auto:
            labels = np.concatenate([labels, likeliest[easy]])
            labeled_features = _joined(labeled_features, take(features, easy))
            known = _joined(known, take(own, easy)) if known is not None else None
        search = partial(_measure(clarifier_measure).maximise, **_weights(eta=eta, ridge=ridge))

        def among(places: np.ndarray, codes: np.ndarray, budgets: np.ndarray) -> Picks:
            part = [None if matrix is None else take(matrix, places) for matrix in (features, own)]
            candidates, labeled = prepare(part[0], labeled_features, labels, part[1], known, similarity, kernel)
            searches = [(code, partial(search, candidates, having(labeled, labels, [code]))) for code in codes.tolist()]
            rows, found = intermediate(searches, budgets)
            return places[rows], found

        middle, class_ = in_parts(among, np.flatnonzero(free), queried(labels), wanted, partitions or 1, rng)
        free[middle] = False
    positions = np.concatenate([hard(np.flatnonzero(free), wanted_hard), middle, easy])
    tier = np.repeat(np.arange(3, dtype=np.int8), [len(positions) - len(middle) - len(easy), len(middle), len(easy)])
    suggested, sure = likeliest[positions].astype(np.int32), confidence[positions].astype(np.float32)
    suggested[tier == 1], sure[tier == 1] = class_, _probability(probabilities, middle, class_)
    return positions, {"tier": tier, "suggested": suggested, "confidence": sure}


def class_budgets(budget: int, classes: int) -> np.ndarray:
    """int64 (classes,): the share of class c is floor(budget (c + 1) / classes) - floor(budget c / classes) (the authors' code)."""
    return np.diff(budget * np.arange(classes + 1, dtype=np.int64) // classes)


def easiest(likeliest: np.ndarray, confidence: np.ndarray, budget: int, classes: int | None, rng: np.random.Generator) -> np.ndarray:
    """int64 (at most `budget`,) positions of the largest `confidence` (n,), ties by position; where all tie, random ones.

    With `classes`, each class has its `class_budgets` of the rows that it is `likeliest` (n,) for. What a class lacks no other gets, so
    that one easy class does not take everything.
    """
    ranked = rng.permutation(len(confidence)) if budget and alike(confidence) else order(confidence)
    if classes is None:
        return ranked[:budget]
    group = likeliest[ranked]
    return ranked[turns(group) < class_budgets(budget, classes)[group]]


def queried(labels: np.ndarray) -> np.ndarray:
    """The class numbers, rising, that have query rows: those of `labels` (m,) that are not -1. Raises InputError for none."""
    found = np.unique(labels[labels >= 0])
    if not len(found):
        raise InputError("labels: the intermediate tier compares with human labels, and there are none yet", "label a few rows first")
    return found


def intermediate(searches: Sequence[tuple[int, Callable[[int], Picks]]], budgets: np.ndarray) -> Picks:
    """Of each class (its number, and a search for so many rows that have the most in common with its labels) its share `budgets` (C,).

    A row that several classes want stays with the one where its gain was largest, at equal gains the last of them; none takes another
    row instead. Returns int64 positions, the first picks of all classes before the second ones, and the class number of each.
    """
    from altool.kernels.submodular import TIE

    best: dict[int, tuple[float, int, int]] = {}  # row: gain, turn, class
    for (code, search), budget in zip(searches, budgets.tolist(), strict=True):
        if not budget:
            continue
        for turn, (row, gain) in enumerate(zip(*(array.tolist() for array in search(budget)), strict=True)):
            held = best.get(row)
            if held is None or gain >= held[0] - TIE * max(1.0, abs(held[0])):
                best[row] = gain, turn, code
    rows = sorted(best, key=lambda row: best[row][1:])
    return np.array(rows, np.int64), np.array([best[row][2] for row in rows], np.int64)


def in_parts(
    pick_part: Callable[[np.ndarray, np.ndarray, np.ndarray], Picks],
    places: np.ndarray,
    codes: np.ndarray,
    budget: int,
    parts: int,
    rng: np.random.Generator,
) -> Picks:
    """`pick_part(places, codes, budgets)` in `parts` random parts of equal size: positions and class numbers.

    The classes' shares are those of the whole pool, dealt to the parts in turn, so that neither a class nor a part is left out when
    shares are small (the paper splits the budget over the classes within each part).
    """
    ends = np.concatenate([[0], np.cumsum(class_budgets(budget, len(codes)))])  # of the classes' shares, laid end to end
    pieces = [np.sort(piece) for piece in np.array_split(rng.permutation(places), parts)] if parts > 1 else [places]
    found = []
    for number, piece in enumerate(pieces):
        budgets = np.diff((ends - number + parts - 1) // parts)  # every so many of them, from this number on
        if budgets.any() and len(piece):
            found.append(pick_part(piece, codes[budgets > 0], budgets[budgets > 0]))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    ranks = np.concatenate([np.arange(len(rows)) for rows, _ in found])
    rows, classes = map(np.concatenate, zip(*found, strict=True))
    preferred = np.argsort(ranks, kind="stable")
    return rows[preferred], classes[preferred]


def _measure(name: str) -> Any:
    """The module of a measure."""
    return import_module(f"altool.strategies.{name}")


def _weights(**weights: float | None) -> dict[str, float]:
    return {name: value for name, value in weights.items() if value is not None}


def _joined(first: Matrix, second: Matrix) -> Matrix:
    return namespace(first).concatenate([first, second])


def _probability(probabilities: Matrix | None, rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """float32 (r,): each row's probability of its class; 0 for a class that the model does not know."""
    if probabilities is None:
        return np.full(len(rows), np.nan, np.float32)
    found = host(take(probabilities, rows)).astype(np.float32)
    known = classes < found.shape[1]
    return np.where(known, found[np.arange(len(rows)), np.where(known, classes, 0)], np.float32(0))


def rules(given: Mapping[str, Any], say: Say) -> None:
    """Raises UsageError for a weight that the measure of the intermediate tier does not take."""
    measure = given.get("clarifier_measure", "logdetmi")
    for name in ("eta", "ridge"):
        if name in given and name not in load(measure).option_names:
            raise UsageError(f"{say(name)} has no effect with {say('clarifier_measure')} {measure}", "leave it out")


def resolve(given: Mapping[str, Any], say: Say) -> Strategy:
    """CLARIFIER with the strategy of its hard tier; without an intermediate tier what that needs is not needed. Raises UsageError."""
    inner = load(given.get("clarifier_hard", "badge"), option=say("clarifier_hard"))
    if inner.resolve or inner.shape == "ask" or "ranks" in inner.takes:
        text = f"{say('clarifier_hard')}: {inner.name} cannot be the strategy of the hard tier"
        raise UsageError(text, "give a strategy that scores or picks rows of the pool")
    wanted = given.get("clarifier_budgets", AUTO)
    middle = MIDDLE if wanted == AUTO or wanted[INTERMEDIATE] else ()
    theirs = () if inner.rowwise else inner.takes  # what is read row by row is scored while it is read
    return replace(
        STRATEGY,
        inner=inner,
        takes=tuple(dict.fromkeys((*ALWAYS, *middle, *theirs))),
        optional=tuple(name for name in inner.optional if name not in (*middle, *theirs)),
        options=(*STRATEGY.options, *(option for option in inner.options if option.name not in STRATEGY.option_names)),
    )


ALWAYS = ("likeliest", "confidence", "classes", "hard", "rng")
MIDDLE = ("features", "labeled_features", "labels", "automatic", "probabilities", "labeled_probabilities")
STRATEGY = Strategy(
    name="clarifier",
    shape="pick",
    function=pick,
    resolve=resolve,
    marks=("tier", "suggested", "confidence"),
    takes=(*ALWAYS, *MIDDLE),
    budgets="clarifier_budgets",
    rules=rules,
    options=(
        Option(
            "clarifier_budgets",
            convert=budgets,
            metavar="H,I,E",
            required=True,
            help="Rows of the hard, intermediate and easy tier, or auto.",
        ),
        Option("clarifier_hard", default="badge", metavar="NAME", help="Strategy of the hard tier."),
        Option("clarifier_measure", default="logdetmi", choices=MEASURES, metavar="NAME", help="Measure of the intermediate tier."),
        Option(
            "clarifier_easy",
            default="balanced",
            choices=("balanced", "global"),
            metavar="NAME",
            help="Easy rows balanced over classes, or global.",
        ),
        Option("clarifier_use_auto", bool, False, "Measure similarity to auto-labeled rows as well."),
        SIMILARITY,
        replace(KERNEL, default="cosine"),
        replace(ETA, default=None, shown="the measure's"),
        replace(RIDGE, default=None, shown="the measure's"),
    ),
    summary="hard rows to learn from, suggestions to confirm, and rows too easy to ask about",
    paper="Beck et al. 2022 (CLARIFIER)",
)
