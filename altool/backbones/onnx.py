"""`onnx:FILE` for images or texts: a network in ONNX, run by onnxruntime. What the file does not tell is an option, never guessed."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from altool.backbones import hub
from altool.backbones.shape import Backbone, OfOne, Texts
from altool.backbones.texts import MINIBATCH, PROMPT, Batches, mean, prefixed
from altool.engines.local import cores
from altool.errors import InputError, UsageError
from altool.extras import library
from altool.options import Option
from altool.payloads import pictures
from altool.payloads.reading import load_texts
from altool.payloads.shape import Loaded, Payload
from altool.shared import DEVICE
from altool.text import brief

IMAGES = 16  # of a minibatch, where the file leaves it free
BILINEAR = 2  # PIL.Image.Resampling.BILINEAR
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
OF_TEXTS = ("input_ids", "attention_mask", "token_type_ids")


def channels(value: Any) -> list[float]:
    """`0.485,0.456,0.406` or a list: a number for red, green and blue. Raises ValueError, which says what is expected."""
    try:
        numbers = [float(part) for part in (value.split(",") if isinstance(value, str) else value)]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != 3 or not all(abs(number) < 1e6 for number in numbers):
        raise ValueError("R,G,B, three numbers as 0.485,0.456,0.406")
    return numbers


def deviations(value: Any) -> list[float]:
    """`channels` above 0. Raises ValueError, which says what is expected."""
    numbers = channels(value)
    if min(numbers) <= 0:
        raise ValueError("R,G,B, three numbers above 0")
    return numbers


@dataclass(frozen=True)
class Given:
    """What a user says of a file."""

    image_size: int | None = None
    resize: int | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    tokenizer: str | None = None
    max_tokens: int | None = None
    prompt: str | None = None
    tensor: str | None = None
    pooling: str | None = None

    def without_effect(self, names: Sequence[str]) -> str | None:
        """The first of these options that is given."""
        return next((name for name in names if getattr(self, name) is not None), None)


class Graph(OfOne):
    """A row's vector is what the file's output is, if that has two dimensions; of one with a state for each token the mean or the first of
    them (`pooling`).

    Images: RGB, the shorter side brought to `resize` pixels (the image size, if not given) with bilinear interpolation and the middle cut,
    from [0, 1] less `mean` and divided by `std`, as (n, 3, height, width). Texts: the numbers of a tokenizer.json. A minibatch or batch
    has always the same shape and runs on one core, so that a vector depends on nothing but the row.
    """

    learns = False

    def __init__(self, given: str, *, device: str = "auto", seed: int = 0, **options: Any) -> None:
        """Raises UsageError where the library is not installed, and for what is not known of the file; InputError for a file that it cannot
        run."""
        self.file, self.who, self.given = Path(given), f"--backbone onnx:{given}", Given(**options)
        runtime = library("onnxruntime", "onnx", self.who)
        providers, self.device = _providers(runtime, device, self.who)
        settings = runtime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        if not self.file.is_file():
            raise InputError(f"{self.who}: the file does not exist", "correct the path")
        try:
            self.session = runtime.InferenceSession(str(self.file), settings, providers=providers)
        except Exception as error:  # what the library raises is not documented
            raise InputError(f"{self.who}: onnxruntime cannot load it ({brief(error)})", "give a file in ONNX") from error
        inputs = {one.name: one for one in self.session.get_inputs()}
        self.images = len(inputs) == 1 and next(iter(inputs.values())).type in FLOATS
        self.reads = ("image", "path") if self.images else ("text",)
        self.tensor, self.pooling = self._output()
        self.facts: dict[str, Any] = {"device": self.device, "tensor": self.tensor, "pooling": self.pooling}
        self.libraries: tuple[str, ...] = (_distribution(), "numpy", "pillow" if self.images else "tokenizers")
        self.load: Callable[[Sequence[Payload]], Loaded] = load_texts
        self.width = 0
        if self.images:
            self._take_images(next(iter(inputs.values())))
        else:
            self._take_texts(inputs)

    def _output(self) -> tuple[str, str | None]:
        """The name of the output that holds the vectors, and how it is pooled. Raises UsageError where that is not known."""
        ranks = {one.name: len(one.shape) for one in self.session.get_outputs() if one.type in FLOATS}
        shown = ", ".join(f"{name} ({rank} dimensions)" for name, rank in ranks.items()) or "none of floats"
        if (name := self.given.tensor) is not None and name not in ranks:
            raise UsageError(f"--tensor {name}: {self.who} has no such output (it has {shown})", "choose one of these")
        name = name or next((one for rank in (2, 3) if len(fit := [out for out in ranks if ranks[out] == rank]) == 1 for one in fit), None)
        if name is None or ranks[name] not in (2, 3):
            raise UsageError(f"{self.who}: which output holds the vectors is not known (it has {shown})", "give --tensor NAME")
        if ranks[name] == 3 and self.given.pooling is None:
            raise UsageError(f"{self.who}: output {name} holds a state for each token", "give --pooling mean or cls")
        if ranks[name] == 2 and self.given.pooling is not None:
            raise UsageError(f"--pooling has no effect with output {name} of {self.who}", "leave it out")
        return name, self.given.pooling

    def _take_images(self, put: Any) -> None:
        """Raises UsageError and InputError."""
        if name := self.given.without_effect(("tokenizer", "max_tokens", "prompt")):
            raise UsageError(f"--{name.replace('_', '-')} has no effect with {self.who}, a model of images", "leave it out")
        shape = list(put.shape)
        fixed = [size if isinstance(size, int) else None for size in shape]
        if len(shape) != 4 or fixed[1] not in (3, None) or fixed[2] != fixed[3]:
            text = f"{self.who}: input {put.name} has shape {shape}, expected (n, 3, size, size)"
            raise InputError(text, "export a network of square images in RGB, channels first")
        size, wanted = fixed[2], self.given.image_size
        if size is not None and wanted not in (size, None):
            raise UsageError(f"--image-size {wanted}: {self.who} takes {size} x {size} pixels", "leave it out")
        missing = [
            option
            for option, value in (("--image-size N", size or wanted), ("--mean R,G,B", self.given.mean), ("--std R,G,B", self.given.std))
            if value is None
        ]
        if missing:
            raise UsageError(f"{self.who}: the file does not tell how an image becomes its input", f"give {' and '.join(missing)}")
        edge = int(size or wanted or 0)
        resize = self.given.resize or edge
        if resize < edge:
            raise UsageError(f"--resize {resize}: expected at least the image size, {edge}", "leave it out")
        self.put, self.kind = put.name, FLOATS[put.type]
        self.minibatch, self.threads = fixed[0] or IMAGES, cores()
        self.load = functools.partial(pictures.load, pictures.Recipe(resize, edge, BILINEAR))
        self.shape = (edge, edge, 3)
        mean, std = (np.array(values, np.float64)[:, None, None] for values in (self.given.mean, self.given.std))
        self.scale, self.shift = (1 / (255 * std)).astype(np.float32), (mean / std).astype(np.float32)
        self.facts |= {"image_size": edge, "resize": resize, "mean": self.given.mean, "std": self.given.std}

    def _take_texts(self, inputs: dict[str, Any]) -> None:
        """Raises UsageError and InputError."""
        if name := self.given.without_effect(("image_size", "resize", "mean", "std")):
            raise UsageError(f"--{name.replace('_', '-')} has no effect with {self.who}, a model of texts", "leave it out")
        strange = [f"{name} {one.type} {one.shape}" for name, one in inputs.items() if name not in OF_TEXTS or one.type not in INTEGERS]
        if strange or "input_ids" not in inputs:
            text = (
                f"{self.who}: expected one input of images, or of token numbers {', '.join(OF_TEXTS)}, found {', '.join(strange) or 'none'}"
            )
            raise InputError(text, "export the encoder alone")
        if fixed := [name for name, one in inputs.items() if any(isinstance(size, int) for size in one.shape)]:
            raise InputError(f"{self.who}: input {fixed[0]} has a fixed shape, {inputs[fixed[0]].shape}", "export it with free axes")
        place = Path(self.given.tokenizer) if self.given.tokenizer else self.file.with_name("tokenizer.json")
        place = place / "tokenizer.json" if place.is_dir() else place
        if not place.is_file():
            raise UsageError(f"{self.who}: no tokenizer is known ({place} does not exist)", "give --tokenizer FILE, a tokenizer.json")
        tokenizers = library("tokenizers", "onnx", self.who)
        try:
            self.tokenizer = tokenizers.Tokenizer.from_file(str(place))
        except Exception as error:  # what the library raises is not documented
            raise InputError(f"--tokenizer {place}: cannot be read ({brief(error)})", "give a tokenizer.json") from error
        told = hub.facts(place.parent, "tokenizer_config.json").get("model_max_length")
        told = told if isinstance(told, int) and told < 1 << 20 else None  # without one it is 10^30
        limit = self.given.max_tokens or (self.tokenizer.truncation or {}).get("max_length") or told
        self.tokenizer.no_truncation()
        if limit:
            self.tokenizer.enable_truncation(limit)
        padding = self.tokenizer.padding or {}
        named = next((found for token in ("[PAD]", "<pad>") if (found := self.tokenizer.token_to_id(token)) is not None), 0)
        self.padding = {"input_ids": padding.get("pad_id", named), "token_type_ids": padding.get("pad_type_id", 0)}
        self.tokenizer.no_padding()
        self.kinds = {name: INTEGERS[one.type] for name, one in inputs.items()}
        self.batches = Batches(False, limit)
        self.minibatch, self.threads = MINIBATCH, 1
        prompt = self.given.prompt or ""
        self.facts |= {"tokenizer_digest": _sha256(place), "max_tokens": limit, "prompt": prompt}

    @property
    def space(self) -> dict[str, Any]:
        """The file is known by what it holds, and so is the tokenizer."""
        return {name: value for name, value in self.facts.items() if name != "device"}

    def save(self, path: Path) -> None:
        """There is nothing to keep."""

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        """Run it once. Raises InputError where the file cannot be run."""
        # Large weights lie in files of their own beside it.
        self.facts["model"] = _sha256(*sorted(path for path in self.file.parent.glob(f"{self.file.name}*") if path.is_file()))
        self.width = self.embed(np.zeros((1, *self.shape), np.uint8) if self.images else ["a"]).shape[1]

    def embed(self, values: Any) -> np.ndarray:
        return self._embed_images(values) if self.images else self._embed_texts(values)

    def _embed_images(self, values: np.ndarray) -> np.ndarray:
        rows = len(values)
        given = np.zeros((self.minibatch, 3, *self.shape[:2]), np.float32)  # always the same shape, as `images.padded` has it
        given[:rows] = values.transpose(0, 3, 1, 2)
        given *= self.scale
        given -= self.shift
        return self._run({self.put: given.astype(self.kind, copy=False)})[:rows]

    def _embed_texts(self, values: Sequence[str]) -> np.ndarray:
        encoded = self.tokenizer.encode_batch(prefixed(self.facts["prompt"], values))
        longest = max((len(one.ids) for one in encoded), default=0) or 1
        tokens = {name: np.full((len(encoded), longest), self.padding.get(name, 0), np.int64) for name in OF_TEXTS}
        for row, one in enumerate(encoded):
            for name, numbers in zip(OF_TEXTS, (one.ids, one.attention_mask, one.type_ids), strict=True):
                tokens[name][row, : len(numbers)] = numbers
        return self.batches.run(tokens, self.padding, self._run)

    def _run(self, given: dict[str, np.ndarray]) -> np.ndarray:
        put = given if self.images else {name: given[name].astype(kind, copy=False) for name, kind in self.kinds.items()}
        try:
            states = self.session.run([self.tensor], put)[0].astype(np.float32, copy=False)
        except Exception as error:  # what the library raises is not documented
            shape = next(iter(put.values())).shape
            hint = (
                "give another file"
                if self.images
                else "give --max-tokens N, the most that the model takes, or the --tokenizer that belongs to it"
            )
            raise InputError(f"{self.who}: it cannot be run on an input of shape {shape} ({brief(error)})", hint) from error
        if self.pooling is None:
            return states
        mask = given.get("attention_mask", np.ones(states.shape[:2], np.int64))
        found: np.ndarray = states[:, 0] if self.pooling == "cls" else mean(states, mask)
        return found


def _providers(runtime: Any, device: str, who: str) -> tuple[list[Any], str]:
    """What onnxruntime computes with, and the device. Raises UsageError for one that it cannot use."""
    there = "CUDAExecutionProvider" in runtime.get_available_providers()
    kind, _, number = device.partition(":")
    if kind == "cpu" or (kind == "auto" and not there):
        return ["CPUExecutionProvider"], "cpu"
    if kind not in ("auto", "cuda") or not there or not (number.isdigit() or not number):
        raise UsageError(f"--device {device}: {who} cannot use it", "give --device cpu, or install onnxruntime-gpu and give --device cuda")
    return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"], "cuda"


def _distribution() -> str:
    """The package that onnxruntime is of."""
    try:
        importlib.metadata.version("onnxruntime")
    except importlib.metadata.PackageNotFoundError:
        return "onnxruntime-gpu"
    return "onnxruntime"


def _sha256(*files: Path) -> str:
    whole = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{whole.hexdigest()}"


OPTIONS = (
    Option("image_size", int, low=1, metavar="N", help="Images at N x N pixels.", shown="the network's own"),
    Option("resize", int, low=1, metavar="N", help="Pixels of the shorter side, before the middle is cut.", shown="the image size"),
    Option("mean", metavar="R,G,B", convert=channels, help="What is taken from the pixels, which are in [0, 1]."),
    Option("std", metavar="R,G,B", convert=deviations, help="What the pixels are then divided by."),
    Option("tokenizer", file=True, metavar="FILE", help="The tokenizer.json of the texts.", shown="beside the file"),
    Option("max_tokens", int, low=1, metavar="N", help="Longer texts are cut.", shown="the tokenizer's own"),
    PROMPT,
    Option("tensor", metavar="NAME", help="The output that holds the vectors.", shown="the only one"),
    Option("pooling", choices=("mean", "cls"), metavar="mean|cls", help="The mean or the first state, of an output with many."),
    replace(DEVICE, name="device"),
)
BACKBONE = Backbone("onnx", "a network in ONNX for images or texts", ("image", "path", "text"), Graph, OPTIONS, takes="FILE", extra="onnx")
