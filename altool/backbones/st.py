"""`st:NAME` for texts: a model of sentence-transformers, with the tokenizer, prompt, pooling and normalization that belong to it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from altool.backbones import hub
from altool.backbones.shape import Backbone, Texts
from altool.backbones.texts import MINIBATCH, PROMPT, Batches
from altool.engines import device as devices
from altool.errors import InputError
from altool.extras import library
from altool.payloads.reading import load_texts
from altool.shared import DEVICE
from altool.text import brief

ORGANIZATION = "sentence-transformers"  # whose a name without a / is, as the library has it
LOGIT_SCALE = 20.0  # the library's own in the loss that most of its models are trained with (MultipleNegativesRankingLoss)


class Sentences:
    """A text's vector is what `SentenceTransformer.encode` gives for it, in full precision on the processor and in mixed precision on a
    GPU. Texts longer than the model takes are cut, as the library does it. No code of the model's folder is run.

    The batches are those of `texts.Batches`; a model whose tokens are none of a transformer's (static vectors) is run by the library's own
    `encode`.
    """

    minibatch = MINIBATCH
    learns = False
    temperature = LOGIT_SCALE
    libraries = ("numpy", "sentence-transformers", "tokenizers", "torch", "transformers")

    def __init__(self, given: str, *, prompt: str | None = None, device: str = "auto", seed: int = 0) -> None:
        """Raises UsageError where the library is not installed, or the device is not there."""
        self.given = given
        self.library = library("sentence_transformers", "st", f"--backbone st:{given}")
        self.torch_device = devices.choose(device)
        self.device = str(self.torch_device)
        self.prompt = prompt
        self.batches = Batches(self.torch_device.type != "cpu")
        self.threads = self.batches.threads
        self.load = load_texts
        self.width = 0
        self.facts: dict[str, Any] = {"device": self.torch_device.type}

    @property
    def space(self) -> dict[str, Any]:
        """The model is known by what is in its folder, wherever that lies, and by the prompt."""
        return {"model": self.facts["model"], "prompt": self.prompt}

    def save(self, path: Path) -> None:
        """There is nothing to keep."""

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        """Load the model. Raises InputError where it cannot be had, and for a folder that holds none of this library."""
        import torch

        who = f"--backbone st:{self.given}"
        named = self.given if "/" in self.given or Path(self.given).is_dir() else f"{ORGANIZATION}/{self.given}"
        folder = hub.folder(named, "st")
        if not (folder / "modules.json").is_file():
            raise InputError(f"{who}: no model of sentence-transformers, it has no modules.json", f"give --backbone hf:{self.given}")
        hub.quiet(library("transformers", "st", who))
        try:
            model = self.library.SentenceTransformer(str(folder), device=self.device, trust_remote_code=False, local_files_only=True)
        except Exception as error:  # what the library raises for a folder that is damaged, or wants code of its own, is not documented
            raise InputError(f"{who}: the model cannot be loaded ({brief(error)})", "give one that the library loads by itself") from error
        self.model = model.float().eval().requires_grad_(False)
        if self.prompt is None:
            self.prompt = model.prompts.get(model.default_prompt_name) or "" if model.default_prompt_name else ""
        tokenizer = getattr(model, "tokenizer", None)
        self.padding = {
            "input_ids": getattr(tokenizer, "pad_token_id", None) or 0,
            "token_type_ids": getattr(tokenizer, "pad_token_type_id", None) or 0,
        }
        self.batches = replace(self.batches, limit=model.get_max_seq_length())
        self.facts |= {"model": hub.digest(folder), "prompt": self.prompt}
        if self.device == "cpu":
            torch.set_num_threads(1)
        self.width = self.embed(["a"]).shape[1]

    def embed(self, values: Sequence[str]) -> np.ndarray:
        import torch

        features = self.model.preprocess(list(values), prompt=self.prompt or None)
        mask = features.get("attention_mask")
        whole = [
            name for name, value in features.items() if isinstance(value, torch.Tensor) and mask is not None and value.shape == mask.shape
        ]
        rest = {name: value for name, value in features.items() if name not in whole}
        if mask is None or mask.shape != (len(values), *mask.shape[1:2]) or any(isinstance(value, torch.Tensor) for value in rest.values()):
            found = self.model.encode(list(values), prompt=self.prompt or None, show_progress_bar=False)
            return np.asarray(found, np.float32)
        tokens = {name: features[name].numpy() for name in whole}
        return self.batches.run(tokens, self.padding, functools.partial(self._forward, rest))

    def _forward(self, rest: dict[str, Any], tokens: dict[str, np.ndarray]) -> np.ndarray:
        import torch

        placed = {name: torch.from_numpy(array).to(self.torch_device) for name, array in tokens.items()}
        with torch.inference_mode(), torch.autocast(self.torch_device.type, torch.float16, enabled=self.batches.gpu):
            vectors = self.model({**rest, **placed})["sentence_embedding"]
        return vectors[:, : self.model.truncate_dim].float().cpu().numpy()

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (n, D): the texts' vectors, for zero-shot classification."""
        return self.embed(texts)


BACKBONE = Backbone(
    "st",
    "a model of sentence-transformers",
    ("text",),
    Sentences,
    (PROMPT, replace(DEVICE, name="device")),
    takes=hub.TAKES,
    extra="st",
)
