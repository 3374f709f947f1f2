"""The model directory, for every classifier: what is saved comes back, and what is damaged is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from altool.errors import InputError
from altool.models import store

ROWS = {
    "features": np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32),
    "text": np.array([f"word{number % 3} number {number} é" for number in range(20)], object),
}
LABELS = np.arange(20) % 3 * 2
CLASSES = ("ant", "bee", "cat", "dog", "élan")
FACTS = {"labels": 20, "label_digest": "sha256:0", "provenance": {"options": {}}}
# What classifiers are made with.
OTHERS = {"__init__", "store", "tensors", "folds", "thresholds", "cross_validation", "network", "training", "recipes", "ranker", "vaal"}


def test_every_classifier_of_the_room_is_known() -> None:
    files = {path.stem for path in Path(store.__file__).parent.glob("*.py")}
    assert files - OTHERS == {name.replace("-", "_") for name in store.CLASSIFIERS}


@pytest.fixture(params=store.CLASSIFIERS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, store.Model, np.ndarray, Path]:
    module = store.classifier(request.param)
    rows = ROWS[module.READS]
    model, converged = module.fit(rows, LABELS, len(CLASSES), balance="prior", seed=1)
    assert converged
    store.save(tmp_path / "model", request.param, model, CLASSES, FACTS)
    return request.param, model, rows, tmp_path / "model"


@pytest.mark.slow
def test_round_trip(saved: tuple[str, store.Model, np.ndarray, Path]) -> None:
    name, model, rows, folder = saved
    found = store.load(str(folder))
    assert found.classes == CLASSES
    assert found.reads == store.classifier(name).READS
    assert found.facts["labels"] == 20
    assert found.facts["width"] == found.model.width == model.width
    assert np.array_equal(found.model.probabilities(rows), model.probabilities(rows))
    vectors, probabilities = found.model.predict(rows)
    assert vectors.shape == (20, model.width if found.model.head is None else found.model.head.width)
    assert np.array_equal(found.model.vectors(rows), vectors)
    assert np.array_equal(probabilities, model.probabilities(rows))
    assert (found.model.head is not None) == store.classifier(name).HEAD
    if found.model.head is not None:
        assert np.array_equal(found.model.head.probabilities(vectors), probabilities)


@pytest.mark.slow
def test_damage_is_refused(saved: tuple[str, store.Model, np.ndarray, Path]) -> None:
    _, _, _, folder = saved
    weights, facts = folder / "weights.safetensors", json.loads((folder / "model.json").read_text())
    whole = weights.read_bytes()
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        weights.write_bytes(whole[:size])
        with pytest.raises(InputError, match="its weights cannot be read"):
            store.load(str(folder))
    weights.write_bytes(whole)
    tensors = load_file(weights)
    for name, value in tensors.items():
        if value.ndim == 0 or not len(value):
            continue
        save_file({**tensors, name: np.ascontiguousarray(value[:-1])}, weights)  # would be read beyond its end
        with pytest.raises(InputError, match="its weights cannot be read"):
            store.load(str(folder))
        save_file({key: tensor for key, tensor in tensors.items() if key != name}, weights)
        with pytest.raises(InputError, match="its weights cannot be read"):
            store.load(str(folder))
    weights.write_bytes(whole)
    for changed, message in [
        ({"format": 2}, "written by a newer altool"),
        ({"classifier": "forest"}, "written by a newer altool"),
        ({"classes": ["ant"]}, "its weights cannot be read"),
    ]:
        (folder / "model.json").write_text(json.dumps(facts | changed))
        with pytest.raises(InputError, match=message):
            store.load(str(folder))
    (folder / "model.json").write_text("{")
    with pytest.raises(InputError, match=r"model\.json cannot be read"):
        store.load(str(folder))
