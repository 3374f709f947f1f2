"""fastText's supervised softmax (Joulin et al. 2017) on texts: fitted by the library, kept as arrays, predicted a block at a time.

A text's vector is the mean of the vectors of its words, their character n-grams, its word n-grams and the end of its line; on it lies
a softmax. That mean, which `vectors` gives, is the same that the library's `get_sentence_vector` returns. Why the library does not
predict here: see models/tokens.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from altool import seeds
from altool.errors import InputError, UsageError
from altool.models import softmax, tokens
from altool.models.shape import Classifier
from altool.models.softmax import Softmax
from altool.models.tensors import take
from altool.models.tokens import END, Texts, Vocabulary
from altool.options import Option, Say
from altool.text import count as count_noun

DIM = 100
ROWS, CHARACTERS = 2048, 1 << 20  # texts and characters worked on at a time: what they take stays in the cache
LONGEST = 10_000  # words or characters of n-grams that a model may have
LABEL = b"\x01"  # begins a label in fastText's file; no word can begin so, as control characters are white space
HINT = "give a text file of vectors: their number and width in the first line, then a word and its numbers per line (.vec)"


@dataclass(frozen=True)
class FastText:
    """A fitted classifier of texts.

    `sums` float32 (V, dim) holds, for each word, its own vector and those of its character n-grams, added up, and `sizes` int64 (V,) how
    many they are; `buckets` float32 (B, dim) the vectors of hashed n-grams. Word n-grams have up to `word_ngrams` words, character
    n-grams `minn` to `maxn` characters (0: none). `head` is the softmax.
    """

    vocabulary: Vocabulary
    sums: np.ndarray
    sizes: np.ndarray
    buckets: np.ndarray
    word_ngrams: int
    minn: int
    maxn: int
    head: Softmax

    @property
    def width(self) -> int:
        """The vectors' width."""
        return self.head.width

    def vectors(self, texts: Texts) -> np.ndarray:
        """float32 (n, width) for n texts: what the softmax sees. Bit for bit the same for a text in whatever company it comes."""
        result = np.zeros((len(texts), self.width), np.float32)
        for part in _blocks(texts):
            self._add(texts[part], result[part])
        return result

    def probabilities(self, texts: Texts) -> np.ndarray:
        """float32 (n, classes) for n texts. (The library's `predict` adds 1e-5 to each.) A text without a known word has the
        probabilities of the end of a line alone, or all classes' the same where that is unknown too."""
        return self.predict(texts)[1]

    def predict(self, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
        """The vectors, and the probabilities."""
        vectors = self.vectors(texts)
        return vectors, self.head.probabilities(vectors)

    def _add(self, texts: Texts, result: np.ndarray) -> None:
        """Write the vectors of a block of texts into `result`, which is zero."""
        data, starts, ends, bounds = tokens.of(texts)
        keys = tokens.keys_of(data, starts, ends)
        found = self.vocabulary.find(keys)
        end = self.vocabulary.find(tokens.keys_of(np.frombuffer(END, np.uint8), np.array([0]), np.array([len(END)])))[0]
        unknown = np.flatnonzero(found < 0)
        known = tokens.without(bounds, unknown)
        words = np.delete(found, unknown) if len(unknown) else found
        sizes = np.add.reduceat(np.append(self.sizes[words], 0), known[:-1]) * (known[1:] > known[:-1])
        result += tokens.sums_of(words, known, self.sums)
        if end >= 0:
            result += self.sums[end]
            sizes += self.sizes[end]
        if self.maxn and len(unknown):
            _, first, number = np.unique(keys[unknown], return_index=True, return_inverse=True)
            first = unknown[first]
            grams, parts = tokens.character_ngrams(data, starts[first], ends[first], self.minn, self.maxn, len(self.buckets))
            rest = np.searchsorted(unknown, bounds)
            result += tokens.sums_of(number, rest, tokens.sums_of(grams, parts, self.buckets))
            sizes += np.diff(np.concatenate([[0], np.cumsum(np.diff(parts)[number])])[rest])
        if self.word_ngrams > 1:
            hashes = self.vocabulary.hashes[found] if len(self.vocabulary.ends) else np.zeros(len(found), np.uint32)
            hashes[unknown] = tokens.hashes_of(data, starts[unknown], ends[unknown])
            grams, parts = tokens.word_ngrams(hashes, bounds, self.word_ngrams, len(self.buckets))
            result += tokens.sums_of(grams, parts, self.buckets)
            sizes += np.diff(parts)
        result /= np.maximum(sizes, 1)[:, None]

    def tensors(self) -> dict[str, np.ndarray]:
        """What `from_tensors` needs to make the model again. The head's are `weights`, `bias` and `trained`, as a linear model's."""
        settings = np.array([self.word_ngrams, self.minn, self.maxn], np.int64)
        own = {"letters": self.vocabulary.letters, "ends": self.vocabulary.ends, "sums": self.sums, "sizes": self.sizes}
        return {**own, "buckets": self.buckets, "settings": settings, **self.head.tensors()}


def from_tensors(tensors: Mapping[str, np.ndarray], count: int) -> FastText:
    """The model that `tensors()` came from, for `count` classes. Raises ValueError where they do not fit together."""
    head = softmax.from_tensors(tensors, count)
    letters, ends = take(tensors, "letters", "u", (None,)), take(tensors, "ends", "i", (None,), 1)
    sums, sizes = take(tensors, "sums", "f", (len(ends), head.width)), take(tensors, "sizes", "i", ends.shape, 1)
    buckets = take(tensors, "buckets", "f", (None, head.width))
    word_ngrams, minn, maxn = take(tensors, "settings", "i", (3,), 0, LONGEST).tolist()
    rising = (np.diff(ends, prepend=0) > 0).all() and (ends[-1] if len(ends) else 0) == len(letters)
    if not rising or letters.dtype != np.uint8 or not (len(buckets) or (word_ngrams <= 1 and not maxn)):
        raise ValueError("the sizes of its tensors do not fit together")
    return FastText(Vocabulary(letters, ends), sums, sizes, buckets, word_ngrams, minn, maxn, head)


def settle(options: dict[str, Any], say: Say) -> dict[str, Any]:
    """Raises UsageError for character n-grams that would have more characters at least than at most."""
    minn, maxn = options["minn"], options["maxn"]
    if maxn and minn > maxn:
        raise UsageError(f"{say('minn')} {minn}: more than {say('maxn')} {maxn}", f"lower {say('minn')}, or raise {say('maxn')}")
    return options


def fit(
    texts: np.ndarray,
    labels: np.ndarray,
    count: int,
    *,
    balance: str = "none",
    seed: int = 0,
    dim: int | None = None,
    epochs: int = 50,
    rate: float = 0.5,
    word_ngrams: int = 1,
    minn: int = 0,
    maxn: int = 0,
    buckets: int = 200_000,
    min_count: int = 1,
    pretrained: str | None = None,
) -> tuple[FastText, bool]:
    """Fit on `texts` (n,) of str and class numbers `labels` int64 (n,) of `count` classes; the same seed gives the same bytes.

    `epochs` and `rate` are larger than the library's 5 and 0.1, with which a few hundred labels teach it nothing. It reads the rows in
    one seeded order, on one thread: on no more it repeats itself. `pretrained`, a file of vectors, gives the words in it their first
    vectors, and all of them a place in the model; `dim` is then its width, else 100.
    `balance`: "class-weight" repeats rows, some of them (drawn) once more than others, until every class has as many as the largest:
    the library has no weights, and its loss is a sum over rows. "prior" takes the logarithm of each class's share off its logit
    (Menon et al. 2021), as in `softmax.fit`. Returns the model and True: there is no convergence to miss.
    Raises UsageError for n-grams as `settle`, a `dim` that is not the file's, or weights that overflow; InputError for a file that holds no
    vectors, and for texts without words.
    """
    import fasttext

    settle({"minn": minn, "maxn": maxn}, str)
    if not maxn and word_ngrams == 1:
        buckets = 0
    trained, codes = np.unique(labels, return_inverse=True)
    draw = seeds.generator(seed, "train", "fasttext")
    order = draw.permutation(_repeated(codes, draw) if balance == "class-weight" else len(codes))
    lines = tokens.normalised(texts)[1:-1].split(b"\n")
    with tempfile.TemporaryDirectory(prefix="altool-fasttext-") as folder:
        vectors = Path(folder) / "vectors"
        if pretrained is not None:
            width = _copy_vectors(Path(pretrained), vectors)
            if dim not in (None, width):
                raise UsageError(f"dim {dim}: {pretrained} holds vectors of {count_noun(width, 'number')}", "leave dim out")
            dim = width
        file = Path(folder) / "texts"
        with open(file, "wb") as stream:
            stream.writelines(b"%s%d %s\n" % (LABEL, codes[row], lines[row]) for row in order)
        try:
            model = fasttext.train_supervised(
                input=str(file),
                loss="softmax",
                dim=dim or DIM,
                epoch=epochs,
                lr=rate,
                wordNgrams=word_ngrams,
                minn=minn,
                maxn=maxn,
                bucket=buckets,
                minCount=min_count,
                pretrainedVectors=str(vectors) if pretrained is not None else "",
                seed=seeds.integer(seed, "train", "fasttext", "weights"),
                label=LABEL.decode(),
                thread=1,
                verbose=0,
            )
        except (ValueError, RuntimeError) as error:
            if "NaN" in str(error):
                raise UsageError(f"rate {rate:g}: the weights of fasttext overflow", "give a lower rate") from error
            raise
    words, rows = model.get_words(), model.get_input_matrix()
    if not set(words) - {END.decode()}:
        raise InputError(
            f"labeled texts: no word occurs {min_count:,} times" if min_count > 1 else "labeled texts: they hold no words",
            "lower the min_count of fasttext" if min_count > 1 else "if this is the wrong column, give --columns text=NAME",
        )
    weights = model.get_output_matrix()[np.argsort([int(name.removeprefix(LABEL.decode())) for name in model.get_labels()])]
    bias = -np.log(np.bincount(codes) / len(codes)) if balance == "prior" else np.zeros(len(trained))
    head = Softmax(weights, bias.astype(np.float32), trained, count)
    return _summed(words, rows, (word_ngrams, minn, maxn), head), True


def _repeated(codes: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Row numbers, each often enough that all classes have as many as the largest."""
    counts = np.bincount(codes)
    parts = []
    for code, rows in enumerate(counts):
        own = np.flatnonzero(codes == code)
        whole, rest = divmod(int(counts.max()), int(rows))
        parts += [np.repeat(own, whole), draw.choice(own, rest, replace=False)]
    return np.concatenate(parts)


def _summed(words: Sequence[str], rows: np.ndarray, settings: tuple[int, int, int], head: Softmax) -> FastText:
    """The model of the library's dictionary and input matrix (words, then buckets)."""
    encoded = [word.encode() for word in words]
    ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)
    vocabulary = Vocabulary(np.frombuffer(b"".join(encoded), np.uint8), ends)
    sums, buckets = rows[: len(words)], rows[len(words) :]
    sizes = np.ones(len(words), np.int64)
    _, minn, maxn = settings
    if maxn:
        grams, parts = tokens.character_ngrams(vocabulary.letters, vocabulary.starts, ends, minn, maxn, len(buckets))
        lengths = np.diff(parts)
        if END in encoded:  # it alone has no n-grams
            lengths[encoded.index(END)] = 0
            grams = grams[np.repeat(lengths > 0, np.diff(parts))]
        sizes += lengths
        sums = sums + tokens.sums_of(grams, np.concatenate([[0], np.cumsum(lengths)]), buckets)
    return FastText(vocabulary, sums, sizes, buckets, *settings, head)


def _copy_vectors(file: Path, target: Path) -> int:
    """Write a file of vectors as fastText reads it without fail, and return their width: its reader checks nothing.

    Words that no text can hold (phrases, control characters, no UTF-8) are left out. Raises InputError where a line is not a word
    and as many finite numbers as the first line says.
    """
    width = 0
    kept = 0
    try:
        with open(file, "rb") as stream, open(target, "wb") as copy:
            copy.write(b" " * 40 + b"\n")
            for number, line in enumerate(stream, 1):
                fields = line.split()
                if number == 1 and len(fields) == 2 and all(field.isdigit() and len(field) < 10 for field in fields):
                    width = int(fields[1])
                    continue
                width = width or len(fields) - 1
                if not fields or len(fields) > width + 1:
                    continue
                try:
                    numbers = np.array(fields[1:], np.float64)
                except ValueError:
                    numbers = np.empty(0)
                underscored = line.count(b"_") > fields[0].count(b"_")  # a number in Python, and none in C++
                if width < 1 or len(numbers) != width or underscored or not np.abs(numbers).max() < 1e9:
                    raise InputError(f"{file}: line {number:,} is not a word and {width or 'its'} finite numbers", HINT)
                if _is_word(fields[0]):
                    copy.write(b" ".join(fields) + b"\n")
                    kept += 1
            copy.seek(0)
            copy.write(b"%d %d" % (kept, width))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})", HINT) from error
    if not kept:
        raise InputError(f"{file}: it holds no vectors", HINT)
    return width


