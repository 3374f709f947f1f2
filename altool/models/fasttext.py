"""fastText's supervised softmax (Joulin et al. 2017) on texts: fitted by the library, kept as arrays, predicted a block at a time.

A text's vector is the mean of the vectors of its words, their character n-grams, its word n-grams and the end of its line; on it lies
a softmax. That mean, which `vectors` gives, is the same that the library's `get_sentence_vector` returns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from altool import seeds
from altool.errors import InputError, UsageError
from altool.models import logistic
from altool.models.logistic import Logistic
from altool.models.tensors import take

NAME = "fasttext"
READS = "text"
FILES = ("pretrained",)
HEAD = True

Texts = Sequence[str] | np.ndarray
DIM = 100
LONGEST = 10_000  # words or characters of n-grams that a model may have
ROWS, CHARACTERS = 2048, 1 << 20  # texts and characters worked on at a time: what they take stays in the cache
LABEL = b"\x01"  # begins a label in fastText's file; no word can begin so, as control characters are white space
END = b"</s>"  # fastText's word for the end of a line
SPACES = "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
BLANK = bytes(32 if byte <= 32 and byte != 10 else byte for byte in range(256))
MARKS = np.random.Generator(np.random.Philox(0)).integers(1, 2**64, 256, np.uint64)  # of each byte, in `_keys`
FACTOR = 0x9E3779B97F4A7C15
INVERSE = pow(FACTOR, -1, 2**64)
LONG = 256  # bytes of a word that are hashed for many words at once
HINT = "give a text file of vectors: their number and width in the first line, then a word and its numbers per line (.vec)"


def normalised(texts: Texts) -> bytes:
    """The texts as fastText's training file and `_tokens` take them: UTF-8, one per line, behind a first line feed.

    Words are what white space separates (Unicode's), as they are written. Control characters and `</s>`, fastText's own mark of a
    line's end, count as white space; so a text is one line, empty or not, and nothing in it is taken for a label.
    """
    joined = "\n".join(texts)
    if joined.count("\n") >= len(texts):
        joined = "\n".join(text.replace("\n", " ") for text in texts)
    data = joined.encode()
    if not joined.isascii():
        for space in SPACES:  # as many blanks as bytes: quick, and a character's bytes begin no other's
            data = data.replace(space.encode(), b" " * len(space.encode()))
    return b"\n" + data.replace(END, b" " * len(END)).translate(BLANK) + b"\n"


@dataclass(frozen=True)
class Vocabulary:
    """Words as UTF-8: `letters` uint8, of which word i is those from `ends[i - 1]` to `ends[i]` (int64 (V,))."""

    letters: np.ndarray
    ends: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray, np.uint64]:
        """Keys of the words; and an open hash table of their numbers (-1: free), with the shift that makes a key a place in it."""
        keys = _keys(self.letters, self.starts, self.ends)
        bits = max(10, len(keys).bit_length() + 2)
        table, shift = np.full(2**bits, -1, np.int32), np.uint64(64 - bits)
        left = np.arange(len(keys))
        places = (keys >> shift).astype(np.int64)
        while len(left):
            free = table[places[left]] < 0
            table[places[left[free]]] = left[free]  # of several that want a place, one gets it
            left = left[table[places[left]] != left]
            places[left] = (places[left] + 1) % len(table)
        return keys, table, shift

    def find(self, keys: np.ndarray) -> np.ndarray:
        """int32 numbers of the words with these `_keys`; -1 for a word that is not in it."""
        own, table, shift = self._table
        if not len(own):
            return np.full(len(keys), -1, np.int32)
        places = (keys >> shift).astype(np.int64)
        found = table[places]
        unsure = np.flatnonzero((found >= 0) & (own[found] != keys))
        while len(unsure):
            places[unsure] = (places[unsure] + 1) % len(table)
            found[unsure] = table[places[unsure]]
            unsure = unsure[(found[unsure] >= 0) & (own[found[unsure]] != keys[unsure])]
        return found

    @cached_property
    def hashes(self) -> np.ndarray:
        """uint32 (V,): fastText's hash of each word."""
        return _fnv(self.letters, self.starts, self.ends)


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
    head: Logistic

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
        data, starts, ends, bounds = _tokens(texts)
        keys = _keys(data, starts, ends)
        found = self.vocabulary.find(keys)
        end = self.vocabulary.find(_keys(np.frombuffer(END, np.uint8), np.array([0]), np.array([len(END)])))[0]
        unknown = np.flatnonzero(found < 0)
        known = _without(bounds, unknown)
        words = np.delete(found, unknown) if len(unknown) else found
        sizes = np.add.reduceat(np.append(self.sizes[words], 0), known[:-1]) * (known[1:] > known[:-1])
        result += _product(words, known, self.sums)
        if end >= 0:
            result += self.sums[end]
            sizes += self.sizes[end]
        if self.maxn and len(unknown):
            _, first, number = np.unique(keys[unknown], return_index=True, return_inverse=True)
            first = unknown[first]
            grams, parts = _subwords(data, starts[first], ends[first], self.minn, self.maxn, len(self.buckets))
            rest = np.searchsorted(unknown, bounds)
            result += _product(number, rest, _product(grams, parts, self.buckets))
            sizes += np.diff(np.concatenate([[0], np.cumsum(np.diff(parts)[number])])[rest])
        if self.word_ngrams > 1:
            hashes = self.vocabulary.hashes[found] if len(self.vocabulary.ends) else np.zeros(len(found), np.uint32)
            hashes[unknown] = _fnv(data, starts[unknown], ends[unknown])
            grams, parts = _word_ngrams(hashes, bounds, self.word_ngrams, len(self.buckets))
            result += _product(grams, parts, self.buckets)
            sizes += np.diff(parts)
        result /= np.maximum(sizes, 1)[:, None]

    def tensors(self) -> dict[str, np.ndarray]:
        """What `from_tensors` needs to make the model again. The head's are `weights`, `bias` and `trained`, as a linear model's."""
        settings = np.array([self.word_ngrams, self.minn, self.maxn], np.int64)
        own = {"letters": self.vocabulary.letters, "ends": self.vocabulary.ends, "sums": self.sums, "sizes": self.sizes}
        return {**own, "buckets": self.buckets, "settings": settings, **self.head.tensors()}


def from_tensors(tensors: Mapping[str, np.ndarray], count: int) -> FastText:
    """The model that `tensors()` came from, for `count` classes. Raises ValueError where they do not fit together."""
    head = logistic.from_tensors(tensors, count)
    letters, ends = take(tensors, "letters", "u", (None,)), take(tensors, "ends", "i", (None,), 1)
    sums, sizes = take(tensors, "sums", "f", (len(ends), head.width)), take(tensors, "sizes", "i", ends.shape, 1)
    buckets = take(tensors, "buckets", "f", (None, head.width))
    word_ngrams, minn, maxn = take(tensors, "settings", "i", (3,), 0, LONGEST).tolist()
    rising = (np.diff(ends, prepend=0) > 0).all() and (ends[-1] if len(ends) else 0) == len(letters)
    if not rising or letters.dtype != np.uint8 or not (len(buckets) or (word_ngrams <= 1 and not maxn)):
        raise ValueError("the sizes of its tensors do not fit together")
    return FastText(Vocabulary(letters, ends), sums, sizes, buckets, word_ngrams, minn, maxn, head)


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
    (Menon et al. 2021), as in `logistic.fit`. Returns the model and True: there is no convergence to miss.
    Raises UsageError for options that cannot be, or with which the weights overflow; InputError for a file that holds no vectors, and
    for texts without words.
    """
    import fasttext

    if maxn and minn > maxn:
        raise UsageError(f"--fasttext-minn {minn} is more than --fasttext-maxn {maxn}", "character n-grams have minn to maxn characters")
    if maxn or word_ngrams > 1:
        if buckets < 1:
            raise UsageError("--fasttext-buckets must be at least 1 where there are n-grams")
    else:
        buckets = 0
    trained, codes = np.unique(labels, return_inverse=True)
    draw = seeds.generator(seed, "train", "fasttext")
    order = draw.permutation(_repeated(codes, draw) if balance == "class-weight" else len(codes))
    lines = normalised(texts)[1:-1].split(b"\n")
    with tempfile.TemporaryDirectory(prefix="altool-fasttext-") as folder:
        vectors = Path(folder) / "vectors"
        if pretrained is not None:
            width = _copy_vectors(Path(pretrained), vectors)
            if dim not in (None, width):
                raise UsageError(f"--fasttext-dim {dim}: {pretrained} holds vectors of {width} numbers", "leave --fasttext-dim out")
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
                raise UsageError(f"--fasttext-rate {rate:g}: the weights overflow", "give a smaller rate") from error
            raise
    words, rows = model.get_words(), model.get_input_matrix()
    if not set(words) - {END.decode()}:
        raise InputError(
            f"the labeled texts hold no word that is there {min_count:,} times" if min_count > 1 else "the labeled texts hold no words",
            "lower --fasttext-min-count" if min_count > 1 else "is this the right column? If not: --columns text=NAME",
        )
    weights = model.get_output_matrix()[np.argsort([int(name.removeprefix(LABEL.decode())) for name in model.get_labels()])]
    bias = -np.log(np.bincount(codes) / len(codes)) if balance == "prior" else np.zeros(len(trained))
    head = Logistic(weights, bias.astype(np.float32), trained, count)
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


def _summed(words: Sequence[str], rows: np.ndarray, settings: tuple[int, int, int], head: Logistic) -> FastText:
    """The model of the library's dictionary and input matrix (words, then buckets)."""
    encoded = [word.encode() for word in words]
    ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)
    vocabulary = Vocabulary(np.frombuffer(b"".join(encoded), np.uint8), ends)
    sums, buckets = rows[: len(words)], rows[len(words) :]
    sizes = np.ones(len(words), np.int64)
    _, minn, maxn = settings
    if maxn:
        grams, parts = _subwords(vocabulary.letters, vocabulary.starts, ends, minn, maxn, len(buckets))
        lengths = np.diff(parts)
        if END in encoded:  # it alone has no n-grams
            lengths[encoded.index(END)] = 0
            grams = grams[np.repeat(lengths > 0, np.diff(parts))]
        sizes += lengths
        sums = sums + _product(grams, np.concatenate([[0], np.cumsum(lengths)]), buckets)
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
        return word == END or normalised([word.decode()])[1:-1] == word
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


