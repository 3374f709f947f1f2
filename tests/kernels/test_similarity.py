from __future__ import annotations

import numpy as np
import pytest

from altool.kernels import similarity
from altool.kernels.blocks import walk


def pool(rng: np.random.Generator, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(count, 6)).astype(np.float32), rng.dirichlet(np.full(4, 0.3), count).astype(np.float32)


def written_out(features: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Unit gradients of the last layer, bias included."""
    residual = np.zeros((len(features), classes))
    residual[:, : probabilities.shape[1]] = probabilities
    residual -= np.eye(classes)[labels]
    rows = np.einsum("ij,ik->ijk", residual, np.hstack([features, np.ones((len(features), 1))]).astype(np.float64))
    rows = rows.reshape(len(features), -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_factored_gradients_are_gradients() -> None:
    rng = np.random.default_rng(0)
    (x, p), (labeled, known) = pool(rng), pool(rng, 9)
    labels = rng.integers(0, 6, 9)  # classes 4 and 5 have no column
    rows, others = similarity.prepare(x, labeled, labels, p, known, None, "cosine")
    left, right = written_out(x, p, p.argmax(axis=1), 6), written_out(labeled, known, labels, 6)
    every, all_others = np.arange(40), np.arange(9)
    assert np.allclose(rows.similarities(rows.exact(every), others.exact(all_others)), left @ right.T, atol=1e-13)
    assert np.allclose(rows.similarities(others.exact(all_others), others.exact(all_others)), right @ right.T, atol=1e-13)
    near = similarity.coarse(others.exact(all_others))
    (rough,) = walk(lambda part, *blocks: rows.between(part, blocks, near), *rows.matrices)
    assert np.allclose(rough, left @ right.T, atol=1e-6)
    added = similarity.total(others, rows)
    assert np.allclose(added.exact(rows.exact(every)), (left @ right.T).sum(axis=1), atol=1e-12)
    (sums,) = walk(lambda part, *blocks: rows.totals(part, blocks, added), *rows.matrices)
    assert np.allclose(sums, (left @ right.T).sum(axis=1), atol=1e-5)


def test_the_shifted_kernel_of_zeros_is_a_half() -> None:
    x = np.array([[0, 0], [3, 0], [0, 2]], np.float32)
    rows = similarity.candidates(x, None, shifted=True)
    exact = rows.exact(np.arange(3))
    assert rows.similarities(exact, exact).tolist() == [[0.5, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]]
    assert rows.own().tolist() == [0.5, 1, 1]


@pytest.mark.parametrize("size", [1e-30, 1e-10, 1e10, 1e19])
def test_lengths_of_any_size(size: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 3))
    rows = similarity.candidates((x * size).astype(np.float32), None, shifted=False)
    exact = rows.exact(np.arange(5))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True) * (size > 1e-18)
    assert np.allclose(rows.similarities(exact, exact), unit @ unit.T, atol=1e-6)
    (rough,) = walk(lambda part, *blocks: rows.between(part, blocks, similarity.coarse(exact)), *rows.matrices)
    assert np.allclose(rough, unit @ unit.T, atol=1e-6)


def test_nearly_certain_probabilities_keep_their_direction() -> None:
    x = np.ones((2, 1), np.float32)
    p = np.array([[1, 1e-12, 0], [1, 0, 1e-12]], np.float32)
    rows = similarity.candidates(x, p, shifted=False)
    exact = rows.exact(np.arange(2))
    assert np.allclose(rows.similarities(exact, exact), np.eye(2), atol=1e-6)


def test_copies_have_one_head() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(size=(7, 4)).astype(np.float32)
    of = rng.integers(0, 7, 5000)
    p = rng.dirichlet(np.ones(3), 2).astype(np.float32)
    rows = similarity.candidates(base[of], None, shifted=True)
    heads = [np.flatnonzero(of == one)[0] for one in of]
    assert rows.head.tolist() == heads
    after = rows.following()
    for row in range(5000):
        later = np.flatnonzero(of[row + 1 :] == of[row])
        assert after[row] == (row + 1 + later[0] if len(later) else -1)
    two = similarity.candidates(base[of], p[np.arange(5000) % 2], shifted=True)
    pairs = of * 2 + np.arange(5000) % 2
    assert two.head.tolist() == [np.flatnonzero(pairs == one)[0] for one in pairs]


def test_rows_without_a_gradient_are_copies() -> None:
    rng = np.random.default_rng(3)
    rows = similarity.candidates(rng.normal(size=(6, 3)).astype(np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]], shifted=True)
    assert rows.head.tolist() == [0] * 6
    assert rows.own().tolist() == [0.5] * 6
