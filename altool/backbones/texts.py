"""Tokenized texts through a model, in batches of texts of about the same length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from altool.engines.local import cores, ordered_map
from altool.options import Option

MINIBATCH = 1024  # texts that are tokenized together, and then sorted by length
BATCH = 256  # tokens of a batch on the processor
BATCH_GPU = 32768
STEPS = ((64, 8), (128, 16), (256, 32))  # (up to this length, in steps of); longer ones in steps of 64
PROMPT = Option("prompt", metavar="TEXT", help="What is put before every text, as 'query: '.", shown="the model's own")


@dataclass(frozen=True)
class Batches:
    """How the texts of a minibatch are put together. A text is padded to the next of a few lengths, and to no more than `limit` tokens.

    On the processor a batch of one length has always the same number of rows, the last one filled up with copies of a row, and runs on
    one core: kernels, and so the last bits, are chosen by the shape, and a text's vector depends on nothing but the text. On a GPU
    (`gpu`) the last batch of a length is as small as it comes, and the last bits of a vector may depend on the texts of its shard.
    """

    gpu: bool
    limit: int | None = None

    @property
    def threads(self) -> int:
        """Minibatches at a time: one is tokenized while a GPU works on another. On the processor the batches of one have all cores."""
        return 2 if self.gpu else 1

    def run(
        self,
        tokens: Mapping[str, np.ndarray],
        padding: Mapping[str, int],
        model: Callable[[dict[str, np.ndarray]], np.ndarray],
    ) -> np.ndarray:
        """What `model` makes of `tokens`, each (n, longest) and among them attention_mask, which is 1 for a text's own tokens: float32
        (n, width). It is given arrays (rows, length); those that need be longer than the longest are filled up with their `padding` (0)."""
        mask = tokens["attention_mask"]
        lengths = np.maximum(mask.sum(axis=1), 1)
        padded = self.padded(lengths)
        left = bool(mask[:, -1].all() and not mask[:, 0].all())
        batches: list[tuple[int, np.ndarray, int]] = []  # length, rows, and how many of the rows are no copies
        for length in np.unique(padded)[::-1].tolist():
            rows = np.flatnonzero(padded == length)
            size = max(1, (BATCH_GPU if self.gpu else BATCH) // length)
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                filled = part if self.gpu else np.concatenate([part, np.repeat(part[:1], size - len(part))])
                batches.append((length, filled, len(part)))

        def vectors(batch: tuple[int, np.ndarray, int]) -> np.ndarray:
            length, rows, own = batch
            given = {name: cut(array[rows], length, padding.get(name, 0), left=left) for name, array in tokens.items()}
            return model(given)[:own]

        found: np.ndarray | None = None
        made = ordered_map(vectors, batches, 1 if self.gpu else cores())
        for (_, rows, own), part in zip(batches, made, strict=True):
            if found is None:
                found = np.empty((len(mask), part.shape[1]), np.float32)
            found[rows[:own]] = part
        return found if found is not None else np.empty((0, 0), np.float32)

    def padded(self, lengths: np.ndarray) -> np.ndarray:
        """The lengths that texts of these `lengths` are padded to."""
        steps = np.full(len(lengths), 64)
        for most, step in reversed(STEPS):
            steps[lengths <= most] = step
        found = -(-lengths // steps) * steps
        return found if self.limit is None else np.maximum(np.minimum(found, self.limit), lengths)


def cut(tokens: np.ndarray, length: int, fill: int, *, left: bool) -> np.ndarray:
    """(rows, longest) to (rows, length): what is too much is padding, and lies at the `left` or the right end, as what is missing does."""
    longest = tokens.shape[1]
    if length <= longest:
        return np.ascontiguousarray(tokens[:, longest - length :] if left else tokens[:, :length])
    more = np.full((len(tokens), length - longest), fill, tokens.dtype)
    return np.concatenate([more, tokens] if left else [tokens, more], axis=1)


def mean(states: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(n, D) means of `states` (n, length, D) over the tokens where `mask` (n, length) is 1."""
    weights = mask[:, :, None].astype(np.float32)
    found: np.ndarray = (states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    return found


def prefixed(prompt: str | None, texts: Sequence[str]) -> list[str]:
    """The texts with the prompt before each."""
    return [f"{prompt}{text}" for text in texts] if prompt else list(texts)
