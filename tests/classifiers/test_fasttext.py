"""fastText's arrays against the library itself: hashes, n-grams, white space, the softmax; and what fitting promises."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import extra
import numpy as np
import pytest

from altool.classifiers import fasttext
from altool.errors import InputError, UsageError
from altool.models import folds, registry, tokens

library = extra.library("fasttext")

pytestmark = pytest.mark.slow

LETTERS = [*"abcdeéßжЖ漢字🙂𝒳<>_-.", "</s>", "__label__1", "\x7f"]
GAPS = [" ", "  ", "\t", "\n", "\u00a0", "\u2028", "\u3000", "\x01", "\0", "\r\n", "\x1f"]
CLASSES = 15


def made(draw: random.Random, rows: int, known: list[str]) -> list[str]:
    def word() -> str:
        return draw.choice(known) if known and draw.random() < 0.7 else "".join(draw.choices(LETTERS, k=draw.choice([1, 1, 2, 4, 8, 12])))

    return ["".join(draw.choice(GAPS) + word() for _ in range(draw.choice([0, 1, 2, 5, 20]))) for _ in range(rows)]


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Texts and labels (every second class) to fit on, and texts to predict, with words that are new."""
    draw = random.Random(0)
    known = " ".join(made(draw, 60, [])).split()
    texts = np.array(made(draw, 250, known), object)
    odd = ["", " ", "</s>", "x" * 700, "é" * 300, "\x012 a", "🙂", "\n\n", "a</s>b", "<>"]
    return texts, np.array([draw.randrange(7) * 2 for _ in texts]), made(draw, 300, known) + odd


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The library's own models, as they are fitted."""
    models: list[Any] = []
    train = library.train_supervised
    monkeypatch.setattr(library, "train_supervised", lambda **options: models.append(train(**options)) or models[-1])
    return models


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"word_ngrams": 2},
        {"word_ngrams": 4, "buckets": 1000, "min_count": 2},
        {"minn": 2, "maxn": 4, "buckets": 5000, "min_count": 3},
        {"minn": 1, "maxn": 3, "buckets": 500},
        {"minn": 0, "maxn": 2, "buckets": 500, "word_ngrams": 3, "min_count": 300},  # not even the end of a line is a word
        {"minn": 3, "maxn": 6, "word_ngrams": 2, "dim": 7, "buckets": 7},
    ],
    ids=str,
)
def test_equals_the_library(data: tuple[np.ndarray, np.ndarray, list[str]], kept: list[Any], options: dict[str, Any]) -> None:
    texts, labels, asked = data
    if options.get("min_count") == 300:
        texts, labels = np.append(texts, ["a" + " a" * 400]), np.append(labels, 0)
        options = options | {"min_count": len(texts) + 1}
    model, _ = fasttext.fit(texts, labels, CLASSES, epochs=5, seed=3, **options)
    vectors, found = model.vectors(asked), model.probabilities(asked)
    assert vectors.dtype == found.dtype == np.float32
    lines = tokens.normalised(asked).decode()[1:-1].split("\n")
    assert len(lines) == len(asked)
    numbers = np.unique(labels)
    for line, vector, row in zip(lines, vectors, found, strict=True):
        names, values = kept[0].predict(line, k=-1)
        assert len(names) in (0, 7)
        expected = np.zeros(CLASSES)
        expected[numbers] = 1 / 7  # the library predicts nothing where it knows no word
        expected[[numbers[int(name[1:])] for name in names]] = values
        assert row == pytest.approx(expected, abs=3e-5)
        assert vector == pytest.approx(kept[0].get_sentence_vector(line), abs=1e-5)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (found[:, 1::2] == 0).all()
    again = fasttext.fit(texts, labels, CLASSES, epochs=5, seed=3, **options)[0].tensors()
    assert all(again[name].tobytes() == tensor.tobytes() for name, tensor in model.tensors().items())
    other = fasttext.fit(texts, labels, CLASSES, epochs=5, seed=4, **options)[0].tensors()
    assert again["weights"].tobytes() != other["weights"].tobytes()
    same = fasttext.from_tensors(model.tensors(), CLASSES)
    assert np.array_equal(same.probabilities(asked), found)


