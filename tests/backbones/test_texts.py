"""Texts in batches of about the same length: every text has its own tokens, and its vector is its own."""

from __future__ import annotations

import numpy as np
import pytest

from altool.backbones.texts import BATCH, Batches, cut, mean, prefixed


def tokens(lengths: list[int], *, left: bool = False) -> dict[str, np.ndarray]:
    """Row r has the numbers r * 1000 + 1, + 2, …; padding is 7."""
    longest = max(lengths)
    ids, mask = np.full((len(lengths), longest), 7), np.zeros((len(lengths), longest), np.int64)
    for row, length in enumerate(lengths):
        place = slice(longest - length, None) if left else slice(length)
        ids[row, place], mask[row, place] = row * 1000 + np.arange(1, length + 1), 1
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("gpu", [False, True])
def test_every_row_is_run_with_its_own_tokens_alone(left: bool, gpu: bool) -> None:
    lengths = [3, 70, 9, 1, 16, 17, 70, 130, *range(1, 60)]
    seen: list[tuple[int, int]] = []

    def model(given: dict[str, np.ndarray]) -> np.ndarray:
        ids, mask = given["input_ids"], given["attention_mask"]
        seen.append(ids.shape)
        assert (ids[mask == 0] == 7).all()
        return np.stack([(ids * mask).sum(axis=1), mask.sum(axis=1)], axis=1).astype(np.float32)

    found = Batches(gpu).run(tokens(lengths, left=left), {"input_ids": 7}, model)
    wanted = [[row * 1000 * length + length * (length + 1) // 2, length] for row, length in enumerate(lengths)]
    np.testing.assert_array_equal(found, wanted)
    if not gpu:
        assert all(rows == max(1, BATCH // length) for rows, length in seen)
    assert {length for _, length in seen} == {8, 16, 24, 32, 40, 48, 56, 64, 80, 160}


def test_a_text_is_padded_to_no_more_than_the_model_takes() -> None:
    assert Batches(False, 20).padded(np.array([1, 16, 17, 20])).tolist() == [8, 16, 20, 20]
    assert Batches(False).padded(np.array([64, 65, 129, 257])).tolist() == [64, 80, 160, 320]


def test_no_texts_have_no_vectors() -> None:
    given = {name: array[:0] for name, array in tokens([3]).items()}
    assert Batches(False).run(given, {}, lambda batch: batch["input_ids"]).shape == (0, 0)


def test_cutting_and_filling() -> None:
    rows = np.array([[1, 2, 0]])
    assert cut(rows, 2, 0, left=False).tolist() == [[1, 2]]
    assert cut(rows, 4, 9, left=False).tolist() == [[1, 2, 0, 9]]
    assert cut(rows, 2, 0, left=True).tolist() == [[2, 0]]
    assert cut(rows, 4, 9, left=True).tolist() == [[9, 1, 2, 0]]


def test_the_mean_is_over_a_texts_own_tokens() -> None:
    states = np.array([[[1.0, 2], [3, 4], [50, 60]], [[5, 6], [9, 9], [9, 9]], [[7, 7], [7, 7], [7, 7]]], np.float32)
    assert mean(states, np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]])).tolist() == [[2, 3], [5, 6], [0, 0]]


def test_a_prompt_stands_before_every_text() -> None:
    assert prefixed("q: ", ["a", ""]) == ["q: a", "q: "]
    assert prefixed(None, ("a",)) == ["a"]
