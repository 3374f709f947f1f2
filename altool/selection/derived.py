"""What is kept of each row of a pool: a few numbers, derived while its table is streamed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from altool.selection.options import Options
from altool.strategies.margin import gaps
from altool.strategies.registry import Strategy
from altool.tables.align import Index
from altool.wrappers.choose import THRESHOLD, function_options
from altool.wrappers.suggest import predicted
from altool.wrappers.target_aware import Ragged, candidate_labels, stacked, taken


@dataclass(frozen=True)
class Pool:
    """The pool's rows in id order: what the strategy and the wrappers need of each, and no more."""

    index: Index
    classes: int = 0  # 0 where no probabilities are read
    scores: np.ndarray | None = None  # float64 (n,), of a strategy that scores row by row, or what it keeps of a row to compare rounds
    likeliest: np.ndarray | None = None  # int32 (n,) class numbers
    confidence: np.ndarray | None = None  # float32 (n,)
    margin: np.ndarray | None = None  # float64 (n,), the two largest probabilities' difference
    candidate_labels: Ragged | None = None  # the classes that each row may be of (TAAL)


class Derived:
    """What is derived from each row of the pool's table while it is read, whatever it is read for: a few numbers per row.

    `columns` are those that must be read for it.
    """

    def __init__(self, names: Collection[str], strategy: Strategy, given: Mapping[str, Any], options: Options) -> None:
        scorer = strategy.wrapped
        self._likely = bool({"likeliest", "confidence"} & set(names))
        self._margin = "margin" in names
        threshold = options.candidate_threshold if options.candidate_threshold is not None else THRESHOLD
        self._share = threshold if "candidate_labels" in names else None
        self._scored = scorer.takes[0] if scorer.rowwise else None
        function = scorer.across[0] if scorer.across and options.previous else scorer.function
        self._score = partial(function, **function_options(scorer.own(given)))
        self.columns = ["probabilities"] if self._likely or self._margin or self._share is not None else []
        if self._scored and self._scored not in self.columns:
            self.columns.append(self._scored)

    def work(self, values: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        """Of a batch: scores, likeliest classes and their probabilities, margins, the candidate classes, and the number of classes."""
        scores = self._score(values[self._scored]) if self._scored else None
        likely = predicted(values["probabilities"]) if self._likely else None
        margin = gaps(values["probabilities"]) if self._margin else None
        labels = candidate_labels(values["probabilities"], self._share) if self._share is not None else None
        return scores, likely, margin, labels, values["probabilities"].shape[1] if "probabilities" in values else 0

    def pool(self, index: Index, results: Sequence[tuple[Any, ...]]) -> Pool:
        """The pool, of what `work` made of all batches in file order."""
        scores, likeliest, margin, labels, widths = zip(*results, strict=True)

        def arranged(values: Sequence[Any]) -> np.ndarray | None:
            return None if values[0] is None else index.arrange(np.concatenate(values))

        ragged = stacked(labels) if self._share is not None else None
        return Pool(
            index,
            max(widths),
            arranged(scores),
            arranged([pair and pair[0] for pair in likeliest]),
            arranged([pair and pair[1] for pair in likeliest]),
            arranged(margin),
            ragged if ragged is None or index.order is None else taken(*ragged, index.order),
        )
