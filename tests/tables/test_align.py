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


def slow_fingerprint(ids: list[str] | list[int], rows: list[bytes] | None) -> list[int]:
    """The sums of `Fingerprint` in Python's own integers, row by row."""
    top = 1 << 64

    def mixed(number: int) -> int:
        number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 % top
        number = (number ^ (number >> 27)) * 0x94D049BB133111EB % top
        return number ^ (number >> 31)

    weights = [int(weight) | 1 for weight in np.random.Philox(20).random_raw(2000)]
    sums = [0, 0]
    for place, id_ in enumerate(ids):
        if isinstance(id_, int):
            number = id_ % top
        else:
            text = id_.encode()
            number = (sum(byte * weight for byte, weight in zip(text, weights, strict=False)) + len(text) * 0xBF58476D1CE4E5B9) % top
        if rows is not None:
            width = 8 if len(rows[place]) == 16 else 4
            for start in range(0, len(rows[place]), width):
                number = mixed(number) ^ int.from_bytes(rows[place][start : start + width], "little")
        for half, salt in enumerate((0, 0x9E3779B97F4A7C15)):
            sums[half] = (sums[half] + mixed(number ^ salt)) % top
    return sums


@given(IDS, st.sampled_from(["none", "checksums", "digests"]), st.integers(0, 30), st.booleans())
def test_a_fingerprint_is_that_of_a_slow_loop_whatever_the_parts(values: list[str] | list[int], rows: str, cut: int, wide: bool) -> None:
    rng = np.random.default_rng(3)
    shape, dtype = ((len(values), 16), np.uint8) if rows == "digests" else ((len(values),), np.uint32)
    known = None if rows == "none" else rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    ids = pa.array(values, pa.int64() if isinstance(values[0], int) else pa.large_string() if wide else pa.string())
    parts = [align.Fingerprint(), align.Fingerprint()]
    parts[0].add(ids[:cut], None if known is None else known[:cut])
    parts[1].add(ids[cut:], None if known is None else known[cut:])
    whole = align.Fingerprint()
    for part in reversed(parts):
        whole.merge(part)
    slow = slow_fingerprint(values, None if known is None else [row.tobytes() for row in known])
    assert (whole._sums.tolist(), whole.rows) == (slow, len(values))
    assert whole.text("fact") != whole.text() == align.fingerprint(align.index([ids], "table"), known)


def test_a_fingerprint_of_long_and_empty_ids() -> None:
    ids = ["", "x" * 1999, "é" * 70, "y" * 1999]
    found = align.Fingerprint()
    for one in (ids[1:2], ids[:1], ids[2:]):
        found.add(pa.array(one, pa.string()))
    assert found._sums.tolist() == slow_fingerprint(ids, None)
    none = align.Fingerprint()
    none.add(pa.array([], pa.string()))
    assert none.text() == align.Fingerprint().text() != found.text()


def test_duplicates_are_refused_wherever_they_stand() -> None:
    for values in (["a", "a", "b"], ["b", "a", "b"]):
        with pytest.raises(InputError, match="1 duplicate id"):
            align.index([pa.array([value]) for value in values], "table")


def test_the_index_of_some_rows() -> None:
    ids = pa.array(["d", "a", "e", "b", "c"])
    for chosen in ([True, False, True, True, True], [False, True, False, True, False], [True] * 5, [False] * 5):
        for order in (ids, ids.sort()):
            found, wanted = align.index([order], "t").only(np.array(chosen)), align.index([order.filter(pa.array(chosen))], "t")
            assert found.ids.to_pylist() == wanted.ids.to_pylist()
            rows = np.arange(sum(chosen))
            assert found.arrange(rows).tolist() == wanted.arrange(rows).tolist()
