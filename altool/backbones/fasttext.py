"""`fasttext` for texts: the mean of their words' vectors, from a file or learned from the texts themselves."""

from __future__ import annotations

import hashlib
import mmap
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from altool import seeds
from altool.backbones.shape import Backbone, Texts
from altool.errors import InputError, UsageError
from altool.extras import library, need
from altool.options import Option
from altool.payloads.reading import load_texts

WIDTH = 100
SAMPLE = 200_000  # texts that vectors are learned from
BUCKETS = 200_000  # for subwords
PASSES = 2_500_000  # words to read in all
SUPERVISED = 3  # the number of its kind of model
MAGIC = (793712314).to_bytes(4, "little")  # a fastText model file begins with it
WHO = "--backbone fasttext"
HINT = "give a fastText model (.bin), a text file of vectors (.vec), or --weights none to learn from the items"


class FastText:
    """Words are what white space separates, as they are written. A text's vector is the mean of its words' vectors, each of unit
    length, as fastText's own `get_sentence_vector` has it; a text without a known word is a zero vector.

    `--weights none` learns skip-gram vectors with subwords from at most 200,000 of the texts, on one thread: fastText repeats
    itself bit for bit on no more.
    """

    device = "cpu"
    threads = 1
    minibatch = 1024
    libraries: tuple[str, ...] = ("numpy",)

    def __init__(self, *, weights: str | None = None, width: int | None = None, seed: int = 0) -> None:
        """Raises UsageError without weights or, where it learns, the library, and for a width beside a file, which has its own."""
        if weights is None or weights == "DEFAULT":
            raise UsageError("--backbone fasttext needs --weights: it has no default", HINT)
        self.file = None if weights == "none" else Path(weights)
        if self.file is not None and width is not None:
            raise UsageError("--width has no effect with a file of vectors", "leave it out; the file has its own width")
        self.width = width or WIDTH
        self.seed = seed
        self.learns = self.file is None
        if self.learns:
            need("fasttext", WHO)
        self.facts: dict[str, Any] = {}
        self.load = load_texts
        self._model: Any = None
        self._vectors: dict[str, np.ndarray] = {}

    @property
    def space(self) -> dict[str, Any]:
        """A file of vectors is all that there is to know; what was learned, beside its width, is in the fit."""
        return dict(self.facts) if self.learns else {"weights": self.facts["weights"]}

    def save(self, path: Path) -> None:
        """Write what was learned as fastText's own model file."""
        self._model.save_model(str(path))

    def prepare(self, texts: Texts, fit: Path | None = None) -> None:
        """Learn or read the vectors. Raises InputError for a file that holds none."""
        if self.file is None:
            self.facts["weights"] = "none"
            if fit is None:
                self._learn(texts.sample(SAMPLE))
            else:
                self._open(fit)
        else:
            try:
                with open(self.file, "rb") as stream:
                    self.facts["weights"] = "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
                    stream.seek(0)
                    binary = stream.read(len(MAGIC)) == MAGIC
            except OSError as error:
                raise InputError(f"--weights {self.file}: cannot be read ({error.strerror})", HINT) from error
            if binary:
                self._open(self.file)
            else:
                words = {word for text in texts for word in text.split()}
                self._vectors, self.width = read_vectors(self.file, words)
        self.facts["width"] = self.width
        if self._model is not None:
            self.libraries = ("fasttext-community", "numpy")

    def _learn(self, sample: Sequence[str]) -> None:
        fasttext = library("fasttext", "fasttext", WHO)
        order = seeds.generator(self.seed, "embed", "fasttext").permutation(len(sample))  # the seed's part: fastText takes none here
        lines = [" ".join(sample[row].split()) for row in order]
        if not any(lines):
            raise InputError("--backbone fasttext: the texts hold no words to learn from", "give a file of vectors: --weights FILE")
        words = sum(len(line.split(" ")) for line in lines)
        epochs = min(50, max(5, PASSES // words))  # few texts are read more often
        with tempfile.TemporaryDirectory(prefix="altool-fasttext-") as folder:
            file = Path(folder) / "texts"
            file.write_text("\n".join(lines) + "\n", "utf-8")
            self._model = fasttext.train_unsupervised(
                str(file), dim=self.width, minCount=1, bucket=BUCKETS, epoch=epochs, thread=1, verbose=0
            )

    def _open(self, file: Path) -> None:
        fasttext = library("fasttext", "fasttext", f"--weights {file}")
        damaged = InputError(f"--weights {file}: a fastText model that is cut off or damaged", HINT)
        if not _is_whole(file):
            raise damaged
        try:
            self._model = fasttext.load_model(str(file))
        except (ValueError, RuntimeError, MemoryError) as error:
            raise damaged from error
        self.width = self._model.get_dimension()

    def embed(self, values: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(values), self.width), np.float32)
        for row, text in enumerate(values):
            if self._model is not None:
                rows[row] = self._model.get_sentence_vector(" ".join(text.split()))  # it takes a single line
            elif known := [self._vectors[word] for word in text.split() if word in self._vectors]:
                rows[row] = np.mean(known, axis=0)
        return rows


BACKBONE = Backbone(
    "fasttext",
    "the mean of the words' vectors of texts, from a file or learned",
    ("text",),
    FastText,
    (
        Option("weights", file=True, metavar="none|FILE", help="A fastText model or vectors; none: learn from the items."),
        Option("width", int, low=1, metavar="N", help="Numbers per text, where they are learned.", shown=str(WIDTH)),
    ),
    fit=".bin",
    extra="fasttext",
)


def _is_whole(file: Path) -> bool:
    """Walk through a model file as fastText's saveModel writes it, and check that its parts fit together. Its own loader reads a file
    that is cut off without a word, or for ever, and one with other sizes beyond its matrices' ends."""
    with open(file, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            width, loss, kind, buckets, shortest, longest = struct.unpack_from("<i20x3i2i", data, 8)
            entries, words, labels = struct.unpack_from("<3i", data, 64)
            pruned = struct.unpack_from("<q", data, 84)[0]
            counts = [0, 0]
            at = 92
            for _ in range(entries):
                at = data.find(b"\0", at) + 10  # a word, its count and its type
                if at < 10:
                    return False
                counts[data[at - 1]] += 1
            if pruned > 0:  # what is left of the n-grams: pairs of an old number and a new one
                kept = np.frombuffer(data[at : at + 8 * pruned], "<i4")[1::2]  # a copy: a view would keep the map from being closed
                if kept.min() < 0 or kept.max() >= pruned:
                    return False
            at += 8 * max(pruned, 0)
            compressed = data[at]
            at, rows, columns = _after_matrix(data, at + 1, compressed)
            inner = (rows, columns) == (words + (buckets if pruned < 0 else pruned), width)
            at, rows, columns = _after_matrix(data, at + 1, compressed and data[at])
            outer = (rows, columns) == (labels if kind == SUPERVISED else words, width)
        except (ValueError, IndexError, OverflowError, struct.error):
            return False
        known = counts == [words, labels] and loss in (1, 2, 3, 4) and kind in (1, 2, SUPERVISED)
        return known and width > 0 and min(buckets, shortest, longest) >= 0 and inner and outer and at == len(data)


def _after_matrix(data: mmap.mmap, at: int, compressed: int) -> tuple[int, int, int]:
    """Where a matrix ends that begins at `at`, and its rows and columns. Raises ValueError where its parts do not fit together."""
    if not compressed:
        rows, columns = struct.unpack_from("<qq", data, at)
        if min(rows, columns) < 0:
            raise ValueError("less than no rows")
        return at + 16 + 4 * rows * columns, rows, columns
    normed, rows, columns, codes = struct.unpack_from("<?qqi", data, at)
    at += 21 + codes
    for skipped, dimension in ((0, columns), (rows, 1)) if normed else ((0, columns),):  # a product quantizer, and one for the norms
        at += skipped
        found, parts, size, last = struct.unpack_from("<4i", data, at)
        sizes_fit = size > 0 and 0 < last <= size and (parts - 1) * size + last == found == dimension
        if not sizes_fit or (dimension == columns and not skipped and codes != rows * parts):
            raise ValueError("a quantizer of another size")
        at += 16 + 4 * 256 * found
    return at, rows, columns


def read_vectors(file: Path, words: set[str]) -> tuple[dict[str, np.ndarray], int]:
    """The unit vectors of those of `words` that a text file of vectors holds (a word and its numbers per line; the first line may
    give their count and width), and the width. Raises InputError for a file that is none, and where no word is known."""
    found: dict[str, np.ndarray] = {}
    width = 0
    with open(file, "rb") as stream:
        for number, line in enumerate(stream, 1):
            first = line.split(None, 1)
            if not first:
                continue
            word = first[0].decode("utf-8", "replace")
            if number > 2 and (word not in words or word in found):
                continue
            fields = line.split()
            if number == 1 and len(fields) == 2 and all(field.isdigit() and len(field) < 10 for field in fields):
                width = int(fields[1])
                continue
            width = width or len(fields) - 1
            if len(fields) > width + 1:  # a phrase, which no word of a text equals
                continue
            try:
                vector = np.array([float(field) for field in fields[1:]], np.float32)
            except ValueError:
                vector = np.empty(0, np.float32)
            if len(vector) != width or not width or not np.isfinite(vector).all():
                raise InputError(f"--weights {file}: line {number:,} is not a word and {width or 'its'} finite numbers", HINT)
            if word in words:
                found[word] = vector / (np.linalg.norm(vector) or 1)
    if not found:
        raise InputError(
            f"--weights {file}: none of the texts' {len(words):,} words is in it", "use vectors of the texts' language and spelling"
        )
    return found, width
