"""How far each class is from its target, and how much that should weigh (TAAL)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Aims:
    """What the classes are to reach: of each its metric, and float64 (K,) targets, priorities (at least 0) and the precisions at which
    recall is taken."""

    metrics: tuple[str, ...]
    targets: np.ndarray
    priorities: np.ndarray
    at_precision: tuple[float, ...]


def gap(value: np.ndarray, target: np.ndarray) -> np.ndarray:
    """float64 (K,): target minus estimate. A class that nothing measured (NaN) has the whole target as its gap."""
    return np.asarray(target, np.float64) - np.nan_to_num(np.asarray(value, np.float64), nan=0.0)


def shortfall(value: np.ndarray, aims: Aims) -> np.ndarray:
    """float64 (…): how much classes with a priority miss their targets by, on average; one that is above its target misses nothing.

    `value` (…, K). NaN, a class that was not measured, is left out. 0 where no class has a priority.
    """
    counted = aims.priorities > 0
    missing = np.maximum(aims.targets[counted] - np.asarray(value, np.float64)[..., counted], 0)
    known = ~np.isnan(missing)
    return np.where(known, missing, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)


def all_met(gap: np.ndarray, priority: np.ndarray) -> bool:
    """Does no class with a priority miss its target?"""
    return not ((np.asarray(gap) > 0) & (np.asarray(priority) > 0)).any()


def weights(gap: np.ndarray, priority: np.ndarray) -> np.ndarray:
    """float64 (K,) weight of each class: TAAL's equations 1 and 2, scaled by priority. Only proportions matter.

    `gap` (K,) is target minus estimate, `priority` (K,) is at least 0. Classes below their target weigh as much as they miss; where
    no class with a priority misses its target, all weigh the same. Priority 0 leaves a class out, then too.
    """
    gap, priority = np.asarray(gap, np.float64), np.asarray(priority, np.float64)
    missing = np.maximum(gap, 0) * priority
    return missing if (missing > 0).any() else priority.copy()


def met(value: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Boolean (K,): has the class reached its target?"""
    return np.asarray(value) >= np.asarray(target)
