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
from altool.backbones.payloads import load_texts
from altool.backbones.shape import Settings, Texts
from altool.errors import InputError, UsageError

WIDTH = 100
SAMPLE = 200_000  # texts that vectors are learned from
BUCKETS = 200_000  # for subwords
PASSES = 2_500_000  # words to read in all
MAGIC = (793712314).to_bytes(4, "little")  # a fastText model file begins with it
HINT = "give a fastText model (.bin), a text file of vectors (.vec), or --weights none to learn from the items"


class FastText:
    """Words are what white space separates, as they are written. A text's vector is the mean of its words' vectors, each of unit
    length, as fastText's own `get_sentence_vector` has it; a text without a known word is a zero vector.

    `--weights none` learns skip-gram vectors with subwords from at most 200,000 of the texts, on one thread: fastText repeats
    itself bit for bit on no more.
    """

    reads = ("text",)
    takes = frozenset({"weights", "width"})
    device = "cpu"
    threads = 1
    minibatch = 1024
    state = ""

    def __init__(self, name: str, settings: Settings) -> None:
        if settings.weights == "DEFAULT":
            raise UsageError("--backbone fasttext has no default weights", HINT)
        self.file = None if settings.weights == "none" else Path(settings.weights)
        if self.file is not None and settings.width is not None:
            raise UsageError("--width means nothing with a file of vectors", "leave it out; the file has its own width")
        self.width = settings.width or WIDTH
        self.seed = settings.seed
        self.facts: dict[str, Any] = {}
        self.load = load_texts
        self._model: Any = None
        self._vectors: dict[str, np.ndarray] = {}

    def prepare(self, texts: Texts) -> None:
        """Learn or read the vectors. Raises InputError for a file that holds none."""
        if self.file is None:
            self._learn(texts.sample(SAMPLE))
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

    def _learn(self, sample: Sequence[str]) -> None:
        import fasttext

        self.facts["weights"] = "none"
        self.state = hashlib.sha256("\0".join(sample).encode()).hexdigest()
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
        import fasttext

        if not _is_whole(file):
            raise InputError(f"--weights {file}: a fastText model that is cut off or damaged", HINT)
        self._model = fasttext.load_model(str(file))
        self.width = self._model.get_dimension()

    def embed(self, values: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(values), self.width), np.float32)
        for row, text in enumerate(values):
            if self._model is not None:
                rows[row] = self._model.get_sentence_vector(" ".join(text.split()))  # it takes a single line
            elif known := [self._vectors[word] for word in text.split() if word in self._vectors]:
                rows[row] = np.mean(known, axis=0)
        return rows


create = FastText


def _is_whole(file: Path) -> bool:
    """Walk through a model file as fastText's saveModel writes it. Its own loader reads a file that is cut off without a word, or
    for ever."""
    with open(file, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            entries, pruned = struct.unpack_from("<i16xq", data, 64)
            at = 92
            for _ in range(entries):
                at = data.find(b"\0", at) + 10  # a word, its count and its type
                if at < 10:
                    return False
            at += 8 * max(pruned, 0)
            compressed = data[at]
            at = _after_matrix(data, at + 1, compressed)
            at = _after_matrix(data, at + 1, compressed and data[at])
        except (ValueError, IndexError, struct.error):
            return False
        return at == len(data)


def _after_matrix(data: mmap.mmap, at: int, compressed: int) -> int:
    if not compressed:
        rows, columns = struct.unpack_from("<qq", data, at)
        return at + 16 + 4 * rows * columns
    normed, rows, codes = struct.unpack_from("<?q8xi", data, at)
    at += 21 + codes
    for skipped in (0, rows) if normed else (0,):  # a product quantizer, and another one for the norms
        at += skipped
        at += 16 + 4 * 256 * struct.unpack_from("<i", data, at)[0]
    return at


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
            if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
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
