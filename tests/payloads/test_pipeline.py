"""The plan of shards, minibatches and chunks, and that no cut changes a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.payloads import pipeline
from altool.payloads.reading import digests, load_texts
from altool.payloads.shape import Loaded, Payload


class Lengths:
    """A backbone that measures texts, and refuses to be given too many."""

    device, threads, minibatch, width = "cpu", 2, 3, 2
    reads, takes = ("text",), frozenset[str]()

    def __init__(self, minibatch: int = 3) -> None:
        self.minibatch, self.facts = minibatch, dict[str, Any]()

    def load(self, payloads: Sequence[Payload]) -> Loaded:
        return load_texts(payloads)

    def prepare(self, texts: Any) -> None: ...

    def embed(self, values: Any) -> np.ndarray:
        assert len(values) <= self.minibatch
        return np.array([[len(value), 7] for value in values], np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 130), st.integers(1, 90), st.integers(1, 50), st.sets(st.integers(0, 5)))
def test_every_row_once_in_order_and_in_its_shard(rows: int, shard_rows: int, minibatch: int, batch: int, skip: set[int]) -> None:
    texts = [f"{row:04d}" for row in range(rows)]
    batches = [texts[start : start + batch] for start in range(0, rows, batch)]
    chunks = list(pipeline.cut(batches, rows, shard_rows, minibatch, skip))
    assert [text for chunk in chunks for text in chunk.payloads] == [t for row, t in enumerate(texts) if row // shard_rows not in skip]
    row, open_ = 0, 0
    for chunk in chunks:
        while row // shard_rows in skip:
            row += 1
        assert chunk.shard == row // shard_rows
        assert 1 <= len(chunk.payloads) <= pipeline.CHUNK_ROWS
        row, open_ = row + len(chunk.payloads), open_ + len(chunk.payloads)
        assert open_ <= minibatch
        assert chunk.last == (row == rows or row % shard_rows == 0)
        assert chunk.full == (chunk.last or open_ == minibatch)
        open_ = 0 if chunk.full else open_
    assert open_ == 0


def test_large_payloads_are_cut_by_bytes() -> None:
    for payload in (bytes(3 << 20), "x" * (3 << 20)):
        assert [len(chunk.payloads) for chunk in pipeline.cut([[payload] * 5], 5, 100, 100, ())] == [2, 2, 1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.none() | st.text(max_size=5), min_size=1, max_size=40), st.integers(1, 50), st.integers(1, 9))
def test_rows_come_out_as_they_went_in(texts: list[str | None], shard_rows: int, minibatch: int) -> None:
    told: list[int] = []
    shards = list(pipeline.run(Lengths(minibatch), [texts], len(texts), shard_rows=shard_rows, workers=0, advance=told.append))
    assert [shard.number for shard in shards] == list(range(-(-len(texts) // shard_rows)))
    vectors = np.concatenate([shard.vectors for shard in shards])
    assert vectors.tolist() == [[0, 0] if text is None else [len(text), 7] for text in texts]
    assert [reason for shard in shards for reason in shard.reasons] == ["null" if text is None else None for text in texts]
    np.testing.assert_array_equal(np.concatenate([shard.digests for shard in shards]), digests(texts))
    assert sum(told) == len(texts)


def test_a_digest_tells_null_from_empty() -> None:
    found = digests([None, "", b"", "a", b"a"])
    assert not found[0].any()
    assert found[1].tolist() == found[2].tolist() == list(bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb924"))  # SHA-256 of nothing
    assert found[3].tolist() == found[4].tolist() != found[1].tolist()
