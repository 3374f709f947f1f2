"""torchvision's classification networks by name, with the head taken off."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.metadata
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from altool import seeds
from altool.backbones import BACKBONES
from altool.backbones.shape import Backbone, Texts
from altool.engines import device as devices
from altool.engines.local import cores
from altool.errors import InputError, UsageError
from altool.extras import library, missing
from altool.options import Option
from altool.payloads import pictures
from altool.shared import DEVICE
from altool.text import clip

if TYPE_CHECKING:
    from torch import nn

# What torchvision 0.21 to 0.29 has, to tell one from an unknown name where torchvision is not installed.
NAMES = """
    alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161 densenet169 densenet201 efficientnet_b0
    efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7 efficientnet_v2_l
    efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2
    mobilenet_v3_large mobilenet_v3_small regnet_x_16gf regnet_x_1_6gf regnet_x_32gf regnet_x_3_2gf regnet_x_400mf regnet_x_800mf
    regnet_x_8gf regnet_y_128gf regnet_y_16gf regnet_y_1_6gf regnet_y_32gf regnet_y_3_2gf regnet_y_400mf regnet_y_800mf regnet_y_8gf
    resnet101 resnet152 resnet18 resnet34 resnet50 resnext101_32x8d resnext101_64x4d resnext50_32x4d shufflenet_v2_x0_5
    shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_b swin_s swin_t swin_v2_b swin_v2_s
    swin_v2_t vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn vit_b_16 vit_b_32 vit_h_14 vit_l_16 vit_l_32
    wide_resnet101_2 wide_resnet50_2
""".split()  # noqa: SIM905 (a literal would have a line for each)
MINIBATCH = {"cpu": 16}
MINIBATCH_GPU = 256
# Classifiers beside the network that only its training uses.
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# torchvision's own checkpoints of densenet have names that modules may not have any more (torchvision/models/densenet.py).
DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$")


class Network:
    """A row's vector is what the network's last linear layer (squeezenet: its last convolution, pooled) would be given.

    The transforms are those of torchvision's DEFAULT weights of the network, whatever weights are used. Another `image_size`
    changes the crop, and the size before it in proportion. On a GPU the network runs in mixed precision; on the processor one
    minibatch runs on one core, so that a vector does not depend on how many there are.
    """

    libraries = ("numpy", "pillow", "torch", "torchvision")
    learns = False

    def __init__(
        self,
        name: str,
        *,
        weights: str = "DEFAULT",
        image_size: int | None = None,
        minibatch: int | None = None,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        """Raises UsageError for a device that is not there, and without torchvision."""
        models = library("torchvision", "torch", f"--backbone {name}").models
        self.name, self.seed, self.given = name, seed, weights
        self.torch_device = devices.choose(device)
        self.device = str(self.torch_device)
        self.threads = cores() if self.device == "cpu" else 1
        self.minibatch = minibatch or MINIBATCH.get(self.device, MINIBATCH_GPU)
        self.preset = models.get_model_weights(name).DEFAULT.transforms()
        recipe = recipe_of(self.preset, image_size)
        self.image_size = recipe.shape[0]
        self.load = functools.partial(pictures.load, recipe)
        self.width = 0
        self.facts: dict[str, Any] = {"image_size": self.image_size, "minibatch": self.minibatch, "device": self.torch_device.type}

    @property
    def space(self) -> dict[str, Any]:
        """A file's weights are known by its digest, torchvision's by their name: it is checked that they are what was published under it.
        Random ones by the seed and what draws them: another torch or torchvision may draw others from the same seed."""
        facts = {"image_size": self.image_size, "weights": self.facts["weights"]}
        if self.facts["weights"] == "none":
            facts |= {"seed": self.seed, **{name: importlib.metadata.version(name) for name in ("torch", "torchvision")}}
        return facts

    def save(self, path: Path) -> None:
        """There is nothing to keep."""

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        """Build the network and load its weights. Raises InputError for weights that do not fit, UsageError for a size that does not."""
        import torch

        net = build(self.name, self.image_size, seeds.integer(self.seed, "embed", "weights"))
        head = behead(net)
        self.facts["weights"] = load_weights(net, head, self.name, self.given)
        # channels_last is how decoded pixels lie in memory, and the faster layout on processors and GPUs alike.
        self.net = net.eval().requires_grad_(False).to(self.torch_device, memory_format=torch.channels_last)
        self.mean, self.std = (
            torch.tensor(values, dtype=torch.float32, device=self.torch_device).view(1, 3, 1, 1)
            for values in (self.preset.mean, self.preset.std)
        )
        if self.device == "cpu":
            torch.set_num_threads(1)
        try:
            self.width = self._forward(np.zeros((1, self.image_size, self.image_size, 3), np.uint8)).shape[1]
        except RuntimeError as error:
            raise unsuited(self.name, self.image_size, error) from error

    def normalize(self, pixels: np.ndarray) -> Any:
        """uint8 (n, height, width, 3) to the network's input, float32 (n, 3, height, width) on its device."""
        import torch

        given = torch.from_numpy(pixels).to(self.torch_device, non_blocking=True).permute(0, 3, 1, 2)
        return given.float().div_(255).sub_(self.mean).div_(self.std)

    def embed(self, values: np.ndarray) -> np.ndarray:
        rows = len(values)
        if rows < self.minibatch:  # always the same shape: kernels, and so the last bits, are chosen by it
            values = np.concatenate([values, np.zeros((self.minibatch - rows, *values.shape[1:]), np.uint8)])
        return self._forward(values)[:rows]

    def _forward(self, pixels: np.ndarray) -> np.ndarray:
        import torch

        gpu = self.torch_device.type != "cpu"
        with torch.inference_mode():
            given = self.normalize(pixels)
            with torch.autocast(self.torch_device.type, torch.float16, enabled=gpu):
                vectors = self.net(given)
            return vectors.flatten(1).float().cpu().numpy()


