"""The pool that is replayed: balanced or with a long tail, all classes or some merged, part of it held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from altool.errors import UsageError
from altool.metrics.learning_curves import imbalance_ratio

HIGHEST = 1e9  # ratio of a long tail that is looked at: beyond it a class has one row


def shares(text: str, rare: str | None, classes: Sequence[str], sizes: np.ndarray, ranks: np.ndarray | None = None) -> np.ndarray:
    """float64 (K,): the share of each class's rows that stays.

    `text` is `cat=0.1,dog=0.5` (others stay whole), a ratio R, or `ir=0.75`, where no class is called ir. With a ratio the `rare` classes
    (`a,b`) keep 1/R of their rows; without `rare` classes the k-th of K keeps R^(-k/(K-1)), the usual long tail; `ranks` (K,) are the k,
    None: in class order. With `ir` R is the least ratio at which the class `sizes` (K,) that stay have that ratio of standard deviation
    and mean (Aggarwal, Popescu and Hudelot 2021, section 5.2; 0 where all are alike). Raises UsageError.
    """
    kept = np.ones(len(classes))
    ranks = np.arange(len(classes)) if ranks is None else ranks
    hint = "for example --imbalance 100, --imbalance 10 --rare-classes a,b, --imbalance a=0.1,b=0.5 or --imbalance ir=0.75"
    seldom = np.array([_number(name, classes, "--rare-classes") for name in rare.split(",")]) if rare else None

    def by(ratio: float) -> np.ndarray:
        found = np.ones(len(classes))
        if seldom is not None:
            found[seldom] = 1 / ratio
        elif len(classes) > 1:
            found = ratio ** -(ranks / (len(classes) - 1))
        return found

    try:
        if text.startswith("ir=") and "ir" not in classes:
            return by(_ratio(float(text.removeprefix("ir=")), lambda ratio: spread(np.maximum(sizes * by(ratio), np.minimum(sizes, 1)))[2]))
        if "=" in text:
            if rare:
                raise UsageError("--rare-classes has no effect where --imbalance names its classes", hint)
            for part in text.split(","):
                name, _, share = part.rpartition("=")
                kept[_number(name, classes, "--imbalance")] = float(share)
        else:
            ratio = float(text)
            if ratio < 1:
                raise UsageError(f"--imbalance: the ratio {text} is below 1", hint)
            kept = by(ratio)
    except ValueError as error:
        raise UsageError(f"--imbalance: {text!r} is none of a ratio, CLASS=SHARE,… and ir=SHARE", hint) from error
    if not ((kept > 0) & (kept <= 1)).all():
        raise UsageError("--imbalance: a share lies outside (0, 1]", hint)
    return kept


def spread(sizes: np.ndarray) -> tuple[float, float, float]:
    """Mean and standard deviation of the class `sizes` (K,) above 0, and the imbalance ratio: the second over the first."""
    sizes = sizes[sizes > 0]
    mean, deviation = float(np.mean(sizes)), float(np.std(sizes))
    return mean, deviation, imbalance_ratio(sizes)


def _ratio(wanted: float, ir: Callable[[float], float]) -> float:
    """The least ratio whose `ir` is what is `wanted`, to nine digits. Raises UsageError where none has it."""
    if not wanted >= 0:
        raise UsageError(f"--imbalance: expected an ir of at least 0, found {wanted:g}", "for example --imbalance ir=0.75")
    grid = np.geomspace(1, HIGHEST, 400).tolist()
    found = [ir(ratio) for ratio in grid]
    place = next((place for place, one in enumerate(found) if one >= wanted), None)
    if place is None:
        raise UsageError(f"--imbalance: the largest ir of these classes is {max(found):.3f}, found {wanted:g}", "give a smaller one")
    if place == 0:
        if wanted < found[0] * (1 - 1e-9):
            text = f"--imbalance: the ir of these classes is {found[0]:.3f} as they are, found {wanted:g}"
            raise UsageError(text, "give a larger one, or shares of classes")
        return 1.0
    low, high = grid[place - 1], grid[place]
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if ir(middle) >= wanted else (middle, high)
    return float(high)


def _number(name: str, classes: Sequence[str], option: str) -> int:
    if name not in classes:
        raise UsageError(f"{option}: no row of the truth is of class {name!r}", f"its classes are {', '.join(classes[:10])}")
    return list(classes).index(name)


def thin(truth: np.ndarray, kept: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The increasing positions of the rows that stay: of each class a random share `kept` (K,), rounded, at least one."""
    order = rng.permutation(len(truth))
    stays = np.zeros(len(truth), bool)
    for class_ in np.unique(truth):
        mine = order[truth[order] == class_]
        stays[mine[: max(1, round(len(mine) * float(kept[class_])))]] = True
    return np.flatnonzero(stays)


def hold_out(truth: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Boolean (n,): a random share of every class's rows, rounded; a class with two rows or more gives one at least and keeps one."""
    order = rng.permutation(len(truth))
    held = np.zeros(len(truth), bool)
    for class_ in np.unique(truth):
        mine = order[truth[order] == class_]
        held[mine[: min(max(1, round(len(mine) * share)), len(mine) - 1)]] = True
    return held


def balanced(truth: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """int64 (min(count, n),): random rows, as many of each class, while it has any; where that does not come out even one more of some."""
    drawn = rng.permutation(len(truth))
    order = np.argsort(truth[drawn], kind="stable")
    sizes = np.bincount(truth)
    turn = np.empty(len(truth), np.int64)  # the how-manieth of its class each drawn row is
    turn[order] = np.arange(len(truth)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return drawn[np.argsort(turn, kind="stable")][:count]


def merged(names: Sequence[str], groups: Sequence[str]) -> Mapping[str, str]:
    """{class: its new name} for `NEW=a,b,…` groups; `NEW=*` takes the classes of no other group. Raises UsageError for an unknown class, or
    one in two groups."""
    found: dict[str, str] = {}
    others = ""
    for group in groups:
        new, equals, members = group.partition("=")
        if not equals or not new or not members:
            raise UsageError(f"--merge-classes: {group!r} is not NEW=A,B,…", "for example --merge-classes rest=ant,bee,cat")
        if members == "*":
            if others:
                raise UsageError(f"--merge-classes: {others}=* and {new}=* are for the same classes", "give one of them")
            others = new
            continue
        for name in members.split(","):
            if name in found:
                raise UsageError(f"--merge-classes: {name!r} is merged twice")
            _number(name, names, "--merge-classes")
            found[name] = new
    return found | ({name: others for name in names if name not in found} if others else {})
