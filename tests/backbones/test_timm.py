"""timm's networks: the vectors are those of its own call, with its own transform, whatever way it cuts pictures."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from tiny_models import timm_folder, timm_network

from altool import backbones
from altool.backbones.timm import TIMM
from altool.errors import InputError, UsageError

pytestmark = pytest.mark.slow

SIZES = ((60, 90), (80, 75), (40, 150), (200, 31))
IMAGES = [Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)) for height, width in SIZES]


def encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def prepared(given: object, **options: Any) -> Any:
    made: Any = backbones.create(f"timm:{given}", device="cpu", minibatch=3, **options)
    made.prepare(None)
    return made


def found(encoder: Any) -> np.ndarray:
    return np.concatenate([encoder.embed(encoder.load([encoded(image)]).values) for image in IMAGES])


def expected(net: Any, **facts: Any) -> np.ndarray:
    """timm's vectors, image by image."""
    transform = timm.data.create_transform(**{**timm.data.resolve_model_data_config(net), **facts}, is_training=False)
    with torch.inference_mode():
        given = [transform(image)[None] for image in IMAGES]
        return torch.cat([net.forward_head(net.forward_features(one), pre_logits=True) for one in given]).flatten(1).numpy()


def saved(tmp_path: Path, name: str = "test_resnet", **facts: Any) -> tuple[Path, Any]:
    net = timm_network(name)
    return timm_folder(tmp_path / name, net, **facts), net


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_mambaout", "test_efficientnet"])
def test_the_vectors_of_a_folder_are_timms(tmp_path: Path, name: str) -> None:
    folder, net = saved(tmp_path, name)
    encoder = prepared(folder)
    assert encoder.width == found(encoder).shape[1]
    np.testing.assert_allclose(found(encoder), expected(net), atol=1e-5)
    assert encoder.space["weights"].startswith("sha256:")


@pytest.mark.parametrize("mode", ["center", "border", "squash"])
@pytest.mark.parametrize(("share", "method"), [(0.875, "bicubic"), (1.0, "bilinear"), (1.15, "bilinear")])
def test_pictures_are_made_as_the_weights_ask_for_it(tmp_path: Path, mode: str, share: float, method: str) -> None:
    facts = {"crop_mode": mode, "crop_pct": share, "interpolation": method, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}
    folder, net = saved(tmp_path, **facts)
    np.testing.assert_allclose(found(prepared(folder, image_size=64)), expected(net, **facts, input_size=(3, 64, 64)), atol=1e-5)


def test_another_size_of_a_vision_transformer(tmp_path: Path) -> None:
    folder, net = saved(tmp_path, "test_vit")
    larger = timm_network("test_vit", img_size=192)
    larger.load_state_dict(timm.models.vision_transformer.checkpoint_filter_fn(net.state_dict(), larger))
    wanted = expected(larger, input_size=(3, 192, 192))
    np.testing.assert_allclose(found(prepared(folder, image_size=192)), wanted, atol=1e-5)
    with pytest.raises(UsageError, match="--image-size 33 does not suit"):
        prepared(folder, image_size=33)


@pytest.mark.parametrize("classes", [0, 7, 1000])
def test_weights_of_a_file_with_a_head_or_without(tmp_path: Path, classes: int) -> None:
    net = timm_network(classes=classes)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    encoder = prepared("test_resnet", weights=str(tmp_path / "w.pth"))
    np.testing.assert_allclose(found(encoder), expected(net), atol=1e-5)


def test_weights_load_whole_or_not_at_all(tmp_path: Path) -> None:
    state = timm_network().state_dict()
    del state["layer4.0.conv1.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"--weights .*w.pth: not the weights of timm:test_resnet .*Missing key"):
        prepared("test_resnet", weights=str(tmp_path / "w.pth"))
    torch.save({"a": Path("code")}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="not a state dict of tensors alone"):
        prepared("test_resnet", weights=str(tmp_path / "w.pth"))


def test_a_folder_is_known_by_what_it_holds(tmp_path: Path) -> None:
    folder, _ = saved(tmp_path)
    first = prepared(folder).space
    moved = folder.rename(tmp_path / "elsewhere")
    assert prepared(moved).space == first
    assert backbones.BACKBONES.load(f"timm:{moved}").identity == "timm:FOLDER"
    config = json.loads((moved / "config.json").read_text())
    config["pretrained_cfg"]["crop_mode"] = "squash"
    (moved / "config.json").write_text(json.dumps(config))
    assert prepared(moved).space != first
    (moved / "config.json").write_text("no JSON")
    with pytest.raises(InputError, match=r"timm:.*elsewhere: config.json cannot be read"):
        prepared(moved)
    os.remove(moved / "model.safetensors")
    (moved / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"model.safetensors: cannot be read"):
        prepared(moved)


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (found(prepared("test_resnet", weights="none", image_size=32, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_published_weights_come_through_timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its download is replaced by a file; nothing else is."""
    from timm.models import _builder

    net = timm_network(classes=1000)
    monkeypatch.setattr(_builder, "load_state_dict_from_hf", lambda *_, **__: net.state_dict())
    encoder = prepared("test_resnet.r160_in1k")
    np.testing.assert_allclose(found(encoder), expected(net), atol=1e-5)
    assert encoder.space["weights"] == "test_resnet.r160_in1k"
    assert encoder.space["digest"].startswith("sha256:")

    def fail(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(_builder, "load_state_dict_from_hf", fail)
    with pytest.raises(InputError, match=r"could not be fetched.*no route to host") as caught:
        prepared("test_resnet")
    assert "--weights none" in caught.value.hint


def test_unknown_networks_and_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--backbone timm:resnt18: no network of timm, and no folder with config.json") as caught:
        prepared("resnt18")
    assert "timm:resnet18" in caught.value.hint
    with pytest.raises(UsageError, match=r"timm:resnet18.nope"):
        prepared("resnet18.nope")
    with pytest.raises(InputError, match="expected 3 x N x N pixels"):
        TIMM.preset(str(saved(tmp_path, input_size=[3, 64, 32])[0]))