def _tokens(texts: Texts) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The normalised bytes; where each word in them starts and ends; and the bounds (n + 1,) of each text's run of words."""
    data = np.frombuffer(normalised(texts), np.uint8)
    gap = data <= 32
    edges = np.flatnonzero(gap[1:] != gap[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    return data, starts, ends, np.searchsorted(starts, np.flatnonzero(data == 10))


def _keys(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """uint64 (n,): a hash of each word of the bytes `data` which two words share with a chance of 2**-64.

    The sum of MARKS[byte] * FACTOR**place, modulo 2**64, comes from differences of one running sum: no loop over bytes.
    """
    powers, inverses = _powers(len(data).bit_length())
    running = np.zeros(len(data) + 1, np.uint64)
    np.cumsum(MARKS[data] * powers[: len(data)], out=running[1:])
    return (running[ends] - running[starts]) * inverses[starts]


@lru_cache(2)
def _powers(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """FACTOR**i and FACTOR**-i for i below 2**bits."""
    powers = np.full((2, 2**bits), [[FACTOR], [INVERSE]], np.uint64)
    powers[:, 0] = 1
    np.cumprod(powers, axis=1, out=powers)
    return powers[0], powers[1]


def _fnv(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """uint32 (n,): fastText's hash of each word, 32-bit FNV-1a of signed bytes."""
    lengths = np.minimum(ends - starts, LONG + 1)
    order = np.argsort(lengths.astype(np.uint16), kind="stable")
    lengths, starts, ends = lengths[order], starts[order], ends[order]
    hashes = np.full(len(order), 2166136261, np.uint32)
    signed = data.view(np.int8)
    for place in range(min(LONG, int(lengths.max(initial=0)))):
        first = np.searchsorted(lengths, place, "right")
        hashes[first:] = _step(hashes[first:], signed[starts[first:] + place])
    for row in np.flatnonzero(lengths > LONG):  # few: a step in numpy for each of their bytes would take longer
        value = int(hashes[row])
        for byte in signed[starts[row] + LONG : ends[row]].tolist():
            value = ((value ^ (byte & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
        hashes[row] = value
    result = np.empty_like(hashes)
    result[order] = hashes
    return result


def _step(hashes: np.ndarray, signed: np.ndarray) -> np.ndarray:
    return (hashes ^ signed.astype(np.uint32)) * np.uint32(16777619)


def _subwords(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, minn: int, maxn: int, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """The buckets of the character n-grams of each word in angle brackets, word after word, and the bounds (n + 1,) of each word's.

    As fastText has it: `minn` to `maxn` characters, but no bracket alone.
    """
    lengths = ends - starts + 2
    close = np.cumsum(lengths)
    open_ = close - lengths
    text = np.empty(int(lengths.sum()), np.uint8)
    text[open_], text[close - 1] = ord("<"), ord(">")
    inside = np.ones(len(text), bool)
    inside[open_] = inside[close - 1] = False
    text[inside] = data[np.repeat(starts - open_ - 1, lengths - 2) + np.flatnonzero(inside)]
    heads = (text & 0xC0) != 0x80  # a character's first byte
    begin = np.flatnonzero(heads)
    word = np.searchsorted(close, begin, "right")
    after = np.append(begin[1:], len(text))  # where the next character begins
    signed = text.view(np.int8)
    hashes = np.full(len(begin), 2166136261, np.uint32)
    numbers, owners = [], []
    for length in range(1, maxn + 1):
        rows = np.arange(len(begin) - length + 1)
        rows = rows[word[rows] == word[rows + length - 1]]
        last = rows + length - 1
        size = after[last] - begin[last]
        for byte in range(int(size.max(initial=0))):
            on = rows if byte == 0 else rows[size > byte]
            hashes[on] = _step(hashes[on], signed[begin[on + length - 1] + byte])
        if length == 1:
            rows = rows[(begin[rows] != open_[word[rows]]) & (after[rows] != close[word[rows]])]
        if length >= minn:
            numbers.append(hashes[rows] % np.uint32(buckets))
            owners.append(word[rows])
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return np.concatenate(numbers).astype(np.int32)[order], np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(starts)))])


def _word_ngrams(hashes: np.ndarray, bounds: np.ndarray, longest: int, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """The buckets of the 2 to `longest` words in a row of each text, its end counting as a word, and the bounds of each text's."""
    end = _fnv(np.frombuffer(END, np.uint8), np.array([0]), np.array([len(END)]))
    words = np.insert(hashes, bounds[1:], end).view(np.int32).astype(np.uint64)  # the sign is kept, as fastText keeps it
    bounds = bounds + np.arange(len(bounds))
    left = np.repeat(bounds[1:], np.diff(bounds)) - np.arange(len(words))  # words from here to the text's end
    running = words.copy()
    numbers, owners = [], []
    text = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    for length in range(2, longest + 1):
        running = running[:-1] * np.uint64(116049371) + words[length - 1 :]
        rows = np.flatnonzero(left[: len(running)] >= length)
        numbers.append((running[rows] % np.uint64(buckets)).astype(np.int32))
        owners.append(text[rows])
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable") if longest > 2 else slice(None)
    return np.concatenate(numbers)[order], np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(bounds) - 1))])


def _without(bounds: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """The bounds of runs of which the elements at `gone` (rising) are taken out."""
    return bounds - np.searchsorted(gone, bounds)


def _product(numbers: np.ndarray, bounds: np.ndarray, rows: np.ndarray) -> Any:
    """float32 (n, D): for each run, given by its bounds (n + 1,), the sum of those of `rows` (m, D) that `numbers` name, in order."""
    from scipy.sparse import csr_matrix

    shape = (len(bounds) - 1, len(rows))
    return csr_matrix((np.ones(len(numbers), np.float32), numbers, bounds.astype(np.int32)), shape) @ rows
