"""One selection by another library, as a whole process: `python -m benchmarks.peers PEER STRATEGY FOLDER BUDGET OUTPUT`.

Run by benchmarks.select under a Python that has the peer. Prints, as JSON, what the comparison needs beside the time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq


def column(path: str, name: str) -> tuple[np.ndarray, list[str]]:
    """The matrix of a table without a needless copy, and its ids."""
    table = pq.read_table(path)
    values = table.column(name).combine_chunks()
    return values.values.to_numpy().reshape(len(values), -1), table.column("id").to_pylist()


def split(folder: str, name: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Labeled rows, unlabeled rows and the ids of these."""
    matrix, ids = column(f"{folder}/{name}.parquet", {"features": "features", "predictions": "probabilities"}[name])
    labeled = pq.read_table(f"{folder}/labels.parquet").num_rows
    return matrix[:labeled], matrix[labeled:], ids[labeled:]


class Fixed:
    """A classifier whose probabilities are there already."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self.probabilities = probabilities

    def predict_proba(self, rows: Any) -> np.ndarray:
        return self.probabilities


def modal(strategy: str, folder: str, budget: int) -> np.ndarray:
    from modAL.uncertainty import entropy_sampling, margin_sampling

    _, probabilities, _ = split(folder, "predictions")
    function = {"entropy": entropy_sampling, "margin": margin_sampling}[strategy]
    chosen: Any = function(Fixed(probabilities), probabilities, n_instances=budget)
    return np.asarray(chosen[0] if isinstance(chosen, tuple) else chosen)


def small_text(strategy: str, folder: str, budget: int) -> np.ndarray:
    from small_text import BreakingTies, PredictionEntropy

    _, probabilities, _ = split(folder, "predictions")
    function = {"entropy": PredictionEntropy, "margin": BreakingTies}[strategy]()
    rows = np.arange(len(probabilities))
    return function.query(Fixed(probabilities), probabilities, rows, np.empty(0, int), np.empty(0, int), n=budget)


def scikit_activeml(strategy: str, folder: str, budget: int) -> np.ndarray:
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge, CoreSet, uncertainty_scores

    if strategy in ("entropy", "margin"):
        _, probabilities, _ = split(folder, "predictions")
        scores = uncertainty_scores(probabilities, method={"entropy": "entropy", "margin": "margin_sampling"}[strategy])
        return np.argsort(-scores, kind="stable")[:budget]
    labeled, unlabeled, _ = split(folder, "features")
    rows = np.concatenate([labeled, unlabeled])
    targets = np.concatenate([np.zeros(len(labeled)), np.full(len(unlabeled), np.nan)])
    if strategy == "coreset":
        return CoreSet(random_state=0).query(rows, targets, batch_size=budget) - len(labeled)
    _, probabilities, _ = split(folder, "predictions")

    class Held(SkactivemlClassifier):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            return self

        def predict_proba(self, X: Any) -> np.ndarray:
            return probabilities

    classifier = Held(classes=list(range(probabilities.shape[1])))
    return Badge(random_state=0).query(rows, targets, classifier, fit_clf=False, batch_size=budget) - len(labeled)


def submodlib(strategy: str, folder: str, budget: int) -> np.ndarray:
    from submodlib import FacilityLocationVariantMutualInformationFunction, LogDeterminantMutualInformationFunction

    labeled, unlabeled, _ = split(folder, "features")
    names = np.array(pq.read_table(f"{folder}/labels.parquet").column("label").to_pylist())
    values, counts = np.unique(names, return_counts=True)
    queries = labeled[names != values[counts.argmax()]]

    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def similar(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return (1 + unit(left) @ unit(right).T) / 2

    sizes = {"n": len(unlabeled), "num_queries": len(queries), "query_sijs": similar(unlabeled, queries)}
    if strategy == "flqmi":
        function = FacilityLocationVariantMutualInformationFunction(**sizes, queryDiversityEta=1)
    else:
        extra = {"data_sijs": similar(unlabeled, unlabeled), "query_query_sijs": similar(queries, queries)}
        function = LogDeterminantMutualInformationFunction(**sizes, **extra, lambdaVal=1, magnificationEta=1)
    picks = function.maximize(budget=budget, optimizer="NaiveGreedy", stopIfZeroGain=False, stopIfNegativeGain=False)
    return np.array([row for row, _ in picks])


def faiss(strategy: str, folder: str, budget: int) -> np.ndarray:
    import faiss

    _, rows, _ = split(folder, "features")
    rows = np.ascontiguousarray(rows)
    kmeans = faiss.Kmeans(rows.shape[1], budget, seed=1)
    kmeans.train(rows)
    distances, _ = kmeans.index.search(rows, 1)
    print(json.dumps({"mean squared distance": round(float(distances.mean()), 4)}))
    _, nearest = _nearest(rows, kmeans.centroids)
    return nearest


def _nearest(rows: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    distances, nearest = index.search(centres, 1)
    return distances[:, 0], nearest[:, 0]


def eager(strategy: str, folder: str, budget: int) -> np.ndarray:
    """The plain loop that the tests check altool against: one fused pass over the pool per pick."""
    import reference_eager

    labeled, unlabeled, _ = split(folder, "features")
    if strategy == "coreset":
        return reference_eager.farthest_first(unlabeled, labeled, budget)
    _, probabilities, _ = split(folder, "predictions")
    return reference_eager.kmeans_plusplus(unlabeled, probabilities, budget, np.random.default_rng(0))


PEERS: dict[str, Callable[[str, str, int], np.ndarray]] = {
    "modal": modal,
    "small-text": small_text,
    "scikit-activeml": scikit_activeml,
    "submodlib": submodlib,
    "faiss": faiss,
    "eager": eager,
}

if __name__ == "__main__":
    peer, strategy, folder, budget, output = sys.argv[1:]
    np.save(output, PEERS[peer](strategy, folder, int(budget)))
