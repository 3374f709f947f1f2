"""TAAL's Algorithm 1 word for word (Kotian et al., section 2.3): every draw walks down the queue from its top, row by row.

What the query adapter must equal row by row under the same draws, and what it is measured against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def candidates(row: Sequence[float], threshold: Sequence[float]) -> set[int]:
    """Equation 3 for one row, without the division; nothing for a row of zeros."""
    best = max(row)
    return {class_ for class_, p in enumerate(row) if best > 0 and p >= threshold[class_] * best}


def sampled(weights: Sequence[float], uniform: float) -> int:
    """The class on whose stretch of the running sum of the weights `uniform` times their sum falls."""
    total = 0.0
    for weight in weights:
        total += weight
    running = 0.0
    for class_, weight in enumerate(weights):
        running += weight
        if uniform * total < running:
            return class_
    raise AssertionError("a uniform number is below 1")


def algorithm_1(
    queue: Sequence[int], candidate_labels: dict[int, set[int]], weights: Sequence[float], count: int, uniform: Callable[[], float]
) -> tuple[list[int], list[int]]:
    """Q_p and the class that each of its rows was taken for. May be shorter than `count`. Numbers are the paper's lines."""
    weights = list(weights)
    found: list[int] = []  # 1
    served: list[int] = []
    labels = {row: set(candidate_labels[row]) for row in queue}
    present: set[int] = set()
    while len(found) < count and max(weights) != 0:  # 2
        selected = sampled(weights, uniform())  # 3
        i = 0  # 4
        while i < len(queue):  # 5
            row = queue[i]  # 6
            if selected in labels[row]:  # 7
                if row not in present:  # 8
                    found.append(row)
                    served.append(selected)
                    present.add(row)
                labels[row].remove(selected)  # 9
                break  # 10
            i += 1  # 12
        else:
            weights[selected] = 0  # 13
    return found, served
