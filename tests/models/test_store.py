"""The model directory, for every classifier: what is saved comes back, and what is damaged is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from altool.errors import InputError
from altool.models import store
from altool.models.registry import REGISTRY
from altool.models.shape import Model

ROWS = {
    "features": np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32),
    "text": np.array([f"word{number % 3} number {number} é" for number in range(20)], object),
}
LABELS = np.arange(20) % 3 * 2
CLASSES = ("ant", "bee", "cat", "dog", "élan")
FACTS = {"labels": 20, "label_digest": "sha256:0", "provenance": {"options": {}}}


@pytest.fixture(params=REGISTRY.names())
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Model, np.ndarray, Path]:
    module = REGISTRY.load(request.param)
    rows = ROWS[module.reads]
    classes = CLASSES if module.learns == "labels" else ()
    model, converged = module.fit(rows, LABELS if classes else LABELS / 2.0, len(classes), balance="prior", seed=1)
    assert converged
    store.save(tmp_path / "model", request.param, model, classes, FACTS)
    return request.param, model, rows, tmp_path / "model"


@pytest.mark.slow
def test_round_trip(saved: tuple[str, Model, np.ndarray, Path]) -> None:
    name, model, rows, folder = saved
    found = store.load(str(folder))
    assert found.classes == (CLASSES if REGISTRY.load(name).learns == "labels" else ())
    assert found.reads == REGISTRY.load(name).reads
    assert found.facts["labels"] == 20
    assert found.facts["width"] == found.model.width == model.width
    assert np.array_equal(found.model.probabilities(rows), model.probabilities(rows))
    vectors, probabilities = found.model.predict(rows)
    width = model.width if found.model.head is None else found.model.head.width
    assert vectors.shape == (20, width if found.classes else 128)
    assert np.array_equal(found.model.vectors(rows), vectors)
    assert np.array_equal(probabilities, model.probabilities(rows))
    assert (found.model.head is not None) == REGISTRY.load(name).head
    if found.model.head is not None:
        assert np.array_equal(found.model.head.probabilities(vectors), probabilities)


@pytest.mark.slow
def test_damage_is_refused(saved: tuple[str, Model, np.ndarray, Path]) -> None:
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
