"""`timm:NAME`: any network of timm with its head taken off, by its name there or from a folder."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altool.backbones import networks
from altool.backbones.images import UNSUITED, Preset, unsuited, weights_of
from altool.backbones.networks import Network
from altool.backbones.shape import Backbone
from altool.errors import InputError, UsageError
from altool.extras import library
from altool.payloads.pictures import Recipe
from altool.text import brief, clip

if TYPE_CHECKING:
    from torch import nn

CONFIG = "config.json"  # of a folder
FILES = ("model.safetensors", "pytorch_model.bin", "model.pth")  # the weights in a folder, the preferred first
PLACES = ("url", "file", "hf_hub_id", "hf_hub_filename", "source")  # what says in a config.json where its weights lay once
FITS: Mapping[str, Any] = {"center": "shorter", "border": "longer", "squash": "both"}  # timm's crop modes


@dataclass(frozen=True)
class Model:
    """What timm is told to build: the architecture, the facts of its weights, and the arguments of its constructor; `folder` has the
    weights, if it is one."""

    architecture: str
    facts: Mapping[str, Any]
    arguments: Mapping[str, Any]
    folder: Path | None = None


class Timm:
    """timm as a source of networks."""

    title, prefix, extra = "timm", "timm:", "timm"
    libraries: tuple[str, ...] = ("numpy", "pillow", "timm", "torch", "torchvision")
    drawing: tuple[str, ...] = ("timm", "torch")

    def names(self) -> list[str]:
        found: list[str] = _library().list_models()
        return found

    def known(self, name: str) -> bool:
        return is_folder(name) or _published(name) is not None

    def preset(self, name: str, image_size: int | None = None) -> Preset:
        """timm's own, for evaluation (`timm.data.create_transform`). Raises InputError for one of pictures that are no squares in color."""
        from PIL import Image

        facts = _library("timm.data").resolve_data_config({}, pretrained_cfg=dict(model_of(name).facts))
        channels, height, width = facts["input_size"]
        method, mode = str(facts["interpolation"]).upper(), facts["crop_mode"]
        if (channels, height) != (3, width) or method not in Image.Resampling.__members__ or mode not in FITS:
            found = f"{channels} x {height} x {width}, {mode}, {facts['interpolation']}"
            raise InputError(
                f"timm:{name}: expected 3 x N x N pixels, cropped as {', '.join(FITS)}, found {found}", "choose another network"
            )
        size = image_size or height
        fill = tuple(round(255 * value) for value in facts["mean"]) if mode == "border" else (0, 0, 0)
        recipe = Recipe(math.floor(size / facts["crop_pct"]), size, int(Image.Resampling[method]), fit=FITS[mode], fill=fill)
        return Preset(recipe, tuple(facts["mean"]), tuple(facts["std"]))

    def build(self, name: str, image_size: int, seed: int, weights: str = "none") -> tuple[nn.Module, dict[str, Any]]:
        """Its own loader brings weights into the layout of today and to the size of the pictures; they load whole or not at all."""
        model = model_of(name)
        identity: dict[str, Any] = {"weights": weights}
        state, called = None, f"--weights {weights}"
        if weights == "DEFAULT" and model.folder is not None:
            called = f"timm:{name}"
            file = next((model.folder / file for file in FILES if (model.folder / file).is_file()), model.folder / FILES[0])
            digest, state = networks.read_state(file, f"{called}: {file.name}")
            identity["weights"] = _digest((model.folder / CONFIG).read_bytes() + digest.encode())
        elif weights not in ("none", "DEFAULT"):
            identity["weights"], state = networks.read_state(Path(weights), called)
        if weights != "DEFAULT" and model.folder is not None:
            identity["config"] = _digest((model.folder / CONFIG).read_bytes())
        net = self._built(name, model, image_size, seed, state, called, published=weights == "DEFAULT")
        if weights == "DEFAULT" and model.folder is None:
            identity = {"weights": f"{model.architecture}.{model.facts.get('tag') or 'default'}", "digest": weights_of(net)}
        return net, identity | {"transform": self.preset(name, image_size).facts}

    def _built(self, name: str, model: Model, image_size: int, seed: int, state: Any, called: str, *, published: bool) -> nn.Module:
        import torch

        arguments = {**model.arguments, **({"img_size": image_size} if model.facts.get("fixed_input_size") else {})}
        make = functools.partial(_library().create_model, model.architecture, **arguments)
        with torch.random.fork_rng(devices=[]), _quiet():
            torch.default_generator.manual_seed(seed)
            try:
                if state is not None or published:
                    return _fetched(make, model) if state is None else _loaded(make, model, state, called)
                return make(pretrained=False, pretrained_cfg=dict(model.facts), num_classes=0)
            except InputError:
                self.build(name, image_size, seed)  # raises where the size is the reason
                raise
            except (*UNSUITED, TypeError) as error:
                raise unsuited(f"timm:{name}", image_size, error) from error

    def layout(self, name: str, body: nn.Module) -> tuple[bool, Sequence[str]]:
        """Its `feature_info` names the blocks of a vision transformer, which all have one size."""
        stages = getattr(body, "feature_info", None)
        stages = stages if isinstance(stages, list) else []
        blocks = [stage["module"] for stage in stages] if len({stage["reduction"] for stage in stages}) == 1 else []
        return str(getattr(body, "output_fmt", "")).endswith("NHWC"), blocks


