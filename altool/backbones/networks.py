"""torchvision's classification networks by name, with the head taken off."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altool import seeds
from altool.backbones import BACKBONES
from altool.backbones.images import MINIBATCH, MINIBATCH_GPU, Images, Preset, unsuited
from altool.backbones.shape import Backbone, Texts
from altool.backbones.sources import Source
from altool.errors import InputError, UsageError
from altool.extras import missing
from altool.options import Option
from altool.payloads import pictures
from altool.shared import DEVICE
from altool.text import brief, clip

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
# Classifiers beside the network that only its training uses.
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# torchvision's own checkpoints of densenet have names that modules may not have any more (torchvision/models/densenet.py).
DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$")


class Network(Images):
    """A row's vector is what the head of a classification network would be given: its last linear layer, in torchvision (squeezenet: its
    last convolution, pooled).

    The transforms are those of the network's weights in its library, whatever weights are used. Another `image_size` changes the crop, and
    the size before it in proportion.
    """

    def __init__(
        self,
        source: Source,
        name: str,
        *,
        weights: str = "DEFAULT",
        image_size: int | None = None,
        minibatch: int | None = None,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        """Raises UsageError for a device that is not there."""
        super().__init__(minibatch, device)
        self.source, self.name, self.seed, self.given = source, name, seed, weights
        self.libraries = source.libraries
        self.read_as(source.preset(name, image_size))

    @property
    def space(self) -> dict[str, Any]:
        """A file's weights are known by its digest, published ones by their name: it is checked that they are what was published under it.
        Random ones by the seed and what draws them: another torch or torchvision may draw others from the same seed."""
        facts = {"image_size": self.image_size, **self.identity}
        if facts["weights"] == "none":
            facts |= {"seed": self.seed, **{name: importlib.metadata.version(name) for name in self.source.drawing}}
        return facts

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        """Build the network and load its weights. Raises InputError for weights that do not fit, UsageError for a size that does not."""
        seed = seeds.integer(self.seed, "embed", "weights")
        net, self.identity = self.source.build(self.name, self.image_size, seed, self.given)
        self.facts["weights"] = self.identity["weights"]
        self.run_on(net, self.source.prefix + self.name)


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
    return Backbone(name, summary, ("image", "path"), functools.partial(Network, TORCHVISION, name), OPTIONS, extra="torch")


def known(name: str) -> bool:
    """Is this one of torchvision's classification networks?"""
    return name in names()


def recipe_of(preset: Any, image_size: int | None) -> pictures.Recipe:
    from PIL import Image

    size, crop = preset.resize_size[0], preset.crop_size[0]
    if image_size is not None:
        size, crop = round(size * image_size / crop), image_size
    return pictures.Recipe(size, crop, int(Image.Resampling[preset.interpolation.name]))


class Torchvision:
    """torchvision as a source of networks."""

    title, prefix, extra = "torchvision", "", "torch"
    libraries: tuple[str, ...] = ("numpy", "pillow", "torch", "torchvision")
    drawing: tuple[str, ...] = ("torch", "torchvision")

    def names(self) -> list[str]:
        return names()

    def known(self, name: str) -> bool:
        return known(name)

    def preset(self, name: str, image_size: int | None = None) -> Preset:
        from torchvision import models

        given = models.get_model_weights(name).DEFAULT.transforms()
        return Preset(recipe_of(given, image_size), tuple(given.mean), tuple(given.std))

    def build(self, name: str, image_size: int, seed: int, weights: str = "none") -> tuple[nn.Module, dict[str, Any]]:
        net = build(name, image_size, seed)
        head = behead(net)
        return net, {"weights": load_weights(net, head, name, weights)}

    def layout(self, name: str, body: nn.Module) -> tuple[bool, Sequence[str]]:
        blocks = [label for label, module in body.named_modules() if type(module).__name__ == "EncoderBlock"]
        return name.startswith(("swin", "vit")), blocks


TORCHVISION = Torchvision()


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
    digest, state = read_state(Path(given), f"--weights {given}")
    _load(net, state, head, given)
    return digest


def _download(weights: Any) -> Any:
    """torchvision's weights, from its cache or its site."""
    import torch

    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # urllib's errors, a broken connection, a wrong hash, a full disk: all end here
        raise InputError(
            f"--weights DEFAULT: {weights} could not be fetched from {weights.url} ({brief(error)})",
            f"put the file into {torch.hub.get_dir()}/checkpoints, or give --weights FILE or --weights none",
        ) from error


def read_state(file: Path, who: str) -> tuple[str, Any]:
    """The digest and the state dict of a .safetensors or .pth file, told apart by its content. Runs no code from it. Raises InputError,
    which begins with `who`."""
    import torch

    try:
        with open(file, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(8)
            safe = stream.read(1) == b"{"  # a safetensors header is JSON behind its length
    except OSError as error:
        raise InputError(f"{who}: cannot be read ({error.strerror})", "give DEFAULT, none or a file") from error
    try:
        if safe:
            from safetensors.torch import load_file

            state = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises for a damaged or unsafe file is not documented
        raise InputError(
            f"{who}: not a state dict of tensors alone, or damaged ({brief(error)})",
            "write it with torch.save(model.state_dict(), FILE) or safetensors",
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        found = ", ".join(map(str, list(state)[:3])) if isinstance(state, dict) else type(state).__name__
        raise InputError(f"{who}: no state dict, it holds {found}", "write it with torch.save(model.state_dict(), FILE)")
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