OPTIONS = (
    Option(
        "weights", default="DEFAULT", file=True, metavar="DEFAULT|none|FILE", help="torchvision's best weights, random ones, or a file."
    ),
    Option("image_size", int, low=1, metavar="N", help="Images at N x N pixels.", shown="the network's own"),
    Option("minibatch", int, low=1, metavar="N", help="Images per step.", shown=f"{MINIBATCH['cpu']}, on a GPU {MINIBATCH_GPU}"),
    replace(DEVICE, name="device"),
)


def names() -> list[str]:
    """torchvision's classification networks, sorted: `NAMES` where it is not installed."""
    if missing("torch"):
        return list(NAMES)
    from torchvision import models

    found: list[str] = models.list_models(module=models)
    return found


def backbone(name: str) -> Backbone:
    """The network of that name as a backbone. Raises UsageError for an unknown one."""
    if not known(name):
        near = difflib.get_close_matches(name, [*BACKBONES.names(), *names()], 5)
        hint = f"did you mean {', '.join(near)}?" if near else f"choose from {', '.join([*BACKBONES.names(), *names()])}"
        raise UsageError(f"--backbone: {clip(repr(name), 80)} is unknown", hint)
    summary = "a classification network of torchvision, without its head"
    return Backbone(name, summary, ("image", "path"), functools.partial(Network, name), OPTIONS, extra="torch")


_SIZE_HINT = "leave --image-size out for the network's own, or give a larger one"


def known(name: str) -> bool:
    """Is this one of torchvision's classification networks?"""
    return name in names()


def recipe_of(preset: Any, image_size: int | None) -> pictures.Recipe:
    from PIL import Image

    size, crop = preset.resize_size[0], preset.crop_size[0]
    if image_size is not None:
        size, crop = round(size * image_size / crop), image_size
    return pictures.Recipe(size, crop, int(Image.Resampling[preset.interpolation.name]))


def build(name: str, image_size: int, seed: int) -> nn.Module:
    """The network with random weights of its own seed; torch's global generator is left as it was."""
    import torch
    from torchvision import models

    sized: dict[str, Any] = {}
    if name.startswith("vit_"):
        sized = {"image_size": image_size}
    elif name.startswith("maxvit"):
        sized = {"input_size": (image_size, image_size)}
    elif name in ("googlenet", "inception_v3"):  # as torchvision builds them for its weights
        sized = {"transform_input": True, "init_weights": False, "aux_logits": True}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            return models.get_model(name, weights=None, **sized)
        except (ValueError, RuntimeError, AssertionError) as error:
            raise unsuited(name, image_size, error) from error


