"""Networks: the vector is what the head is given, weights load whole or not at all, and a row's vector is its own."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extra import library
from PIL import Image

from altool import backbones
from altool.backbones import networks
from altool.engines import device
from altool.errors import InputError, UsageError

torch = library("torch")
models = library("torchvision.models")

pytestmark = pytest.mark.slow

# Heads by their names in torchvision's source, so that how they are found here is checked against something else.
HEADS = {
    "resnet18": ("fc", 32),
    "densenet121": ("classifier", 32),
    "mobilenet_v3_small": ("classifier.3", 32),
    "efficientnet_b0": ("classifier.1", 32),
    "convnext_tiny": ("classifier.2", 32),
    "swin_t": ("head", 32),
    "vit_b_32": ("heads.head", 64),
    "shufflenet_v2_x0_5": ("fc", 32),
    "mnasnet0_5": ("classifier.1", 32),
    "regnet_y_400mf": ("fc", 32),
    "googlenet": ("fc", 64),
    "inception_v3": ("fc", 75),
    "alexnet": ("classifier.6", 63),
}


def network(name: str, **given: Any) -> networks.Network:
    made = backbones.create(name, **{"weights": "none", "device": "cpu", "minibatch": 2, **given})
    made.prepare(None)  # type: ignore[arg-type]
    assert isinstance(made, networks.Network)
    return made


def pixels(rows: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def resnet() -> Any:
    """A whole resnet18 with ten classes and trained-looking statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        net = models.resnet18(num_classes=10)
        for layer in net.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.uniform_(-0.1, 0.1)
                layer.running_var.uniform_(0.5, 2)
    return net.eval()


def before_head(net: Any, head: str, given: torch.Tensor) -> np.ndarray:
    seen = []
    hook = net.get_submodule(head).register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        net.eval()(given)
    hook.remove()
    return seen[0].numpy()


@pytest.mark.parametrize("name", HEADS)
def test_the_vector_is_the_input_of_the_head(name: str) -> None:
    head, size = HEADS[name]
    made = network(name, image_size=size)
    whole = networks.build(name, size, networks.seeds.integer(0, "embed", "weights"))
    assert isinstance(whole.get_submodule(head), torch.nn.Linear)
    values = pixels(2, size)
    wanted = before_head(whole, head, made.normalize(values))
    found = made.embed(values)
    assert found.dtype == np.float32
    assert found.shape == (2, made.width)
    assert np.abs(found).max() > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_squeezenet_has_no_linear_layer() -> None:
    made = network("squeezenet1_1", image_size=64)
    whole = networks.build("squeezenet1_1", 64, networks.seeds.integer(0, "embed", "weights"))
    values = pixels(2, 64)
    wanted = before_head(whole, "classifier.1", made.normalize(values)).mean((2, 3))
    assert made.width == 512
    np.testing.assert_allclose(made.embed(values), wanted, rtol=1e-4, atol=1e-5)


def test_every_network_of_torchvision_has_a_preset_that_can_be_followed() -> None:
    for name in models.list_models(module=models):
        preset = models.get_model_weights(name).DEFAULT.transforms()
        recipe = networks.recipe_of(preset, None)
        assert recipe.crop == preset.crop_size[0] <= recipe.size == preset.resize_size[0]
        assert networks.recipe_of(preset, 32).shape == (32, 32, 3)


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_v2_l", "swin_v2_t"])
def test_the_input_is_bit_for_bit_the_preset_of_the_weights(name: str) -> None:
    stream = io.BytesIO()
    image = Image.fromarray(pixels(1, 300)[0, :, :211])
    image.save(stream, "PNG")
    preset = models.get_model_weights(name).DEFAULT.transforms()
    made = backbones.create(name, weights="none", device="cpu")
    assert isinstance(made, networks.Network)
    made.mean, made.std = (torch.tensor(values).view(1, 3, 1, 1) for values in (preset.mean, preset.std))
    given = made.normalize(made.load([stream.getvalue()]).values)
    assert torch.equal(given[0], preset(image))


