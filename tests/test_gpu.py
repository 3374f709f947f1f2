"""On a GPU as on the processor. Skipped where torch finds no CUDA device; ALTOOL_TEST_DEVICE=cpu runs them on the processor, which tries
the tests themselves. benchmarks/gpu.sh runs them all: pytest -m gpu."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, features, write
from extra import torch
from PIL import Image
from special_rows import KERNELS, KINDS, special

from altool.conformance.strategies import arrays, pick
from altool.engines import device
from altool.errors import InputError
from altool.simulation.options import Options as Simulation
from altool.strategies import registry

Altool = Callable[..., Any]

pytestmark = pytest.mark.gpu
DEVICE = os.environ.get("ALTOOL_TEST_DEVICE", "cuda")
MATRICES = ("features", "probabilities", "labeled_features", "labeled_probabilities")
PICKING = [name for name in registry.names() if registry.load(name).shape == "pick"]
MEANS = {"cluster-margin", "dropquery", "kmeans", "probcover", "typiclust"}  # k-means adds up in float32, in another order there
NETWORK = ("--classifier", "resnet18", "--weights", "none", "--stem", "small", "--image-size", 16, "--minibatch", 16)
SHORT = ("--epochs", 2, "--precision", "float32")
ONE = ("--threads", 1)  # more wait for each other where the processor is busy
PLACES = {"there": DEVICE, "here": "cpu"}
MLP = ("--classifier", "mlp", "--mlp-hidden", "16,8", "--epochs", 5, "--precision", "float32")


@pytest.fixture(autouse=True)
def _gpu() -> None:
    if DEVICE.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")


def put(given: dict[str, Any]) -> dict[str, Any]:
    """The matrices of what a strategy is given, on the device."""
    return given | {name: torch.from_numpy(given[name]).to(DEVICE) for name in MATRICES}


@pytest.mark.parametrize("name", PICKING)
def test_the_same_rows_are_picked(name: str) -> None:
    given = arrays(np.random.default_rng(0).dirichlet(np.ones(4), 2000).astype(np.float32), labeled=60)
    wanted = pick(registry.load(name), dict(given), 40)
    found = pick(registry.load(name), put(given), 40)
    if name in MEANS:
        assert len(np.intersect1d(found, wanted)) >= 0.8 * len(wanted)
    else:
        assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", KERNELS)
def test_special_rows(name: str, kind: str) -> None:
    given = special(kind, 1200)
    wanted = pick(registry.load(name), dict(given), 60)
    assert pick(registry.load(name), put(given), 60).tolist() == wanted.tolist()


def test_what_is_put_on_the_device() -> None:
    if not DEVICE.startswith("cuda"):
        pytest.skip("the processor's memory is no GPU's")
    place = torch.device(DEVICE)
    rows = np.arange(200_000, dtype=np.float32).reshape(-1, 2) % 1000
    (made,) = device.put([rows], place, "features")
    assert made.dtype == torch.float16
    assert np.array_equal(made.cpu().numpy(), rows)
    (made,) = device.put([rows + np.float32(0.1)], place, "features")
    assert made.dtype == torch.float32
    free = device._free(place)
    assert free > 0
    with pytest.raises(InputError, match="its memory does not hold"), device.memory(DEVICE):
        torch.empty(2 * free, dtype=torch.uint8, device=place)


@pytest.fixture
def pool(tmp_path: Path) -> np.ndarray:
    """f.parquet, items.parquet of pictures, labels.parquet of some and truth.parquet of all; returns the class numbers."""
    draw = np.random.default_rng(2)
    truth = draw.integers(3, size=96)
    ids = [f"row-{row:03d}" for row in range(96)]
    write(features((np.eye(3, 6)[truth] * 2 + draw.normal(size=(96, 6))).astype(np.float32), ids), tmp_path / "f.parquet")
    pictures = []
    for code in truth:
        pixels = draw.integers(0, 80, (32, 32, 3)).astype(np.uint8)
        pixels[:, :, code] += 120
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        pictures.append(stream.getvalue())
    write(pa.table({"id": ids, "image": pictures}), tmp_path / "items.parquet")
    names = [CLASSES[code] for code in truth]
    write(pa.table({"id": ids[:48], "label": names[:48]}), tmp_path / "labels.parquet")
    write(pa.table({"id": ids, "label": names}), tmp_path / "truth.parquet")
    return truth


def column(path: Path, name: str) -> np.ndarray:
    return np.array(pq.read_table(path).column(name).to_pylist())


@pytest.mark.parametrize(
    ("kind", "data"),
    [(MLP, ("--features", "f.parquet")), ((*NETWORK, *SHORT), ("--items", "items.parquet"))],
    ids=["mlp", "network"],
)
def test_training_and_scoring(altool: Altool, tmp_path: Path, pool: np.ndarray, kind: tuple[Any, ...], data: tuple[str, str]) -> None:
    for place, name in PLACES.items():
        altool("train", *data, "--labels", "labels.parquet", *kind, *ONE, "--device", name, "-o", f"model-{place}")
    for place, at in (("there", "there"), ("there", "here"), ("here", "here")):
        altool("score", *data, "--model", f"model-{place}", "--device", PLACES[at], "-o", f"{place}-{at}.parquet")
    there, moved, here = (column(tmp_path / f"{name}.parquet", "probabilities") for name in ("there-there", "there-here", "here-here"))
    assert there == pytest.approx(moved, abs=0.02)  # networks score in half the bits on a GPU
    assert np.abs(moved - here).mean() < 0.05


def test_mixed_precision_learns(altool: Altool, tmp_path: Path, pool: np.ndarray) -> None:
    mixed = (*NETWORK, "--augment", "flip,crop", "--epochs", 8)
    altool("train", "--items", "items.parquet", "--labels", "labels.parquet", *mixed, *ONE, "--device", DEVICE, "-o", "model")
    altool("score", "--items", "items.parquet", "--model", "model", "--device", DEVICE, "-o", "p.parquet")
    assert (column(tmp_path / "p.parquet", "probabilities").argmax(axis=1) == pool).mean() > 0.8


@pytest.mark.parametrize("kind", ["vaal", "ta-vaal"])
def test_vaal(altool: Altool, tmp_path: Path, pool: np.ndarray, kind: str) -> None:
    ranker = ("--ranker", "ranking") if kind == "ta-vaal" else ()
    data = ("--features", "f.parquet")
    altool(
        "train", *data, "--labels", "labels.parquet", *MLP, *ranker, "--vaal", kind, "--vaal-epochs", 2, "--device", DEVICE, "-o", "model"
    )
    for place, name in PLACES.items():
        altool("score", *data, "--model", "model", "--device", name, "-o", f"{place}.parquet")
    for name in ("labeled_probability", *(("predicted_loss",) if ranker else ())):
        there, here = (column(tmp_path / f"{place}.parquet", name) for place in PLACES)
        assert there == pytest.approx(here, rel=0.02, abs=1e-3)


def test_embedding(altool: Altool, tmp_path: Path, pool: np.ndarray) -> None:
    network = ("--backbone", "resnet18", "--weights", "none", "--image-size", 32)
    for place, name in PLACES.items():
        altool("embed", "--items", "items.parquet", *network, "--device", name, "-o", f"{place}.parquet")
    there, here = (column(tmp_path / f"{place}.parquet", "features") for place in PLACES)
    cosines = (here * there).sum(axis=1) / np.linalg.norm(here, axis=1) / np.linalg.norm(there, axis=1)
    assert cosines.min() > 0.999


@pytest.mark.parametrize("strategy", ["badge", "coreset", "auto"])
def test_choosing(altool: Altool, tmp_path: Path, pool: np.ndarray, strategy: str) -> None:
    data = ["--features", "f.parquet", "--labels", "labels.parquet"]
    altool("train", *data, "-o", "model")
    altool("score", "--features", "f.parquet", "--model", "model", "-o", "p.parquet")
    data += ["--predictions", "p.parquet"] if strategy != "coreset" else []
    for place, name in PLACES.items():
        altool("select", "--strategy", strategy, "--budget", 12, *data, "--device", name, "-o", f"{place}.parquet")
    there, here = (column(tmp_path / f"{place}.parquet", "id").tolist() for place in PLACES)
    assert there == here


PLAN = """
items = "items.parquet"
labels = "truth.parquet"
seed_size = 24
budget = 12
rounds = 2
holdout_share = 0.3
[[run]]
strategy = "margin"
classifier = "resnet18"
resnet18_weights = "none"
resnet18_stem = "small"
resnet18_image_size = 16
resnet18_minibatch = 16
resnet18_epochs = 2
"""


@pytest.mark.skipif("device" not in {field.name for field in fields(Simulation)}, reason="simulate has no --device")
def test_simulating_with_a_network(altool: Altool, tmp_path: Path, pool: np.ndarray) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    altool("simulate", "--plan", "plan.toml", "--device", DEVICE, "-o", "runs")
    (history,) = (tmp_path / "runs").rglob("history.parquet")
    assert max(pq.read_table(history).column("labels").to_pylist()) == 48