def test_a_text_is_the_same_in_any_company(data: tuple[np.ndarray, np.ndarray, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    texts, labels, asked = data
    model, _ = fasttext.fit(texts, labels, CLASSES, epochs=2, word_ngrams=2, maxn=3, buckets=100)
    whole = model.probabilities(asked)
    order = np.random.default_rng(0).permutation(len(asked))
    assert np.array_equal(model.probabilities(np.array(asked, object)[order]), whole[order])
    for rows, characters in [(1, 1), (7, 50), (1000, 300)]:
        monkeypatch.setattr(fasttext, "ROWS", rows)
        monkeypatch.setattr(fasttext, "CHARACTERS", characters)
        assert np.array_equal(model.probabilities(asked), whole)
    assert model.probabilities([]).shape == (0, CLASSES)


@pytest.mark.parametrize(
    "texts", [[""], ["a\u00a0b", "\ta  b ", "a\nb", "a</s>b", "a\0b\r\n", "\x01a\x1f \u3000b\x85"], ["", "\n", "</s>"]]
)
def test_white_space(texts: list[str]) -> None:
    lines = tokens.normalised(texts)[1:-1].split(b"\n")
    assert [line.split(b" ") for line in lines] == [line.split(b" ") for line in lines]
    assert [line.split() for line in lines] == [[b"a", b"b"] if "a" in text else [] for text in texts]


def test_words_of_other_scripts_stay_whole() -> None:
    letters = "".join(chr(code) for code in [*range(0x100, 0x1680), *range(0x3001, 0x3100), 0x1F642, 0x10FFFF])
    assert tokens.normalised([letters])[1:-1].decode() == letters


def test_a_vocabulary_with_crowded_places() -> None:
    words = [b"%d" % number for number in range(3000)]
    vocabulary = tokens.Vocabulary(np.frombuffer(b"".join(words), np.uint8), np.cumsum([len(word) for word in words]))
    data, starts, ends, _ = tokens.of([" ".join(str(number) for number in range(4000))])
    expected = np.where(np.arange(4000) < 3000, np.arange(4000), -1)
    assert np.array_equal(vocabulary.find(tokens.keys_of(data, starts, ends)), expected)


def test_prior_and_class_weight() -> None:
    texts = np.array(["red hat", "red shoe", "red coat", "red scarf", "blue hat", "red blue"] * 5 + ["blue shoe", "green"], object)
    labels = np.array([0, 0, 0, 0, 1, 1] * 5 + [1, 3])
    plain = fasttext.fit(texts, labels, 4, epochs=5)[0].probabilities(texts).astype(float)
    adjusted = plain[:, [0, 1, 3]] / (np.array([20, 11, 1]) / 32)
    adjusted /= adjusted.sum(axis=1, keepdims=True)
    assert fasttext.fit(texts, labels, 4, epochs=5, balance="prior")[0].probabilities(texts)[:, [0, 1, 3]] == pytest.approx(
        adjusted, abs=1e-5
    )
    rows = fasttext._repeated(np.searchsorted([0, 1, 3], labels), np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [20, 20, 0, 20]
    assert set(np.bincount(rows)[labels == 1]) == {1, 2}  # 9 of the 11 rows come twice
    weighted = fasttext.fit(texts, labels, 4, epochs=5, balance="class-weight")[0].probabilities(texts)
    assert weighted[-1, 3] > plain[-1, 3] + 0.2


def test_one_class_has_probability_one() -> None:
    model, _ = fasttext.fit(np.array(["a", "b"], object), np.array([2, 2]), 3, epochs=1)
    assert model.probabilities(["a", "", "new"]).tolist() == [[0, 0, 1]] * 3


def test_out_of_fold_rows_of_classes_with_one_or_two_labels() -> None:
    texts = np.array(
        [f"{name} {name}{number}" for name, count in [("red", 12), ("blue", 2), ("green", 1)] for number in range(count)], object
    )
    labels = np.repeat([0, 1, 2], [12, 2, 1])
    fold = folds.assign(labels, 5, seed=0)
    seen: list[np.ndarray] = []

    def fit(x: np.ndarray, y: np.ndarray) -> Any:
        seen.append(x)
        return fasttext.fit(x, y, 3)[0].probabilities

    found = folds.predict(texts, labels, fold, fit)
    assert found.shape == (15, 3)
    assert found[14].tolist() == [*found[14, :2], 0]  # its model knew one label less
    assert (found[:12].argmax(axis=1) == 0).all()
    assert found[12:14].argmax(axis=1).tolist() == [1, 1]
    for number, part in enumerate(seen):
        assert not set(part) & set(texts[fold == number])


VECTORS = "5 3\nred 3 4 0\nblue -1 2 1e-3\n</s> 0 0 1\nnew york 1 2 3\nnowhere 0.5 0 0\n\x01evil 1 2 3\n"


def test_pretrained_vectors(tmp_path: Path, kept: list[Any]) -> None:
    (tmp_path / "v.vec").write_text(VECTORS)
    texts, labels = np.array(["red", "blue", "other"], object), np.array([0, 1, 1])
    model, _ = fasttext.fit(texts, labels, 2, epochs=1, rate=1e-6, pretrained=str(tmp_path / "v.vec"))
    assert model.width == 3
    for word, vector in [("red", [3, 4, 0]), ("nowhere", [0.5, 0, 0])]:  # with the end of the line
        assert model.vectors([word])[0] == pytest.approx(np.add(vector, [0, 0, 1]) / 2, abs=1e-4)
    assert set(kept[0].words) == {"red", "blue", "other", "nowhere", "</s>"}
    assert kept[0].get_labels() == ["\x011", "\x010"]
    with pytest.raises(UsageError, match="holds vectors of 3 numbers"):
        fasttext.fit(texts, labels, 2, dim=4, pretrained=str(tmp_path / "v.vec"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no vectors"),
        ("2 3\n", "holds no vectors"),
        ("2 3\nred 1 2\n", "line 2 is not a word and 3 finite numbers"),
        ("red 1 2\nblue 1 nan\n", "line 2 is not a word and 2 finite numbers"),
        ("red 1 2\nblue 1 x\n", "line 2 is not"),
        ("red 1 2\nblue_x 1 2\nblue 1 2_0\n", "line 3 is not"),
        ("red\n", "line 1 is not"),
    ],
)
def test_a_file_that_holds_no_vectors(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "v.vec").write_text(content)
    with pytest.raises(InputError, match=message):
        fasttext.fit(np.array(["a", "b"], object), np.array([0, 1]), 2, pretrained=str(tmp_path / "v.vec"))
    with pytest.raises(InputError, match="cannot be read"):
        fasttext.fit(np.array(["a", "b"], object), np.array([0, 1]), 2, pretrained=str(tmp_path / "none.vec"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minn": 4, "maxn": 3}, "minn 4: more than maxn 3"),
        ({"rate": 1e30}, "the weights of fasttext overflow"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fasttext.fit(np.array(["a b", "b c"], object), np.array([0, 1]), 2, **options)


def test_no_buckets() -> None:
    with pytest.raises(UsageError, match="--fasttext-buckets: expected a whole number from 1 to 2"):
        registry.own_of_command(fasttext.CLASSIFIER, {"fasttext_word_ngrams": 2, "fasttext_buckets": 0})


def test_texts_without_words() -> None:
    for texts, options, message in [
        (["", "\n", "</s>"], {}, "they hold no words"),
        (["a", "b", "c"], {"min_count": 2}, "no word occurs 2 times"),
    ]:
        with pytest.raises(InputError, match=message):
            fasttext.fit(np.array(texts, object), np.array([0, 1, 1]), 2, **options)
