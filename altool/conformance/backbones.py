"""What every backbone promises: `for check in CHECKS.values(): check(record)` of its record.

Each check raises AssertionError, which says what is wrong. They run it on a few small images or texts with the defaults of its options; for
one that needs others give `dataclasses.replace(record, options=…)`, with other defaults.
"""

from __future__ import annotations

import copy
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from altool.backbones.shape import Backbone, Encoder
from altool.conformance.values import outside
from altool.errors import UsageError
from altool.options import Say, flag, of_run
from altool.options import check as check_options
from altool.payloads.shape import Payload

TEXTS = ("red shoe", "blue hat with a red band", "a shoe", "green hat", "blue shoe, red hat", "größe 😀", "")


class Pool:
    """The texts of a run."""

    def __init__(self, payloads: Sequence[Payload]) -> None:
        self._texts = [payload for payload in payloads if isinstance(payload, str)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def sample(self, limit: int) -> list[str]:
        return self._texts[:limit]


def payloads(record: Backbone) -> list[Payload]:
    """Seven rows of the kind that the backbone reads."""
    if not record.decodes:
        return list(TEXTS)
    from PIL import Image

    found: list[Payload] = []
    draw = np.random.default_rng(0)
    for height in range(40, 47):
        stream = io.BytesIO()
        Image.fromarray(draw.integers(0, 256, (height, 50, 3), np.uint8)).save(stream, "PNG")
        found.append(stream.getvalue())
    return found


def prepared(record: Backbone, seed: int = 0, fit: Path | None = None) -> Encoder:
    """The backbone's encoder, ready to embed."""
    encoder = record.made({}, seed)
    encoder.prepare(Pool(payloads(record)), fit)
    return encoder


def vectors(encoder: Encoder, rows: Sequence[Payload]) -> np.ndarray:
    """Their vectors, a minibatch at a time."""
    steps = range(0, len(rows), encoder.minibatch)
    return np.concatenate([encoder.embed(encoder.load(rows[start : start + encoder.minibatch]).values) for start in steps])


def shape_and_type(record: Backbone) -> None:
    """Vectors are float32 (rows, width), finite, and not all alike."""
    encoder = prepared(record)
    rows = payloads(record)
    found = vectors(encoder, rows)
    assert found.dtype == np.float32, f"expected float32, found {found.dtype}"
    assert found.shape == (len(rows), encoder.width), f"expected shape {(len(rows), encoder.width)}, found {found.shape}"
    assert np.isfinite(found).all(), "vectors hold NaN or infinity"
    assert len(np.unique(found, axis=0)) > 1, "all rows have the same vector"


def company(record: Backbone) -> None:
    """A row's vector depends neither on the other rows nor on their order."""
    encoder = prepared(record)
    rows = payloads(record)
    found = vectors(encoder, rows)
    assert np.array_equal(vectors(encoder, rows[::-1])[::-1], found), "vectors depend on the order of the rows"
    for place, row in enumerate(rows):
        alone = vectors(encoder, [row])[0]
        assert np.array_equal(alone, found[place]), f"row {place} alone has another vector than among {len(rows)}"


def same_seed(record: Backbone) -> None:
    """The same seed gives the same vectors."""
    rows = payloads(record)
    first, second = (vectors(prepared(record, seed=5), rows) for _ in range(2))
    assert np.array_equal(first, second), "the same seed gives other vectors the second time"


def inputs_unchanged(record: Backbone) -> None:
    """What is given to `embed` stays as it is."""
    encoder = prepared(record)
    values = encoder.load(payloads(record)[: encoder.minibatch]).values
    before = copy.deepcopy(values)
    encoder.embed(values)
    same = np.array_equal(values, before) if isinstance(values, np.ndarray) else values == before
    assert same, "embed changes the values that it is given"


def unusable_rows(record: Backbone) -> None:
    """A row without a payload, and an image that cannot be decoded, has a reason; the others have none."""
    encoder = prepared(record)
    rows = [payloads(record)[0], None, *([b"", b"no image"] if record.decodes else [])]
    loaded = encoder.load(rows)
    assert loaded.reasons[0] is None, f"a good row is refused: {loaded.reasons[0]}"
    assert all(loaded.reasons[1:]), "a row that cannot be used has no reason"
    assert loaded.digests.shape == (len(rows), 16), f"expected digests of shape {(len(rows), 16)}, found {loaded.digests.shape}"
    assert len(loaded.values) == len(rows), "a row that cannot be used has no blank value"


def fit_keeps(record: Backbone) -> None:
    """A fit that was written and read gives the same vectors, whatever the seed."""
    encoder = prepared(record)
    if not encoder.learns:
        return
    assert record.fit, "it learns, and its record has no ending for the file of its fit"
    rows = payloads(record)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"fit{record.fit}")
        encoder.save(path)
        again = vectors(prepared(record, seed=9, fit=path), rows)
    assert np.array_equal(again, vectors(encoder, rows)), "a fit that was saved and loaded gives other vectors"


def facts_are_json(record: Backbone) -> None:
    """What it says of itself is JSON, and the facts of its space are among its facts or say what makes it."""
    encoder = prepared(record)
    for name, facts in (("facts", encoder.facts), ("space", encoder.space)):
        assert json.loads(json.dumps(facts)) == facts, f"its {name} are not JSON: {facts}"
    assert encoder.libraries, "it names no library whose arithmetic it is"


def options_checked(record: Backbone) -> None:
    """A value outside an option's range is refused, and its default can be given."""
    assert len({own.name for own in record.options}) == len(record.options), "two options have one name"
    for own in record.options:
        assert own.help, f"option {own.name} has no help"
        for say in (flag, of_run("run")):
            for value in outside(own):
                refusal = _refusal(record, own.name, value, say)
                assert refusal, f"option {own.name} takes {value!r}"
                assert refusal.startswith(say(own.name)), f"the message does not begin with {say(own.name)}: {refusal}"
        if own.default is not None:
            values: dict[str, Any] = check_options(record.options, {own.name: own.default}, flag, record.name)
            assert values == {own.name: own.default}, f"option {own.name} changes its default"


def _refusal(record: Backbone, name: str, value: Any, say: Say) -> str:
    """What is said where a value is refused; "" where it is taken."""
    try:
        check_options(record.options, {name: value}, say, record.name)
    except UsageError as error:
        return error.message
    return ""


CHECKS: dict[str, Callable[[Backbone], None]] = {
    check.__name__: check
    for check in (
        *(shape_and_type, company, same_seed, inputs_unchanged),
        *(unusable_rows, fit_keeps, facts_are_json, options_checked),
    )
}
