"""Words of texts as fastText's library takes them apart: tokens, its hashes, the n-grams of characters and of words; many texts at once.

Own code beside the library, because that predicts one text at a time: all 100 class scores of 201,000 texts took it 12.2 s where `altool
score` takes 3.1 with reading and writing (benchmarks/fasttext.py), and because its models can only be read back from files that it
checks little. tests/classifiers/test_fasttext.py compares every vector with the library's `get_sentence_vector`: where a new
version of fasttext-community fails there, look at its dictionary.cc (readWord, hash, computeSubwords, addWordNgrams) for what changed.
Once the library predicts a list of texts as fast, this file and `FastText._add` can go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

Texts = Sequence[str] | np.ndarray
END = b"</s>"  # fastText's word for the end of a line
SPACES = "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
BLANK = bytes(32 if byte <= 32 and byte != 10 else byte for byte in range(256))
MARKS = np.random.Generator(np.random.Philox(0)).integers(1, 2**64, 256, np.uint64)  # of each byte, in `keys_of`
FACTOR = 0x9E3779B97F4A7C15
INVERSE = pow(FACTOR, -1, 2**64)
LONG = 256  # bytes of a word that are hashed for many words at once


def normalised(texts: Texts) -> bytes:
    """The texts as fastText's training file and `of` take them: UTF-8, one per line, behind a first line feed.

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
        keys = keys_of(self.letters, self.starts, self.ends)
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
        """int32 numbers of the words with these `keys_of`; -1 for a word that is not in it."""
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
        return hashes_of(self.letters, self.starts, self.ends)


def of(texts: Texts) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The normalised bytes; where each word in them starts and ends; and the bounds (n + 1,) of each text's run of words."""
    data = np.frombuffer(normalised(texts), np.uint8)
    gap = data <= 32
    edges = np.flatnonzero(gap[1:] != gap[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    return data, starts, ends, np.searchsorted(starts, np.flatnonzero(data == 10))


def keys_of(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
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


def hashes_of(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
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


def character_ngrams(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, minn: int, maxn: int, buckets: int
) -> tuple[np.ndarray, np.ndarray]:
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


def word_ngrams(hashes: np.ndarray, bounds: np.ndarray, longest: int, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """The buckets of the 2 to `longest` words in a row of each text, its end counting as a word, and the bounds of each text's."""
    end = hashes_of(np.frombuffer(END, np.uint8), np.array([0]), np.array([len(END)]))
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


def without(bounds: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """The bounds of runs of which the elements at `gone` (rising) are taken out."""
    return bounds - np.searchsorted(gone, bounds)


def sums_of(numbers: np.ndarray, bounds: np.ndarray, rows: np.ndarray) -> Any:
    """float32 (n, D): for each run, given by its bounds (n + 1,), the sum of those of `rows` (m, D) that `numbers` name, in order."""
    from scipy.sparse import csr_matrix

    shape = (len(bounds) - 1, len(rows))
    return csr_matrix((np.ones(len(numbers), np.float32), numbers, bounds.astype(np.int32)), shape) @ rows
