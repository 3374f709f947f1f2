"""`hashing` for texts: hashed word and character n-grams, brought to a dense width. Needs no weights."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from altool import seeds
from altool.backbones.payloads import load_texts
from altool.backbones.shape import Settings, Texts
from altool.errors import UsageError

WIDTH = 256
BUCKETS = 2**15  # for words and for characters each
SAMPLE = 20_000  # texts that the SVD is fitted on


class Hashing:
    """Words and pairs of words, and 3 to 5 characters within words, counted in hashed buckets, each kind of unit length.

    `svd`: weighted by inverse document frequency and projected on the leading singular vectors of at most 20,000 texts, then of
    unit length (latent semantic analysis). `random`: a sparse random projection (Li, Hastie and Church 2006), which learns nothing
    and keeps distances roughly. A text without any known n-gram is a zero vector.
    """

    reads = ("text",)
    takes = frozenset({"width", "projection"})
    device = "cpu"
    threads = 1
    minibatch = 1024
    state = ""

    def __init__(self, name: str, settings: Settings) -> None:
        self.projection = settings.projection or "svd"
        if self.projection not in ("svd", "random"):
            raise UsageError(f"--projection: there is no {self.projection!r}", "give svd or random")
        self.width = settings.width or WIDTH
        self.seed = seeds.integer(settings.seed, "embed", "hashing")
        self.facts: dict[str, Any] = {"width": self.width, "projection": self.projection}
        self.load = load_texts

    def prepare(self, texts: Texts) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.pipeline import FeatureUnion

        vectorizer = functools.partial(HashingVectorizer, n_features=BUCKETS, alternate_sign=False, dtype=np.float32)
        self._counts = FeatureUnion(
            [
                ("words", vectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")),  # noqa: S106 (no password)
                ("characters", vectorizer(analyzer="char_wb", ngram_range=(3, 5))),
            ]
        )
        if self.projection == "svd":
            self._fit_svd(texts.sample(SAMPLE) or [""])
        else:
            self._fit_random()

    def _fit_svd(self, sample: Sequence[str]) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfTransformer
        from threadpoolctl import threadpool_limits

        self.state = hashlib.sha256("\0".join(sample).encode()).hexdigest()
        self._weights = TfidfTransformer()
        counts = self._weights.fit_transform(self._counts.transform(sample))
        used = np.flatnonzero(counts.getnnz(axis=0))  # buckets that no text fills have no part in any component
        # Where there are fewer texts than the width, the further coordinates are zero, as the further singular values are.
        components = min(self.width, len(used), len(sample))
        self._basis = np.zeros((2 * BUCKETS, self.width), np.float32)
        if components:
            svd = TruncatedSVD(components, n_iter=2, random_state=self.seed)
            with threadpool_limits(1, "blas"):  # sums must not depend on the number of cores
                self._basis[used, :components] = svd.fit(counts[:, used]).components_.T

    def _fit_random(self) -> None:
        from scipy.sparse import csr_matrix
        from sklearn.random_projection import SparseRandomProjection

        projection = SparseRandomProjection(self.width, random_state=self.seed)
        self._random = projection.fit(csr_matrix((1, 2 * BUCKETS), dtype=np.float32))

    def embed(self, values: Sequence[str]) -> np.ndarray:
        from sklearn.preprocessing import normalize

        counts = self._counts.transform(values)
        if self.projection == "random":
            return self._random.transform(counts).toarray().astype(np.float32)
        return normalize(self._weights.transform(counts) @ self._basis, copy=False)


create = Hashing