def _is_word(word: bytes) -> bool:
    try:
        return word == END or tokens.normalised([word.decode()])[1:-1] == word
    except UnicodeDecodeError:
        return False


def _blocks(texts: Texts) -> Iterator[slice]:
    """Runs of at most ROWS texts and CHARACTERS characters, or of one text."""
    total = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    start = 0
    while start < len(texts):
        limit = (total[start - 1] if start else 0) + CHARACTERS
        stop = min(start + ROWS, len(texts), max(start + 1, int(np.searchsorted(total, limit, "right"))))
        yield slice(start, stop)
        start = stop


CLASSIFIER = Classifier(
    name="fasttext",
    summary="fastText's softmax on texts.",
    reads="text",
    options=(
        Option("dim", int, None, "Width of the vectors.", low=1, shown="100, or the file's", metavar="N"),
        Option("epochs", int, 50, "How often every text is read.", low=1, metavar="N"),
        Option("rate", float, 0.5, "Learning rate at the beginning.", low=1e-6),
        Option("word_ngrams", int, 1, "Most words in a row that have a vector together.", low=1, metavar="N"),
        Option("minn", int, 0, "Fewest characters of character n-grams.", low=0, metavar="N"),
        Option("maxn", int, 0, "Most characters of character n-grams; 0: none.", low=0, metavar="N"),
        Option("buckets", int, 200_000, "Vectors that n-grams share by their hash.", low=1, high=2**31 - 1, metavar="N"),
        Option("min_count", int, 1, "How often a word must occur to have a vector.", low=1, metavar="N"),
        Option("pretrained", str, None, "Text file of vectors (.vec) to begin with.", file=True, metavar="FILE"),
    ),
    fit=fit,
    from_tensors=from_tensors,
    head=True,
    settle=settle,
    extra="fasttext",
)
