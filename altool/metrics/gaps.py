"""How far each class is from its target, and how much that should weigh (TAAL)."""

from __future__ import annotations

import numpy as np


def gap(value: np.ndarray, target: np.ndarray) -> np.ndarray:
    """float64 (K,): target minus estimate. A class that nothing measured (NaN) has the whole target as its gap."""
    return np.asarray(target, np.float64) - np.nan_to_num(np.asarray(value, np.float64), nan=0.0)


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
