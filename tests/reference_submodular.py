"""The ten measures of SIMILAR from their formulas, and the vectors that they compare, written out."""

from __future__ import annotations

from typing import Any

import numpy as np


def value(
    name: str,
    chosen: list[int],
    V: np.ndarray,
    Q: np.ndarray,
    P: np.ndarray,
    QQ: np.ndarray,
    PP: np.ndarray,
    QP: np.ndarray,
    **options: Any,
) -> float:
    """The measure of the chosen rows A, from similarities: V (n, n), Q (n, q), P (n, p), QQ, PP, QP. Checked against submodlib-py 0.0.3."""
    eta, nu, ridge = (options.get(key, 1.0) for key in ("eta", "nu", "ridge"))

    def largest(rows: np.ndarray) -> np.ndarray:
        return rows.max(axis=1, initial=-np.inf) if rows.shape[1] else np.zeros(len(rows))

    def covered(rows: np.ndarray) -> np.ndarray:  # by A; nothing chosen is similarity 0
        return rows[:, chosen].max(axis=1, initial=0)

    def log_determinant(*sets: str) -> float:
        blocks = {"A": V[np.ix_(chosen, chosen)], "Q": QQ, "P": PP, "AQ": eta * Q[chosen], "AP": nu * P[chosen], "QP": QP}
        rows = [[blocks[a] if a == b else blocks[a + b] if a + b in blocks else blocks[b + a].T for b in sets] for a in sets]
        matrix = np.block(rows)
        return float(np.linalg.slogdet(matrix + ridge * np.eye(len(matrix)))[1])

    inner = V[np.ix_(chosen, chosen)].sum()
    match name:
        case "flqmi":
            return covered(Q.T).sum() + eta * largest(Q[chosen]).sum()
        case "flvmi":
            return np.minimum(covered(V), eta * largest(Q)).sum()
        case "gcmi":
            return Q[chosen].sum()
        case "com":
            return eta * np.log1p(Q[chosen].sum(axis=1)).sum() + np.log1p(Q[chosen].sum(axis=0)).sum()
        case "flcg":
            return np.maximum(covered(V) - nu * largest(P), 0).sum()
        case "gccg":
            return V[:, chosen].sum() - ridge * inner - 2 * ridge * nu * P[chosen].sum()
        case "flcmi":
            return np.maximum(np.minimum(covered(V), eta * largest(Q)) - nu * largest(P), 0).sum()
        case "logdetmi":
            return log_determinant("A") + log_determinant("Q") - log_determinant("A", "Q")
        case "logdetcg":
            return log_determinant("A", "P") - log_determinant("P")
        case _:
            return log_determinant("A", "P") + log_determinant("Q", "P") - log_determinant("A", "Q", "P") - log_determinant("P")


def vectors(features: np.ndarray, probabilities: np.ndarray | None, labels: np.ndarray | None, classes: int) -> np.ndarray:
    """Unit vectors of features, or of gradients written out."""
    rows = features.astype(np.float64)
    if probabilities is not None:
        residual = np.zeros((len(rows), classes))
        residual[:, : probabilities.shape[1]] = probabilities
        residual[np.arange(len(rows)), labels] -= 1
        rows = np.einsum("ij,ik->ijk", residual, np.hstack([rows, np.ones((len(rows), 1))])).reshape(len(rows), -1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > 0, rows / np.where(lengths > 0, lengths, 1), 0)
