"""`hf:NAME` for texts or images: a model of transformers, its last hidden states pooled to one vector."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from altool.backbones import hub
from altool.backbones.images import padded
from altool.backbones.shape import Backbone, OfOne, Texts
from altool.backbones.texts import MINIBATCH, PROMPT, Batches, mean, prefixed
from altool.engines import device as devices
from altool.engines.local import cores
from altool.errors import InputError, UsageError
from altool.extras import library
from altool.options import Option
from altool.payloads import pictures
from altool.payloads.reading import load_texts
from altool.payloads.shape import Loaded, Payload
from altool.shared import DEVICE
from altool.text import brief

POOLING = Option(
    "pooling",
    choices=("mean", "cls", "pooler"),
    metavar="mean|cls|pooler",
    help="The states' mean, the first one, or the model's own pooler.",
    shown="mean",
)
IMAGES, IMAGES_GPU = 16, 256  # of a minibatch


class Transformer(OfOne):
    """A text's vector is the mean of the last hidden states of its own tokens, or the first of them, or what the model's pooler makes of
    them; an image's likewise, of its patches. The encoder alone runs of a model that has a decoder too. Texts longer than the model takes
    are cut. The library's own image processor makes the input of an image, in worker processes.

    What the folder holds says which it is: a tokenizer or an image processor. No code of the folder is run.
    """

    learns = False

    def __init__(self, given: str, *, pooling: str | None = None, prompt: str | None = None, device: str = "auto", seed: int = 0) -> None:
        """Raises UsageError where the library is not installed, the device is not there or the prompt has no effect, InputError for a
        folder that holds no model."""
        self.who = f"--backbone hf:{given}"
        self.library = library("transformers", "hf", self.who)
        self.torch_device = devices.choose(device)
        self.device = str(self.torch_device)
        self.folder = hub.folder(given, "hf")
        self.images = reads_images(self.folder, self.who)
        if self.images and prompt is not None:
            raise UsageError(f"--prompt has no effect with {self.who}, a model of images", "leave it out")
        self.pooling, self.prompt = pooling or "mean", prompt or ""
        gpu = self.torch_device.type != "cpu"
        self.batches = Batches(gpu)
        self.reads = ("image", "path") if self.images else ("text",)
        self.load: Callable[[Sequence[Payload]], Loaded] = load_texts
        self.minibatch, self.threads = MINIBATCH, self.batches.threads
        self.libraries: tuple[str, ...] = ("numpy", "tokenizers", "torch", "transformers")
        if self.images:
            self.load = functools.partial(load_images, str(self.folder))
            self.minibatch, self.threads = (IMAGES_GPU, 1) if gpu else (IMAGES, cores())
            self.libraries = ("numpy", "pillow", "torch", "transformers")
        self.width = 0
        self.facts: dict[str, Any] = {"device": self.torch_device.type, "pooling": self.pooling}

    @property
    def space(self) -> dict[str, Any]:
        """The model is known by what is in its folder, wherever that lies, and by what is made of its states."""
        facts = {"model": self.facts["model"], "pooling": self.pooling}
        return facts if self.images else {**facts, "prompt": self.prompt}

    def save(self, path: Path) -> None:
        """There is nothing to keep."""

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        """Load the model. Raises InputError where it cannot be loaded, UsageError where it has no pooler that is asked for."""
        import torch

        hub.quiet(self.library)
        try:
            model = self.library.AutoModel.from_pretrained(self.folder, trust_remote_code=False, local_files_only=True)
            if not self.images:
                self.tokenizer = self.library.AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False, local_files_only=True)
        except Exception as error:  # what the library raises for a folder that is damaged, or wants code of its own, is not documented
            raise InputError(
                f"{self.who}: the model cannot be loaded ({brief(error)})", "give one that the library loads by itself"
            ) from error
        if getattr(model.config, "is_encoder_decoder", False):
            model = model.get_encoder()
        self.model = model.float().eval().requires_grad_(False).to(self.torch_device)
        self.facts |= {"model": hub.digest(self.folder), **({} if self.images else {"prompt": self.prompt})}
        if self.device == "cpu":
            torch.set_num_threads(1)
        if self.images:
            self._blank = self.load([None]).values
            self.width = self.embed(self._blank).shape[1]
            return
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.unk_token  # the mask hides them, whatever they are
        self.batches = replace(self.batches, limit=limit(self.tokenizer, model.config))
        self.width = self.embed(["a"]).shape[1]

    def embed(self, values: Any) -> np.ndarray:
        if not self.images:
            return self._embed_texts(values)
        whole = values if self.batches.gpu else padded(values, self.minibatch)
        return self._forward({"pixel_values": whole})[: len(values)]

    def _embed_texts(self, values: Sequence[str]) -> np.ndarray:
        most = {"truncation": True, "max_length": self.batches.limit} if self.batches.limit else {}
        encoded = self.tokenizer(prefixed(self.prompt, values), padding=True, return_tensors="np", return_attention_mask=True, **most)
        padding = {"input_ids": self.tokenizer.pad_token_id or 0, "token_type_ids": self.tokenizer.pad_token_type_id or 0}
        return self.batches.run(dict(encoded), padding, self._forward)

    def _forward(self, given: dict[str, np.ndarray]) -> np.ndarray:
        import torch

        placed = {name: torch.from_numpy(array).to(self.torch_device) for name, array in given.items()}
        with torch.inference_mode(), torch.autocast(self.torch_device.type, torch.float16, enabled=self.batches.gpu):
            found = self.model(**placed)
            if self.pooling == "pooler":
                if (pooled := getattr(found, "pooler_output", None)) is None:
                    raise UsageError(f"--pooling pooler: {self.who} has no pooler", "give --pooling mean or cls")
                return pooled.flatten(1).float().cpu().numpy()
            states = found.last_hidden_state.float()
            if states.ndim == 4:  # channels, height and width of a convolutional network
                if self.pooling == "cls":
                    raise UsageError(f"--pooling cls: {self.who} has no such state", "give --pooling mean or pooler")
                return states.mean((2, 3)).cpu().numpy()
            states = states.cpu().numpy()
        mask = given.get("attention_mask", np.ones(states.shape[:2], np.int64))
        if self.pooling == "cls":
            first: np.ndarray = states[np.arange(len(states)), mask.argmax(axis=1)]
            return first
        return mean(states, mask)


def reads_images(folder: Path, who: str) -> bool:
    """Is it a model of images, or one of texts? Raises InputError where it is neither, or both."""
    texts = any((folder / name).is_file() for name in hub.TOKENIZERS)
    processor = hub.facts(folder, "preprocessor_config.json")
    images = "image_mean" in processor or "image_processor_type" in processor
    if not (folder / "config.json").is_file() or not (texts or images):
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "no file"
        raise InputError(
            f"{who}: expected config.json and a tokenizer or an image processor, found {there}",
            "give the folder that save_pretrained of model and tokenizer wrote",
        )
    if texts and images:
        raise InputError(f"{who}: a model of texts and images, with a vector space for both", "give --backbone clip:… or st:…")
    return images


def limit(tokenizer: Any, config: Any) -> int | None:
    """The most tokens that a text may have; None where nothing says so."""
    if tokenizer.model_max_length < 1 << 20:  # without one it is 10^30
        return int(tokenizer.model_max_length)
    positions = getattr(config, "max_position_embeddings", None)
    if not positions or positions < 1:
        return None
    roberta = any(name in str(config.model_type) for name in ("roberta", "camembert", "mpnet"))  # their positions begin behind the padding
    return int(positions) - (int(config.pad_token_id or 0) + 1 if roberta else 0)


def load_images(folder: str, payloads: Sequence[Payload]) -> Loaded:
    """Read and decode images, and let the model's own processor make its input of them, float32 (n, 3, height, width)."""
    process = _processor(folder)
    return pictures.load_as(lambda picture: process(picture, return_tensors="np")["pixel_values"][0], payloads)


@functools.cache
def _processor(folder: str) -> Any:
    """In each worker process once."""
    transformers = library("transformers", "hf", "--backbone hf")
    hub.quiet(transformers)
    return transformers.AutoImageProcessor.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


BACKBONE = Backbone(
    "hf",
    "a model of transformers for texts or images, its states pooled",
    ("text", "image", "path"),
    Transformer,
    (POOLING, PROMPT, replace(DEVICE, name="device")),
    takes=hub.TAKES,
    extra="hf",
)
