"""`fasttext`: a vectors file by hand, a model file against fastText itself, and vectors learned from the texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extra import library

from altool import backbones
from altool.backbones.fasttext import read_vectors
from altool.errors import InputError, UsageError

TEXTS = ["red shoe", "blue hat", "red hat", "green\nshoe"]
VECTORS = "4 2\nred 3 4\nblue 0 2\nhat 0 -5 \nshoe 1 0\n"


class Pool(list[str]):
    def sample(self, limit: int) -> list[str]:
        return self[:limit]


def made(weights: str, texts: list[str] = TEXTS, **given: Any) -> Any:
    backbone = backbones.create("fasttext", weights=weights, **given)
    backbone.prepare(Pool(texts))
    return backbone


@pytest.mark.parametrize("content", [VECTORS, VECTORS.removeprefix("4 2\n"), VECTORS.replace(" ", "\t"), VECTORS + "\n. . 1 2\nred 9 9\n"])
def test_a_vectors_file_by_hand(tmp_path: Path, content: str) -> None:
    (tmp_path / "v.vec").write_text(content)
    backbone = made(str(tmp_path / "v.vec"))
    found = backbone.embed(["red shoe", "hat", "red\nunknown\n", "RED", ""])
    np.testing.assert_allclose(found, [[0.8, 0.4], [0, -1], [0.6, 0.8], [0, 0], [0, 0]], atol=1e-7)
    assert backbone.width == 2
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "none of the texts' 2 words"),
        ("4 2\nother 1 2\n", "none of the texts' 2 words"),
        ("4 2\nred 1\n", "line 2 is not a word and 2 finite numbers"),
        ("4 2\nx 1 2\nred 1 nan\n", "line 3 is not a word and 2 finite numbers"),
        ("red one two\n", "line 1 is not a word"),
        ("1 " + "9" * 5000 + "\nred 1 2\n", "line 1 is not a word and 1 finite numbers"),
        ("red\n", "line 1 is not a word"),
        ("x 1 2\nred 1\n", "line 2"),
        ("x 1 2\ny 1 2\nred 1 z\n", "line 3"),
    ],
)
def test_a_file_that_holds_no_vectors(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "v.vec").write_text(content)
    with pytest.raises(InputError, match=message):
        read_vectors(tmp_path / "v.vec", {"red", "shoe"})


@pytest.mark.slow
def test_learned_vectors_repeat_and_follow_the_seed() -> None:
    texts = [f"{color} {thing} number {number}" for number in range(40) for color in ("red", "blue") for thing in ("hat", "shoe")]
    one, same, other = (made("none", texts, width=8, seed=seed).embed(texts) for seed in (0, 0, 1))
    assert one.shape == (160, 8)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.isfinite(one).all()


def test_a_model_file_gives_what_fasttext_gives(tmp_path: Path) -> None:
    fasttext = library("fasttext")

    (tmp_path / "t").write_text("red shoe\nblue hat\n" * 50)
    model = fasttext.train_unsupervised(str(tmp_path / "t"), dim=6, minCount=1, bucket=1000, thread=1, verbose=0)
    model.save_model(str(tmp_path / "m.bin"))
    backbone = made(str(tmp_path / "m.bin"))
    np.testing.assert_array_equal(backbone.embed(["red  shoe\n"])[0], model.get_sentence_vector("red shoe"))
    assert backbone.width == 6
    vectors = tmp_path / "m.vec"  # the same words written as text give the same means
    vectors.write_text("".join(f"{word} {' '.join(map(repr, map(float, model.get_word_vector(word))))}\n" for word in model.words))
    np.testing.assert_allclose(made(str(vectors)).embed(TEXTS), backbone.embed(["red shoe", "blue hat", "red hat", "shoe"]), atol=1e-6)
    whole = (tmp_path / "m.bin").read_bytes()
    for size in (4, 50, 200, 3000, 10_000, len(whole) - 1):  # fastText itself loads some of these, and hangs on others
        (tmp_path / "cut.bin").write_bytes(whole[:size])
        with pytest.raises(InputError, match="cut off or damaged"):
            made(str(tmp_path / "cut.bin"))
    (tmp_path / "t").write_text("__label__a red shoe\n__label__b blue hat\n" * 50)
    supervised = fasttext.train_supervised(str(tmp_path / "t"), dim=6, minCount=1, thread=1, verbose=0)
    supervised.save_model(str(tmp_path / "s.bin"))
    assert made(str(tmp_path / "s.bin")).embed(TEXTS).shape == (4, 6)


@pytest.mark.slow
@pytest.mark.parametrize(("qnorm", "qout"), [(False, False), (True, False), (True, True)])
def test_a_quantized_model_file(tmp_path: Path, qnorm: bool, qout: bool) -> None:
    fasttext = library("fasttext")

    words = [f"word{number}" for number in range(400)]
    (tmp_path / "t").write_text("".join(f"__label__{number % 300} {' '.join(words[number : number + 5])}\n" for number in range(390)))
    model = fasttext.train_supervised(str(tmp_path / "t"), dim=4, minCount=1, epoch=1, thread=1, verbose=0)
    model.quantize(str(tmp_path / "t"), qnorm=qnorm, qout=qout, cutoff=300, verbose=0)
    model.save_model(str(tmp_path / "q.ftz"))
    np.testing.assert_array_equal(made(str(tmp_path / "q.ftz")).embed(["word1 word2"])[0], model.get_sentence_vector("word1 word2"))


def test_a_fit_that_was_kept_gives_the_same_vectors_bit_for_bit(tmp_path: Path) -> None:
    learned = made("none", TEXTS * 9, width=4)
    learned.save(tmp_path / "fit.bin")
    again = backbones.create("fasttext", weights="none", width=4, seed=3)
    again.prepare(Pool(["other"]), tmp_path / "fit.bin")
    np.testing.assert_array_equal(again.embed([*TEXTS, "unseen", ""]), learned.embed([*TEXTS, "unseen", ""]))
    assert again.space == learned.space == {"weights": "none", "width": 4}


def mutated(content: bytes, draw: np.random.Generator) -> bytes:
    """The file with a few bytes changed: in the head, where the sizes are, or anywhere; or with a piece taken out."""
    data = bytearray(content)
    for _ in range(draw.integers(1, 4)):
        at = int(draw.integers(4, 200 if draw.random() < 0.8 else len(data)))
        data[at] = int(draw.integers(256)) if draw.random() < 0.7 else data[at] ^ 255
    if draw.random() < 0.2:
        at = int(draw.integers(4, len(data)))
        del data[at : at + int(draw.integers(1, 9))]
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["skipgram", "supervised", "quantized"])
def test_a_damaged_model_file_is_refused_or_gives_vectors(tmp_path: Path, kind: str) -> None:
    """fastText itself raises four kinds of ValueError for such files, reads beyond its matrices, or never ends."""
    fasttext = library("fasttext")

    (tmp_path / "t").write_text("".join(f"__label__{n % 3} red{n} shoe blue{n % 7} hat\n" for n in range(400)))
    if kind == "skipgram":
        model = fasttext.train_unsupervised(str(tmp_path / "t"), dim=4, minCount=1, bucket=50, epoch=1, thread=1, verbose=0)
    else:
        given = {"dim": 4, "minCount": 1, "epoch": 1, "bucket": 2000, "minn": 2, "maxn": 3}
        model = fasttext.train_supervised(str(tmp_path / "t"), thread=1, verbose=0, **given)
    if kind == "quantized":
        model.quantize(str(tmp_path / "t"), cutoff=400, verbose=0)
    model.save_model(str(tmp_path / "m.bin"))
    whole = (tmp_path / "m.bin").read_bytes()
    assert made(str(tmp_path / "m.bin")).embed(["red1 hat"]).shape == (1, 4)
    draw = np.random.default_rng(7)
    refused = 0
    for _ in range(150):
        (tmp_path / "x.bin").write_bytes(mutated(whole, draw))
        try:
            assert len(made(str(tmp_path / "x.bin"), ["red1"]).embed(["red1 hat", "unseen words", ""])) == 3
        except InputError:
            refused += 1
    assert 50 < refused < 150


def test_what_it_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs --weights: it has no default"):
        made("DEFAULT")
    with pytest.raises(UsageError, match="--width has no effect with a file"):
        made("v.vec", width=3)
    with pytest.raises(InputError, match="No such file"):
        made(str(tmp_path / "absent.vec"))
    with pytest.raises(InputError, match="no words"):
        made("none", ["", "\n"])
