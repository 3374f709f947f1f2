"""`hashing`: checked against the full, sparse representation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from altool import backbones
from altool.backbones import hashing
from altool.errors import UsageError

TEXTS = ["red shoe size 9", "Red Shoes, size 10", "blue hat", "a blue cap", "camera lens 50mm", "lens for camera", "ein blauer Hut", ""]


class Pool:
    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def sample(self, limit: int) -> list[str]:
        return self.texts[:limit]


def made(texts: Sequence[str] = TEXTS, **given: Any) -> Any:
    backbone = backbones.create("hashing", **given)
    backbone.prepare(Pool(texts))
    return backbone


def sparse(texts: Sequence[str]) -> Any:
    from scipy.sparse import hstack

    words = HashingVectorizer(n_features=2**15, ngram_range=(1, 2), token_pattern=r"\b\w+\b", alternate_sign=False)
    characters = HashingVectorizer(n_features=2**15, analyzer="char_wb", ngram_range=(3, 5), alternate_sign=False)
    return hstack([words.transform(texts), characters.transform(texts)]).tocsr()


def test_with_a_width_above_the_rank_inner_products_are_those_of_tf_idf() -> None:
    vectors = made(width=20).embed(TEXTS)
    assert vectors.shape == (8, 20)
    assert vectors.dtype == np.float32
    wanted = TfidfTransformer().fit_transform(sparse(TEXTS)).toarray()
    np.testing.assert_allclose(vectors @ vectors.T, wanted @ wanted.T, atol=2e-5)
    assert not vectors[:, 8:].any()  # eight texts span no more
    assert not vectors[7].any()  # the empty one


@pytest.mark.slow
def test_random_projection_keeps_distances_roughly_and_learns_nothing() -> None:
    backbone = made([], projection="random", width=800)
    vectors, wanted = backbone.embed(TEXTS), sparse(TEXTS).toarray()
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors @ vectors.T, wanted @ wanted.T, atol=0.6)
    np.testing.assert_array_equal(vectors, made(["other"], projection="random", width=800).embed(TEXTS))
    assert not np.array_equal(vectors, made([], projection="random", width=800, seed=1).embed(TEXTS))
    assert not backbone.learns
    assert backbone.space == {"width": 800, "projection": "random", "seed": 0}


@pytest.mark.parametrize("projection", ["svd", "random"])
def test_a_row_has_its_vector_wherever_it_stands(projection: str) -> None:
    texts = [f"{word} {number} {'x' * (number % 7)}" for number in range(300) for word in ("red shoe", "blue hat")]
    backbone = made(texts, projection=projection, width=16)
    whole = backbone.embed(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    np.testing.assert_array_equal(backbone.embed([texts[row] for row in order]), whole[order])
    np.testing.assert_array_equal(backbone.embed(texts[17:18]), whole[17:18])
    np.testing.assert_array_equal(made(texts, projection=projection, width=16).embed(texts), whole)


@pytest.mark.slow
def test_texts_of_every_kind() -> None:
    texts = ["", " \n\t", "\0", "日本語のテキスト", "🙂🙂", "a" * 100_000, "NULL", "é", "e\u0301"]
    for pool in (texts, [""], []):
        vectors = made(pool, width=4).embed(texts)
        assert vectors.shape == (9, 4)
        assert np.isfinite(vectors).all()


def test_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()
    made(width=2)
    assert (np.random.get_state()[1] == before).all()


def test_a_fit_that_was_kept_gives_the_same_vectors_bit_for_bit(tmp_path: Path) -> None:
    learned = made(width=5)
    learned.save(tmp_path / "fit.safetensors")
    again = backbones.create("hashing", width=5, seed=7)  # the seed has no part in what was learned before
    again.prepare(Pool(["other texts", "that it must not look at"]), tmp_path / "fit.safetensors")
    texts = [*TEXTS, "a word of none of them", ""]
    np.testing.assert_array_equal(again.embed(texts), learned.embed(texts))
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "fit.safetensors").read_bytes()


def test_a_fit_holds_what_scikit_learn_finds(tmp_path: Path) -> None:
    """The idf of every bucket, and a basis that is orthonormal and whose leading directions have the counts' singular values."""
    from safetensors.numpy import load_file

    made(width=3).save(tmp_path / "fit.safetensors")
    fit = load_file(tmp_path / "fit.safetensors")
    weights = TfidfTransformer().fit(sparse(TEXTS))
    np.testing.assert_allclose(fit["idf"], weights.idf_, rtol=1e-6)
    counts = weights.transform(sparse(TEXTS)).toarray()
    assert fit["buckets"].tolist() == np.flatnonzero(counts.any(axis=0)).tolist()
    np.testing.assert_allclose(fit["basis"].T @ fit["basis"], np.eye(3), atol=1e-5)
    found = np.linalg.norm(counts[:, fit["buckets"]] @ fit["basis"], axis=0)
    np.testing.assert_allclose(found, np.linalg.svd(counts, compute_uv=False)[:3], rtol=1e-2)


def test_options() -> None:
    with pytest.raises(UsageError, match="pca"):
        made(projection="pca")
    assert hashing.Hashing().width == 256
