"""`clip:NAME`: the models of open_clip, which put images and texts into one space."""

from __future__ import annotations

import difflib
import hashlib
import importlib.metadata
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from altool import seeds
from altool.backbones import networks
from altool.backbones.images import Images, Preset, padded, unsuited, weights_of
from altool.backbones.shape import Backbone, Texts
from altool.errors import InputError, UsageError
from altool.extras import library
from altool.payloads.pictures import Recipe
from altool.payloads.reading import load_texts
from altool.text import brief, clip

CONFIG = "open_clip_config.json"
ENDINGS = (".safetensors", ".bin", ".pth")  # of files of weights
# The one that open_clip takes among several in a folder is the first of these that is there.
PREFERRED = (
    *(f"open_clip_{name}" for name in ("model.safetensors", "pytorch_model.safetensors", "pytorch_model.bin", "pytorch_model.pth")),
    *("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth"),
)
WORDS = ("added_tokens.json", "merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "vocab.txt")
FITS: Mapping[str, Any] = {"shortest": "shorter", "longest": "longer", "squash": "both"}  # open_clip's modes of resizing


class Clip(Images):
    """Images, or texts, as the model's `encode_image` and `encode_text` give them, which most models do not bring to unit length: rows of
    the two are compared by their cosine.

    Pictures are made as the weights ask for it, texts cut by their tokenizer to the length that the model reads.
    """

    libraries = ("numpy", "open_clip_torch", "pillow", "torch", "torchvision")

    def __init__(
        self,
        given: str,
        *,
        weights: str = "DEFAULT",
        image_size: int | None = None,
        minibatch: int | None = None,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        """Raises UsageError for a model that open_clip has not, and where it is left open which of its weights are meant."""
        self.folder = Path(given) if os.path.isfile(os.path.join(given, CONFIG)) else None
        if self.folder and weights not in ("DEFAULT", "none"):
            raise UsageError(f"--weights {weights} contradicts clip:{given}, which has its own", "give one of them")
        self.name, self.tag = (given, "") if self.folder else _named(given, weights)
        super().__init__(minibatch, device)
        self.given, self.wanted_size, self.seed, self.weights = given, image_size, seed, weights
        self.column = "image"
        self._turn = Lock()  # a fast tokenizer is of one thread at a time

    def read(self, column: str) -> None:
        """Embed this column: image, path or text."""
        self.column = column

    @property
    def space(self) -> dict[str, Any]:
        """Images and texts are of one space. Weights from a folder or a file are known by a digest of it, published ones by their name and
        a digest of their numbers."""
        facts = {"image_size": self.image_size, **self.identity, "transform": self.preset.facts}
        if self.weights == "none":
            facts |= {"seed": self.seed, **{name: importlib.metadata.version(name) for name in ("open_clip_torch", "torch")}}
        return facts

    @property
    def temperature(self) -> float:
        """What the model learned to multiply cosines by."""
        return float(self.net.logit_scale.detach().exp())

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        """Build the model, load its weights and its tokenizer. Raises InputError for what cannot be had or does not fit, UsageError for a
        size that does not."""
        net = self._built()
        self.tokenizer = self._tokenizer()
        self.read_as(self._preset(net.visual.preprocess_cfg))
        self.run_on(net, f"clip:{self.given}")
        if self.column == "text":
            self.load = load_texts

    def embed(self, values: Any) -> np.ndarray:
        return self.embed_texts(values) if self.column == "text" else super().embed(values)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (n, width): the vectors of texts."""
        steps = range(0, len(texts), self.minibatch)
        return np.concatenate([np.zeros((0, self.width), np.float32), *(self._texts(texts[at : at + self.minibatch]) for at in steps)])

    def forward(self, given: Any) -> Any:
        return self.net.encode_image(given)

    def _texts(self, texts: Sequence[str]) -> np.ndarray:
        """Those of at most a minibatch."""
        import torch

        with self._turn:
            tokens = self.tokenizer(list(texts)).numpy()
        with torch.inference_mode(), self.mixed():
            given = torch.from_numpy(padded(tokens, self.minibatch)).to(self.torch_device)
            vectors = self.net.encode_text(given)
            return vectors.float().cpu().numpy()[: len(texts)]

    def _built(self) -> Any:
        """The model, whole, with its weights; `identity` says which these are."""
        import torch

        files = self._files()
        if self.weights == "none":
            self.identity: dict[str, Any] = {"weights": "none", **({"config": _digest([self.folder / CONFIG])} if self.folder else {})}
        elif files:
            self.identity = {"weights": _digest(files)}
        with torch.random.fork_rng(devices=[]), _quiet():
            torch.default_generator.manual_seed(seeds.integer(self.seed, "embed", "weights"))
            try:
                net = self._created()
            except Exception as error:  # a broken connection, weights of another model, an unsafe or damaged file: all end here
                raise self._refusal(error) from error
        if self.weights == "DEFAULT" and not files:
            self.identity = {"weights": f"{self.name}/{self.tag}", "digest": weights_of(net)}
        self.facts["weights"] = self.identity["weights"]
        return net

    def _created(self, *, weights: bool = True) -> Any:
        open_clip = _library()
        options: dict[str, Any] = {"force_image_size": self.wanted_size, "pretrained_text": False}
        if self.folder:
            return open_clip.create_model(f"local-dir:{self.folder}", load_weights=weights and self.weights == "DEFAULT", **options)
        if not weights or self.weights == "none":
            return open_clip.create_model(self.name, **options)
        if self.weights != "DEFAULT":
            return open_clip.create_model(self.name, self.weights, **options)
        quick = open_clip.get_pretrained_cfg(self.name, self.tag).get("quick_gelu", False)
        return open_clip.create_model(self.name, self.tag, force_quick_gelu=bool(quick), **options)

    def _refusal(self, error: Exception) -> InputError | UsageError:
        """What to raise where the model cannot be made."""
        if self.wanted_size is not None:
            try:
                self._created(weights=False)
            except Exception as alone:  # without any weights: the size is the reason
                return unsuited(f"clip:{self.given}", self.wanted_size, alone)
        hint = f"give a folder with {CONFIG} and its weights, --weights FILE or --weights none"
        return InputError(f"{self._who}: its weights cannot be had, or do not fit ({brief(error)})", hint)

    def _tokenizer(self) -> Any:
        with _quiet():
            try:
                return _library().get_tokenizer(f"local-dir:{self.folder}" if self.folder else self.name)
            except Exception as error:  # it is downloaded, or its files are not in the folder
                raise InputError(
                    f"clip:{self.given}: its tokenizer cannot be had ({brief(error)})",
                    f"give a folder with {CONFIG}, the weights and the files of the tokenizer",
                ) from error

    @property
    def _who(self) -> str:
        return f"clip:{self.given}" if self.weights in ("DEFAULT", "none") else f"--weights {self.weights}"

    def _files(self) -> list[Path]:
        """The files of this machine that decide what the model computes: of a folder the weights, its config and its tokenizer's."""
        if self.weights not in ("DEFAULT", "none"):
            return [Path(self.weights)]
        if self.folder is None:
            return []
        found = sorted(path for path in self.folder.iterdir() if path.suffix in ENDINGS and path.is_file())
        preferred = [self.folder / name for name in PREFERRED if self.folder / name in found]
        if len(found) != 1 and not preferred and self.weights == "DEFAULT":
            names = ", ".join(path.name for path in found) or "none"
            raise InputError(f"clip:{self.given}: expected one file of weights, found {names}", f"call it {PREFERRED[0]}")
        return [
            *(preferred or found)[:1],
            self.folder / CONFIG,
            *(path for name in WORDS if (path := self.folder / name).is_file()),
            *sorted(self.folder.glob("*.model")),
        ]

    def _preset(self, facts: Mapping[str, Any]) -> Preset:
        """open_clip's own transform, for evaluation."""
        from PIL import Image

        size = facts["size"] if isinstance(facts["size"], int) else facts["size"][0]
        sizes = facts["size"] if isinstance(facts["size"], Sequence) else (size, size)
        if len(set(sizes)) != 1 or facts["resize_mode"] not in FITS:
            raise InputError(f"clip:{self.given}: expected N x N pixels, found {sizes}, {facts['resize_mode']}", "choose another model")
        method = Image.Resampling.BILINEAR if facts["interpolation"] == "bilinear" else Image.Resampling.BICUBIC
        gray = int(facts.get("fill_color") or 0)
        fill = (gray, gray, gray) if facts["resize_mode"] == "longest" else (0, 0, 0)
        recipe = Recipe(size, size, int(method), fit=FITS[facts["resize_mode"]], fill=fill)
        return Preset(recipe, tuple(facts["mean"]), tuple(facts["std"]))


def _named(given: str, weights: str) -> tuple[str, str]:
    """The model's name in open_clip, and that of its weights, "" where they are given otherwise."""
    open_clip = _library()
    models = open_clip.list_models()
    name, _, tag = given.rpartition("/")
    if given.replace("/", "-") in models:
        name, tag = given, ""
    name = name.replace("/", "-")
    if name not in models:
        close = difflib.get_close_matches(given.replace("/", "-"), models, 3)
        hint = f"did you mean {', '.join(f'clip:{one}' for one in close)}?" if close else "open_clip.list_models() of Python lists them"
        raise UsageError(f"--backbone clip:{clip(given, 80)}: no model of open_clip, and no folder with {CONFIG}", hint)
    tags = open_clip.list_pretrained_tags_by_model(name)
    if weights != "DEFAULT":
        if tag:
            raise UsageError(f"--weights {weights} contradicts clip:{given}, whose weights are {tag}", f"give --backbone clip:{name}")
        return name, ""
    if not tag and len(tags) == 1:
        (tag,) = tags
    if tag not in tags:
        found = f"found {tag}" if tag else "found none"
        hint = f"choose from {', '.join(tags)}" if tags else "open_clip publishes none: give --weights FILE or --weights none"
        raise UsageError(f"--backbone clip:{clip(given, 80)}: expected clip:{name}/WEIGHTS, {found}", hint)
    return name, tag


def _library() -> Any:
    return library("open_clip", "clip", "clip:NAME")


def _digest(files: Sequence[Path]) -> str:
    """Of one file its own digest, of several one of theirs. Raises InputError."""
    parts = []
    for file in files:
        try:
            with open(file, "rb") as stream:
                parts.append(f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}")
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})", "give a file of weights") from error
    return parts[0] if len(parts) == 1 else f"sha256:{hashlib.sha256(''.join(parts).encode()).hexdigest()}"


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip's log and warnings say what this module says in its own words."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


WEIGHTS, *OTHERS = networks.OPTIONS
BACKBONE = Backbone(
    "clip",
    "a model of open_clip: images and texts in one space",
    ("image", "path", "text"),
    Clip,
    (replace(WEIGHTS, help="The weights of NAME or FOLDER, random ones, or a file."), *OTHERS),
    takes="NAME/WEIGHTS|FOLDER",
    mark=CONFIG,
    extra="clip",
)