def test_a_row_has_its_vector_wherever_it_stands() -> None:
    made = network("mobilenet_v3_small", image_size=32, minibatch=8)
    values = pixels(8, 32)
    whole = made.embed(values)
    order = np.random.default_rng(1).permutation(8)
    np.testing.assert_array_equal(made.embed(values[order]), whole[order])
    np.testing.assert_array_equal(made.embed(values[3:4]), whole[3:4])


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (network("shufflenet_v2_x0_5", image_size=32, seed=seed).embed(pixels(1, 32)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_weights_from_a_file(tmp_path: Path, resnet: Any, ending: str) -> None:
    file = tmp_path / f"weights.{ending}"
    if ending == "pth":
        torch.save(resnet.state_dict(), file)
    else:
        from safetensors.torch import save_file

        save_file(resnet.state_dict(), file)
    made = network("resnet18", weights=str(file), image_size=32)
    values = pixels(2, 32)
    np.testing.assert_allclose(made.embed(values), before_head(resnet, "fc", made.normalize(values)), rtol=1e-4, atol=1e-5)
    assert made.facts["weights"].startswith("sha256:")


SMALL = "shufflenet_v2_x0_5"


def refused(tmp_path: Path, content: Any) -> str:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InputError) as caught:
        network(SMALL, weights=str(tmp_path / "w.pth"), image_size=32)
    return caught.value.message


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    whole = OrderedDict(networks.build(SMALL, 32, 0).state_dict())
    missing = OrderedDict(whole)
    del missing["conv1.1.weight"], missing["conv5.0.weight"]
    assert "2 missing (conv1.1.weight, conv5.0.weight)" in refused(tmp_path, missing)
    assert "1 unexpected (extra)" in refused(tmp_path, whole | {"extra": torch.ones(1)})
    assert "1 of another shape (conv5.0.weight)" in refused(tmp_path, whole | {"conv5.0.weight": torch.ones(2, 3)})
    assert "missing" in refused(tmp_path, networks.build("squeezenet1_1", 32, 0).state_dict())
    assert "no state dict, it holds state_dict, epoch" in refused(tmp_path, {"state_dict": whole, "epoch": 3})
    headless = OrderedDict((key, value) for key, value in whole.items() if not key.startswith("fc."))
    torch.save(headless, tmp_path / "headless.pth")
    assert network(SMALL, weights=str(tmp_path / "headless.pth"), image_size=32).width == 1024


def test_a_file_that_would_run_code_or_is_damaged(tmp_path: Path, resnet: Any) -> None:
    assert "not a state dict of tensors alone" in refused(tmp_path, {"a": Path("code")})
    torch.save(resnet.state_dict(), tmp_path / "whole.pth")
    for name, content in {
        "cut.pth": (tmp_path / "whole.pth").read_bytes()[:10_000],
        "text.pth": b"hello",
        "empty.pth": b"",
        "bad.safetensors": (1 << 40).to_bytes(8, "little") + b"{",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            network("resnet18", weights=str(tmp_path / name))
    with pytest.raises(InputError, match="No such file"):
        network("resnet18", weights=str(tmp_path / "absent.pth"))


def test_checkpoints_with_torchvisions_old_names(tmp_path: Path) -> None:
    whole = networks.build("densenet121", 224, 3)
    old = OrderedDict(
        (networks.re.sub(r"(denselayer\d+\.(?:norm|relu|conv))([12])\.", r"\1.\2.", k), v) for k, v in whole.state_dict().items()
    )
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    for key in [key for key in old if key.endswith("num_batches_tracked")]:
        del old[key]
    torch.save(old, tmp_path / "old.pth")
    made = network("densenet121", weights=str(tmp_path / "old.pth"), image_size=32)
    values = pixels(2, 32)
    np.testing.assert_allclose(made.embed(values), before_head(whole, "classifier", made.normalize(values)), rtol=1e-4, atol=1e-5)


def test_auxiliary_classifiers_may_be_left_out(tmp_path: Path) -> None:
    whole = networks.build("googlenet", 224, 3)
    content = OrderedDict((key, value) for key, value in whole.state_dict().items() if not key.startswith("aux"))
    torch.save(content, tmp_path / "g.pth")
    made = network("googlenet", weights=str(tmp_path / "g.pth"), image_size=64)
    values = pixels(2, 64)
    np.testing.assert_allclose(made.embed(values), before_head(whole, "fc", made.normalize(values)), rtol=1e-4, atol=1e-5)


def test_safetensors_keep_todays_layout_of_mnasnet(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    whole = networks.build("mnasnet0_5", 224, 3)  # without a version its loader rebuilds the first layers
    save_file(whole.state_dict(), tmp_path / "m.safetensors")
    made = network("mnasnet0_5", weights=str(tmp_path / "m.safetensors"), image_size=32)
    values = pixels(2, 32)
    np.testing.assert_allclose(made.embed(values), before_head(whole, "classifier.1", made.normalize(values)), rtol=1e-4, atol=1e-5)


def test_positions_of_a_vision_transformer_are_interpolated() -> None:
    from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    small, large = (VisionTransformer(size, 16, 1, 2, 16, 16, num_classes=3) for size in (32, 48))
    wanted = interpolate_embeddings(48, 16, OrderedDict(small.state_dict()))["encoder.pos_embedding"]
    assert networks.behead(large) == "heads.head"
    networks._load(large, OrderedDict(small.state_dict()), "heads.head", "file")
    assert wanted.shape == (1, 10, 16)
    assert torch.equal(large.encoder.pos_embedding, wanted)
    assert torch.equal(large.conv_proj.weight, small.conv_proj.weight)


def test_default_weights_come_from_torchvisions_cache(tmp_path: Path, resnet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    weights = models.ResNet18_Weights.DEFAULT
    (tmp_path / "checkpoints").mkdir()
    torch.save(resnet.state_dict(), tmp_path / "checkpoints" / Path(weights.url).name)
    made = network("resnet18", weights="DEFAULT", image_size=32)
    assert made.facts["weights"] == "ResNet18_Weights.IMAGENET1K_V1"
    values = pixels(1, 32)
    np.testing.assert_allclose(made.embed(values), before_head(resnet, "fc", made.normalize(values)), rtol=1e-4, atol=1e-5)


def test_a_download_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))

    def fail(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(InputError, match=r"could not be fetched.*no route to host") as caught:
        network("resnet18", weights="DEFAULT")
    assert "--weights none" in caught.value.hint


@pytest.mark.parametrize(("name", "size"), [("inception_v3", 20), ("vit_b_32", 33), ("maxvit_t", 100)])
def test_a_size_that_does_not_suit(name: str, size: int) -> None:
    with pytest.raises(UsageError, match=f"--image-size {size} does not suit {name}"):
        network(name, image_size=size)


def test_unknown_names_and_devices() -> None:
    with pytest.raises(UsageError, match="resnt18") as caught:
        backbones.create("resnt18")
    assert "resnet18" in caught.value.hint
    with pytest.raises(UsageError, match="fasterrcnn"):
        backbones.create("fasterrcnn_resnet50_fpn")
    for name in ("gpu", "cuda:x", "cpu:0", ""):
        with pytest.raises(UsageError):
            device.choose(name)
    assert device.choose("cpu").type == "cpu"
    if not torch.cuda.is_available():
        assert device.choose("auto").type in ("cpu", "mps")
        with pytest.raises(UsageError, match="0 CUDA devices"):
            device.choose("cuda")