TIMM = Timm()


def _library(module: str = "timm") -> Any:
    return library(module, "timm", "timm:NAME")


def is_folder(given: str) -> bool:
    """Is this a folder with a network, and not the name of one?"""
    return os.path.isfile(os.path.join(given, CONFIG))


def model_of(given: str) -> Model:
    """The network of that name, or of a folder that `timm.models.save_for_hf` wrote. Raises InputError for a folder without one."""
    if not is_folder(given):
        published = _published(given)
        assert published is not None
        return Model(given.partition(".")[0], dataclasses.asdict(published), {})
    folder = Path(given)
    hint = "give a folder with config.json and model.safetensors, as timm.models.save_for_hf writes it"
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        facts = dict(config.get("pretrained_cfg", config))
        return Model(
            str(config["architecture"]),
            _known_facts({**facts, "architecture": config["architecture"]}),
            dict(config.get("model_args", {})),
            folder,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"timm:{given}: config.json cannot be read ({type(error).__name__}: {brief(error)})", hint) from error


def _known_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those that this timm has a name for, but for where the weights lie."""
    names = {field.name for field in dataclasses.fields(_library("timm.models").PretrainedCfg)}
    return {name: facts[name] for name in names.intersection(facts) if name not in PLACES}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _published(name: str) -> Any:
    """timm's facts of the weights of that name; None where it has no such network."""
    models = _library("timm.models")
    try:
        return models.get_pretrained_cfg(name) if models.is_model(name.partition(".")[0]) else None
    except RuntimeError:  # a network, but no such weights of it
        return None


def _fetched(make: Any, model: Model) -> nn.Module:
    """With the weights that timm publishes, from its cache or their site."""
    called = f"timm:{model.architecture}"
    if not (model.facts.get("hf_hub_id") or model.facts.get("url")):
        raise InputError(f"--weights DEFAULT: timm has no weights of {called}", "give --weights FILE or --weights none")
    try:
        net: nn.Module = make(pretrained=True, pretrained_cfg=model.facts.get("tag"))
    except Exception as error:  # a broken connection, a full disk, weights that are not there any more: all end here
        raise InputError(
            f"--weights DEFAULT: those of {called} could not be fetched ({brief(error)})",
            "give a folder that timm.models.save_for_hf wrote, --weights FILE or --weights none",
        ) from error
    return _headless(net)


def _headless(net: Any) -> nn.Module:
    net.reset_classifier(0)
    return net


def _loaded(make: Any, model: Model, state: Any, called: str) -> nn.Module:
    """With the weights of a file, of a head of any width or without one."""
    heads = model.facts.get("classifier") or ()
    head = heads if isinstance(heads, str) else next(iter(heads), "")
    rows = len(state[f"{head}.weight"]) if f"{head}.weight" in state else 0
    failure: Exception | None = None
    for classes in dict.fromkeys((rows, model.facts.get("num_classes") or 0)):  # an older layout may call its head otherwise
        facts = {**model.facts, "state_dict": dict(state), "num_classes": classes, "label_offset": 0, "custom_load": False}
        try:
            return _headless(make(pretrained=True, pretrained_cfg=facts, num_classes=classes))
        except (*UNSUITED, KeyError, TypeError) as error:
            failure = failure or error
    text = f"{called}: not the weights of timm:{model.architecture} ({brief(failure or ValueError())})"
    raise InputError(text, "give its state dict, whole") from failure


@contextmanager
def _quiet() -> Iterator[None]:
    """timm's log says what this module says in its own words."""
    logger = logging.getLogger("timm")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def create(given: str, **options: Any) -> Network:
    """The encoder of a network of timm. Raises UsageError for an unknown one."""
    if not TIMM.known(given):
        raise UsageError(f"--backbone timm:{clip(given, 80)}: no network of timm, and no folder with {CONFIG}", _near(given))
    return Network(TIMM, given, **options)


def _near(name: str) -> str:
    close = difflib.get_close_matches(name, TIMM.names(), 3)
    return f"did you mean {', '.join(f'timm:{one}' for one in close)}?" if close else "timm.list_models() of Python lists them"


WEIGHTS, *OTHERS = networks.OPTIONS
BACKBONE = Backbone(
    "timm",
    "a network of timm, without its head",
    ("image", "path"),
    create,
    (replace(WEIGHTS, help="The weights of NAME or FOLDER, random ones, or a file."), *OTHERS),
    takes="NAME|FOLDER",
    mark=CONFIG,
    extra="timm",
)