def unsuited(name: str, image_size: int, error: Exception) -> UsageError:
    """What to raise where a network cannot read pictures of this size."""
    return UsageError(f"--image-size {image_size} does not suit {name} ({_short(error)})", _SIZE_HINT)


def behead(net: nn.Module) -> str:
    """Put nothing in the place of the last linear layer, or the last convolution where there is none. Returns its name."""
    from torch import nn

    layers = dict(net.named_modules())
    linear = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]
    head = (linear or [name for name, layer in layers.items() if isinstance(layer, nn.Conv2d)])[-1]
    net.set_submodule(head, nn.Identity())
    return head


def load_weights(net: nn.Module, head: str, name: str, given: str) -> str:
    """Load the weights that are `given` (DEFAULT, none or a file) into a beheaded network, and return what identifies them.

    Raises InputError for weights that cannot be had or do not fit.
    """
    from torchvision import models

    if given == "none":
        return "none"
    if given == "DEFAULT":
        weights = models.get_model_weights(name).DEFAULT
        _load(net, _download(weights), head, f"{weights}")
        return f"{weights}"
    digest, state = _read(Path(given))
    _load(net, state, head, given)
    return digest


def _download(weights: Any) -> Any:
    """torchvision's weights, from its cache or its site."""
    import torch

    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # urllib's errors, a broken connection, a wrong hash, a full disk: all end here
        raise InputError(
            f"--weights DEFAULT: {weights} could not be fetched from {weights.url} ({_short(error)})",
            f"put the file into {torch.hub.get_dir()}/checkpoints, or give --weights FILE or --weights none",
        ) from error


def _read(file: Path) -> tuple[str, Any]:
    """The digest and the state dict of a .safetensors or .pth file, told apart by its content. Runs no code from it."""
    import torch

    try:
        with open(file, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(8)
            safe = stream.read(1) == b"{"  # a safetensors header is JSON behind its length
    except OSError as error:
        raise InputError(f"--weights {file}: cannot be read ({error.strerror})", "give DEFAULT, none or a file") from error
    try:
        if safe:
            from safetensors.torch import load_file

            state = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises for a damaged or unsafe file is not documented
        raise InputError(
            f"--weights {file}: not a state dict of tensors alone, or damaged ({_short(error)})",
            "write it with torch.save(model.state_dict(), FILE) or safetensors",
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        found = ", ".join(map(str, list(state)[:3])) if isinstance(state, dict) else type(state).__name__
        raise InputError(f"--weights {file}: no state dict, it holds {found}", "write it with torch.save(model.state_dict(), FILE)")
    return f"sha256:{digest}", state


def _load(net: nn.Module, state: Any, head: str, name: str) -> None:
    """Load all of `state` but the head's, and nothing less. Raises InputError naming what is missing, left over or of another shape."""
    import torch
    from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    expected = net.state_dict()
    if not hasattr(state, "_metadata"):  # safetensors: no layout versions, so today's
        state = type(expected)(state)
        state._metadata = expected._metadata
    for key in list(state):
        if key.startswith((head + ".", *AUXILIARY)):
            del state[key]
        elif match := DENSENET.match(key):
            state[match[1] + match[2]] = state.pop(key)
    for key, value in expected.items():
        if key.startswith(AUXILIARY) or key.endswith(".num_batches_tracked"):  # eval mode reads neither
            state.setdefault(key, value)
    position = state.get("encoder.pos_embedding")
    if isinstance(net, VisionTransformer) and isinstance(position, torch.Tensor) and position.ndim == 3:
        state = interpolate_embeddings(net.image_size, net.patch_size, state)
    faults = {
        "missing": [key for key in expected if key not in state],
        "unexpected": [key for key in state if key not in expected],
        "of another shape": [key for key in expected if key in state and state[key].shape != expected[key].shape],
    }
    if any(faults.values()):
        text = "; ".join(f"{len(keys)} {fault} ({', '.join(keys[:3])})" for fault, keys in faults.items() if keys)
        raise InputError(f"--weights {name}: not this network's weights: keys {text}", "give the state dict of the --backbone, whole")
    net.load_state_dict(state)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
