"""A model folder that somebody else made: it is loaded, or refused by what is wrong with it, without a hang, a crash or much memory."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from altool.errors import InputError
from altool.models import store
from altool.models.registry import REGISTRY, classifier

DRAW = np.random.default_rng(0)
ROWS = {
    "features": DRAW.normal(size=(20, 4)).astype(np.float32),
    "text": np.array([f"word{number % 3} number {number}" for number in range(20)], object),
}
CLASSES = ("ant", "bee", "cat")
FACTS = {"label_digest": "sha256:0", "provenance": {"options": {}}}


def made(folder: Path, name: str, **options: Any) -> Path:
    module = classifier(name)
    labels = module.learns == "labels"
    model, _ = module.fit(ROWS[module.reads], np.arange(20) % (3 if labels else 3.0), 3 if labels else 0, **options)
    store.save(folder / "m", name, model, CLASSES if labels else (), FACTS)
    return folder / "m"


def refusal(folder: Path, load: Callable[[str], Any] = store.load) -> str:
    with pytest.raises(InputError) as caught:
        load(str(folder))
    assert caught.value.message.startswith(f"model {folder}: ")
    return caught.value.message.removeprefix(f"model {folder}: ")


@pytest.fixture
def logistic(tmp_path: Path) -> Path:
    return made(tmp_path, "logistic")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ([], "expected a JSON object"),
        ("text", "expected a JSON object"),
        ({"format": None}, "'format' is null, not a whole number above 0"),
        ({"format": [1]}, "'format' is [1], not a whole number above 0"),
        ({"format": True}, "'format' is true, not a whole number above 0"),
        ({"format": -1}, "'format' is -1, not a whole number above 0"),
        ({"classifier": ["logistic"]}, "'classifier' is [\"logistic\"], not a text"),
        ({"classes": "abc"}, "'classes' is \"abc\", not a list of names, each there once"),
        ({"classes": [1, 2, 3]}, "'classes' is [1, 2, 3], not a list of names, each there once"),
        ({"classes": ["a", "a", "b"]}, '\'classes\' is ["a", "a", "b"], not a list of names, each there once'),
        ({"classes": []}, "'classes' is [], not a list of names, each there once"),
        ({"classes": {"a": 1}}, "'classes' is {\"a\": 1}, not a list of names, each there once"),
        ({"width": "4"}, "'width' is \"4\", not a whole number above 0"),
        ({"width": 10**30}, f"'width' is {10**30}, not a whole number above 0"),
        ({"label_digest": 5}, "'label_digest' is 5, not a text"),
        ({"provenance": []}, "'provenance' is [], not an object with options"),
        ({"provenance": {"options": []}}, "'provenance' is {\"options\": []}, not an object with options"),
        ({"curve": {"loss": [1]}}, "'curve' is {\"loss\": [1]}, not an object of lists of numbers, one per epoch"),
        (
            {"curve": {"loss": [1, 2], "accuracy": [1], "rate": [1]}},
            '\'curve\' is {"loss": [1, 2], "accuracy": [1], "rate": [1]}, not an object of lists of numbers, one per epoch',
        ),
    ],
)
def test_a_model_json_of_another_shape(logistic: Path, change: Any, says: str) -> None:
    facts = json.loads((logistic / "model.json").read_text())
    (logistic / "model.json").write_text(json.dumps(facts | change if isinstance(change, dict) else change))
    for load in (store.load, store.read_facts):
        assert refusal(logistic, load) == f"model.json cannot be read ({says})"


@pytest.mark.parametrize("key", ["format", "classifier", "classes", "width", "label_digest", "provenance"])
def test_a_model_json_without_a_key(logistic: Path, key: str) -> None:
    facts = json.loads((logistic / "model.json").read_text())
    del facts[key]
    (logistic / "model.json").write_text(json.dumps(facts))
    assert refusal(logistic) == f"model.json cannot be read (it has no {key!r})"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON (Expecting value: line 1 column 1 (char 0))"),
        (b"[" * 100_000, "lists or objects nested more than 100 deep"),
        (b'{"a":' * 100_000, "lists or objects nested more than 100 deep"),
        (b"\xff{}", "not UTF-8 (probably Windows-1252, as spreadsheets write it; the first such byte is in line 1)"),
        (b'"\\ud800"', "a text with half a surrogate pair, which is not a character"),
        (b" " * (16 * 1024 * 1024 + 1), "found 16,777,217 bytes, expected at most 16,777,216"),
    ],
)
def test_a_model_json_that_is_none(logistic: Path, content: bytes, says: str) -> None:
    (logistic / "model.json").write_bytes(content)
    assert refusal(logistic) == f"model.json cannot be read ({says})"


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "vaal.safetensors"])
@pytest.mark.parametrize("what", ["pipe", "endless", "folder", "outside", "loop", "sparse"])
def test_a_file_of_a_model_that_is_no_file(logistic: Path, name: str, what: str) -> None:
    path = logistic / name
    outside = logistic.parent / "outside"
    outside.write_bytes((logistic / "model.json").read_bytes())
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "sparse":
        with open(path, "wb") as file:
            file.truncate(2 << 30)
    else:
        path.symlink_to({"endless": "/dev/zero", "outside": "../outside", "loop": name}[what])
    started = time.monotonic()
    said = refusal(logistic)
    assert time.monotonic() - started < 5
    assert name in said
    if what in ("endless", "outside"):
        assert "is a link that leads out of the folder" in said


def test_links_inside_the_folder_are_followed(logistic: Path) -> None:
    (logistic / "model.json").rename(logistic / "first.json")
    (logistic / "model.json").symlink_to("first.json")
    (logistic.parent / "link").symlink_to("m")
    assert store.load(str(logistic.parent / "link")).classes == CLASSES


HOSTILE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "NaN": lambda value: np.full_like(value, np.nan) if value.dtype.kind == "f" else None,
    "infinity": lambda value: np.full_like(value, np.inf) if value.dtype.kind == "f" else None,
    "negative": lambda value: np.full_like(value, -1) if value.dtype.kind == "i" else None,
    "huge": lambda value: np.full_like(value, 2**62) if value.dtype.kind == "i" else None,
    "another dtype": lambda value: value.astype(np.int32 if value.dtype.kind == "f" else np.float32),
    "scalar": lambda value: value.reshape(-1)[0] if value.ndim and value.size else None,
    "one more axis": lambda value: value[None],
    "flat": lambda value: value.reshape(-1) if value.ndim != 1 else None,
    "empty": lambda value: value[:0] if value.ndim else None,
    "longer": lambda value: np.concatenate([value, value[-1:]]) if value.ndim and len(value) else None,
    "endless axis": lambda value: np.zeros((0, 2**40), value.dtype),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*REGISTRY.names(), "mlp with a ranker", "svm of one class"])
def test_tensors_of_another_shape_dtype_or_range(tmp_path: Path, name: str) -> None:
    if name == "mlp with a ranker":
        folder = made(tmp_path, "mlp", epochs=1, ranker="ranking", dropout=0.5)
    elif name == "svm of one class":
        model, _ = classifier("svm").fit(ROWS["features"], np.zeros(20, np.int64), 3)
        store.save(tmp_path / "m", "svm", model, CLASSES, FACTS)
        folder = tmp_path / "m"
    else:
        folder = made(tmp_path, name)
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    reads = store.load(str(folder)).reads
    refused = 0
    for key, value in tensors.items():
        for change in HOSTILE.values():
            changed = change(value)
            if changed is None or (changed.shape == value.shape and changed.dtype == value.dtype and np.array_equal(changed, value)):
                continue
            save_file({**tensors, key: np.array(changed, order="C", ndmin=0)}, path)
            try:
                found = store.load(str(folder))
            except InputError as error:
                refused += 1
                assert error.message.startswith(f"model {folder}: its weights cannot be read (")  # noqa: PT017
            else:  # a number that may be another
                probabilities = found.model.probabilities(ROWS[reads])
                assert probabilities.shape == (20, len(found.classes))
        save_file({other: part for other, part in tensors.items() if other != key}, path)
        with pytest.raises(InputError, match="its weights cannot be read"):
            store.load(str(folder))
    assert refused >= 4 * len(tensors)


def test_a_tensor_is_named(logistic: Path) -> None:
    path = logistic / "weights.safetensors"
    tensors = load_file(path)
    for change, says in (
        ({"trained": np.array([-1, 0, 1])}, "tensor 'trained' holds numbers that are not from 0 to 2"),
        ({"trained": np.array([0, 1, 3])}, "tensor 'trained' holds numbers that are not from 0 to 2"),
        ({"trained": np.array([0, 1, 1])}, "tensor 'trained' does not name each class once, in order"),
        ({"bias": np.zeros(2, np.float32)}, "tensor 'bias' has the shape [2], not [3]"),
        ({"bias": np.array([0, np.nan, 0], np.float32)}, "tensor 'bias' holds NaN or infinity"),
        ({"weights": np.zeros((3, 5), np.float32)}, "they read 5 numbers per row, model.json has 4"),
        ({"weights": np.zeros((3, 4), np.int64)}, "tensor 'weights' holds int64, not floating-point numbers"),
    ):
        save_file({**tensors, **change}, path)
        assert refusal(logistic) == f"its weights cannot be read ({says})"
