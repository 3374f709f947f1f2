"""`hashing` for texts: hashed word and character n-grams, brought to a dense width. Needs no weights."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from altool import seeds
from altool.backbones.shape import Backbone, Texts
from altool.options import Option
from altool.payloads.reading import load_texts

WIDTH = 256
BUCKETS = 2**15  # for words and for characters each
SAMPLE = 20_000  # texts that the SVD is fitted on


class Hashing:
    """Words and pairs of words, and 3 to 5 characters within words, counted in hashed buckets, each kind of unit length.

    `svd`: weighted by inverse document frequency and projected on the leading singular vectors of at most 20,000 texts, then of
    unit length (latent semantic analysis); the weights and the basis are its fit. `random`: a sparse random projection (Li, Hastie and
    Church 2006), which learns nothing and keeps distances roughly. A text without any known n-gram is a zero vector.
    """

    device = "cpu"
    threads = 1
    minibatch = 1024
    libraries = ("numpy", "scikit-learn", "scipy")

    def __init__(self, *, width: int = WIDTH, projection: str = "svd", seed: int = 0) -> None:
        self.width, self.projection = width, projection
        self.seed = seeds.integer(seed, "embed", "hashing")
        self.learns = self.projection == "svd"
        self.facts: dict[str, Any] = {"width": self.width, "projection": self.projection}
        self.space = self.facts if self.learns else {**self.facts, "seed": seed}
        self.load = load_texts

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.pipeline import FeatureUnion

        vectorizer = functools.partial(HashingVectorizer, n_features=BUCKETS, alternate_sign=False, dtype=np.float32)
        self._counts = FeatureUnion(
            [
                ("words", vectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")),  # noqa: S106 (no password)
                ("characters", vectorizer(analyzer="char_wb", ngram_range=(3, 5))),
            ]
        )
        if not self.learns:
            self._fit_random()
        elif fit is None:
            self._fit_svd(texts.sample(SAMPLE) or [""])
        else:
            self._load(fit)

    def _fit_svd(self, sample: Sequence[str]) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfTransformer
        from threadpoolctl import threadpool_limits

        weights = TfidfTransformer()
        counts = weights.fit_transform(self._counts.transform(sample))
        used = np.flatnonzero(counts.getnnz(axis=0))  # buckets that no text fills have no part in any component
        # Where there are fewer texts than the width, the further coordinates are zero, as the further singular values are.
        components = min(self.width, len(used), len(sample))
        basis = np.zeros((len(used), self.width), np.float32)
        if components:
            svd = TruncatedSVD(components, n_iter=2, random_state=self.seed)
            with threadpool_limits(1, "blas"):  # sums must not depend on the number of cores
                basis[:, :components] = svd.fit(counts[:, used]).components_.T
        self._take({"idf": weights.idf_, "buckets": used, "basis": basis})

    def _take(self, fit: Mapping[str, np.ndarray]) -> None:
        """Work with a fit: `idf` (2B,) of every bucket, and `basis` float32 (n, width) of those in `buckets` int64 (n,)."""
        from sklearn.feature_extraction.text import TfidfTransformer

        self._fit = fit
        self._weights = TfidfTransformer()
        self._weights.idf_ = fit["idf"]
        self._basis = np.zeros((2 * BUCKETS, self.width), np.float32)
        self._basis[fit["buckets"]] = fit["basis"]

    def _load(self, path: Path) -> None:
        from safetensors.numpy import load_file

        self._take(load_file(path))

    def save(self, path: Path) -> None:
        """Write the fit as safetensors."""
        from safetensors.numpy import save

        path.write_bytes(save(dict(self._fit)))  # with the umask's permissions, which its own writer does not heed

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


BACKBONE = Backbone(
    "hashing",
    "hashed word and character n-grams of texts; needs no weights",
    ("text",),
    Hashing,
    (
        Option("width", int, WIDTH, low=1, metavar="N", help="Numbers per text."),
        Option(
            "projection",
            default="svd",
            choices=("svd", "random"),
            metavar="svd|random",
            help="How n-grams are reduced to --width: svd or random.",
        ),
    ),
    fit=".safetensors",
)
