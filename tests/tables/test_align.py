import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.errors import InputError
from altool.tables import align

IDS = st.one_of(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4), unique=True, min_size=1, max_size=30),
    st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, min_size=1, max_size=30),
)


def chunks(values: list[str] | list[int], cut: int) -> list[pa.Array]:
    type_ = pa.string() if isinstance(values[0], str) else pa.int64()
    return [pa.array(part, type_) for part in (values[:cut], values[cut:]) if part]


def in_order(values: list[str] | list[int]) -> list[str] | list[int]:
    return sorted(values, key=lambda value: value.encode() if isinstance(value, str) else value)


@pytest.mark.slow
@given(IDS, st.integers(0, 30), st.randoms())
def test_positions_are_places_in_id_order(values: list[str] | list[int], cut: int, random: object) -> None:
    index = align.index(chunks(values, cut), "table")
    ordered = in_order(values)
    assert index.ids.to_pylist() == ordered
    assert index.arrange(np.array(values, object)).tolist() == ordered
    wanted = pa.concat_arrays([index.take(np.arange(len(values)))[::-1]])
    assert index.positions(wanted).tolist() == list(range(len(values)))[::-1]
    strangers = pa.array(["\0"] if isinstance(values[0], str) else [None], wanted.type)
    assert index.positions(strangers).tolist() == [-1]
    assert index.mask(wanted[:1]).tolist() == [False] * (len(values) - 1) + [True]


@given(IDS, st.integers(0, 30), st.permutations(range(30)))
def test_a_fingerprint_knows_the_content_and_not_the_layout(values: list[str] | list[int], cut: int, shuffle: list[int]) -> None:
    matrix = np.random.default_rng(1).normal(size=(len(values), 3)).astype(np.float32)

    def fingerprint(order: list[int], cut: int, matrix: np.ndarray) -> str:
        column = pa.FixedSizeListArray.from_arrays(pa.array(matrix[order].reshape(-1)), 3)
        sums = np.concatenate([align.checksums([part]) for part in (column[:cut], column[cut:])])
        return align.fingerprint(align.index(chunks([values[row] for row in order], cut), "table"), sums)

    order = [row for row in shuffle if row < len(values)]
    assert fingerprint(order, cut, matrix) == fingerprint(list(range(len(values))), 1, matrix)
    changed = matrix.copy()
    changed[0, 2] = np.nextafter(changed[0, 2], np.float32(9))
    assert fingerprint(order, cut, changed) != fingerprint(order, cut, matrix)


def test_duplicates_are_refused_wherever_they_stand() -> None:
    for values in (["a", "a", "b"], ["b", "a", "b"]):
        with pytest.raises(InputError, match="1 duplicate id"):
            align.index([pa.array([value]) for value in values], "table")
