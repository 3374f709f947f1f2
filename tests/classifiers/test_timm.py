"""timm's networks as classifiers: trained, stored and scored by the code of torchvision's."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from tiny_models import timm_folder, timm_network

from altool.conformance.classifiers import CHECKS
from altool.errors import InputError, UsageError
from altool.models import network, registry, training
from altool.models.shape import Classifier

pytestmark = pytest.mark.slow

NAME = "timm:test_efficientnet"
BASE: dict[str, Any] = {"weights": "none", "image_size": 32, "minibatch": 8, "epochs": 2}
WORK = training.Work(threads=1)
LABELS = np.arange(16) % 2 * 3
ROWS = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3)).astype(np.uint8)
ROWS[LABELS == 3, :16] //= 4


def of(name: str) -> Classifier:
    return registry.classifier(f"timm:{name}")


@pytest.fixture(scope="module")
def small() -> Classifier:
    given = {**BASE, "epochs": 4, "minibatch": 12, "rate": 0.02, "augment": "none", "crop_border": 0}
    record = registry.classifier(NAME)
    return dataclasses.replace(
        record, options=tuple(dataclasses.replace(option, default=given.get(option.name, option.default)) for option in record.options)
    )


@pytest.mark.parametrize(
    "check", ["says_what_it_is", "predicts_probabilities", "predicts_a_row_alike_in_any_company", "comes_back_from_its_tensors"]
)
def test_it_holds_the_promises(small: Classifier, check: str) -> None:
    CHECKS[check](small)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_mambaout"])
def test_the_vectors_are_those_of_timm(name: str) -> None:
    size = 160 if name == "test_vit" else 64
    rows = np.random.default_rng(1).integers(0, 256, (4, size, size, 3)).astype(np.uint8)
    model = of(name).fit(rows, LABELS[:4], 4, WORK, ranker="loss", dropout=0.2, **{**BASE, "image_size": size, "epochs": 1})[0]
    net = timm.create_model(name, num_classes=0).eval()
    net.load_state_dict({key.removeprefix("body."): torch.from_numpy(value) for key, value in model.tensors().items() if "body." in key})
    given = (torch.from_numpy(rows).permute(0, 3, 1, 2) / 255 - torch.from_numpy(model.mean)[:, None, None]) / torch.from_numpy(model.std)[
        :, None, None
    ]
    with torch.inference_mode():
        assert model.vectors(rows) == pytest.approx(net(given).numpy(), abs=1e-4)
    assert model.outputs(rows, samples=2).predicted_loss is not None


def test_weights_of_a_file_are_trained_as_they_were(tmp_path: Path) -> None:
    net = timm_network()
    file = str(timm_folder(tmp_path, net) / "model.safetensors")
    options = {**BASE, "weights": file, "frozen": True}
    model = of("test_resnet").fit(ROWS, LABELS, 4, WORK, **options)[0]
    state = net.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.body.state_dict().items())
    assert model.mean.tolist() == pytest.approx(net.pretrained_cfg["mean"])
    moved = of("test_resnet").fit(ROWS, LABELS, 4, WORK, **{**options, "frozen": False})[0]
    assert not torch.equal(moved.body.state_dict()["conv1.0.weight"], state["conv1.0.weight"])
    with pytest.raises(InputError, match="not the weights of timm:test_vit"):
        of("test_vit").fit(np.zeros((4, 160, 160, 3), np.uint8), LABELS[:4], 4, WORK, **{**options, "image_size": 160})


def test_pictures_and_sizes_are_those_of_the_weights() -> None:
    options = of("test_resnet").complete({})
    assert options["image_size"] == 160
    recipe = of("test_resnet").picture(options, False)
    assert (recipe.size, recipe.crop) == (int(160 / timm.get_pretrained_cfg("test_resnet").crop_pct), 160)


def test_the_ranker_sees_stages_or_the_ends_of_quarters() -> None:
    for name, taps in {
        "test_resnet": ("layer1", "layer2", "layer3", "layer4"),
        "test_vit4": ("blocks.1", "blocks.3", "blocks.5", "blocks.8"),
    }.items():
        body = network.build_body(f"timm:{name}", 160, False, 0)
        assert network.tapped(f"timm:{name}", body, 160)[0] == taps


def test_a_small_stem_is_refused() -> None:
    with pytest.raises(UsageError, match="timm:test_resnet has no such stem"):
        of("test_resnet").fit(ROWS, LABELS, 4, WORK, **{**BASE, "stem": "small"})


def test_what_is_no_network_of_timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--classifier: 'timm:resnt18' is unknown") as caught:
        registry.classifier("timm:resnt18")
    assert "timm:resnet18" in caught.value.hint
    with pytest.raises(UsageError, match="expected timm:NAME, found timm alone"):
        registry.own_of_command(registry.classifier("timm"), {})
    timm_folder(tmp_path / "folder", timm_network())
    with pytest.raises(UsageError, match="expected the name of a network, found a folder") as caught:
        registry.classifier(f"timm:{tmp_path / 'folder'}")
    assert "--weights" in caught.value.hint
    (tmp_path / "test_resnet").mkdir()  # as a model's folder may be called
    monkeypatch.chdir(tmp_path)
    assert registry.classifier("timm:test_resnet").name == "timm:test_resnet"
