"""Zero-shot: a class is the mean of what texts say of it, and a row's probabilities are those of its cosines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from altool.backbones import BACKBONES
from altool.backbones.shape import Backbone
from altool.errors import InputError, UsageError
from altool.models import zero_shot
from altool.models.zero_shot import class_vectors, describe, prompts, templates
from altool.options import Option
from altool.tables import space

PLACES = {"a cat": (2, 0, 0), "the cat": (0, 5, 0), "a dog": (0, 0, 1), "the dog": (0, 0, 3), "a puppy": (0, 1, 0)}


class Pairs:
    """Rows of three numbers, and texts of places that are known."""

    device, width, libraries, learns, temperature = "cpu", 3, ("numpy",), False, 10.0

    def __init__(self, given: str, *, prompt: str = "", seed: int = 0) -> None:
        self.facts: dict[str, Any] = {}
        self.space = {"given": given, "prompt": prompt}

    def prepare(self, texts: Any, fit: Path | None = None) -> None:
        assert not list(texts)
        assert not texts.sample(3)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([PLACES[text] for text in texts], np.float32)


FAMILY = Backbone("pairs", "places", ("text",), Pairs, (Option("prompt", default=""),), takes="NAME")  # type: ignore[arg-type]
BOTH = np.sqrt(0.5)


@pytest.fixture(autouse=True)
def _with_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    load = BACKBONES.load

    def found(name: str, option: str = "") -> Backbone:
        return FAMILY.member(name.partition(":")[2]) if name.startswith("pairs:") else load(name, option)

    monkeypatch.setattr(zero_shot, "BACKBONES", replace(BACKBONES))
    monkeypatch.setattr(zero_shot.BACKBONES, "load", found)


def of_rows(name: str = "pairs:x", prompt: str = "", dtype: str = "float16") -> space.Space:
    return space.made({"backbone": name, "dtype": dtype, "given": "x", "prompt": prompt}, "f.parquet")


def test_a_class_is_the_mean_of_unit_vectors_at_unit_length() -> None:
    found = class_vectors(Pairs("x"), {"cat": ("cat",), "dog": ("dog",)}, ("a {}", "the {}"))
    np.testing.assert_allclose(found, [[BOTH, BOTH, 0], [0, 0, 1]], atol=1e-6)
    found = class_vectors(Pairs("x"), {"cat": ("cat",), "dog": ("dog", "puppy")}, ("a {}",))
    np.testing.assert_allclose(found, [[1, 0, 0], [0, BOTH, BOTH]], atol=1e-6)


def test_probabilities_are_the_softmax_of_cosines_times_the_temperature() -> None:
    made = describe(["a {}", "the {}"], ("cat", "dog"), of_rows(), "features f")
    rows = np.array([[3, 3, 0], [0, 0, 9], [1, 0, 1], [0, 0, 0]], np.float32)
    cosines = np.array([[1, 0], [0, 1], [0.5, BOTH], [0, 0]])
    wanted = np.exp(10 * cosines) / np.exp(10 * cosines).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(made.model.probabilities(rows), wanted, atol=1e-6)
    assert made.facts == {"zero_shot": ["a {}", "the {}"], "backbone": "pairs:x", "logit_scale": 10.0}
    assert made.classes == ("cat", "dog")
    np.testing.assert_allclose(made.model.vectors(rows)[2], [BOTH, 0, BOTH], atol=1e-6)
    np.testing.assert_array_equal(made.model.tensors()["weights"], made.model.head.weights)
    flat = describe(["a {}"], ("cat", "dog"), of_rows(), "features f", temperature=1e-9)
    np.testing.assert_allclose(flat.model.probabilities(rows), 0.5, atol=1e-6)
    assert made.model.width == 3


def test_what_stands_for_a_class_may_be_said(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('dog = ["dog", "puppy"]\n')
    made = describe(["a {}"], ("cat", "dog"), of_rows(), "features f", class_prompts=str(tmp_path / "p.toml"))
    np.testing.assert_allclose(made.model.head.weights[1], [0, 10 * BOTH, 10 * BOTH], atol=1e-5)
    assert made.facts["class_prompts"] == {"dog": ["dog", "puppy"]}


def test_the_space_says_the_backbone_and_its_options() -> None:
    assert describe(["a {}"], ("cat", "dog"), of_rows(prompt="p"), "features f").space.facts["prompt"] == "p"
    unknown = describe(["a {}"], ("cat", "dog"), None, "features f", backbone="pairs:x")
    assert unknown.space.facts == {"backbone": "pairs:x", "dtype": "float32", "given": "x", "prompt": ""}


@pytest.mark.parametrize(
    ("own", "backbone", "message"),
    [
        (
            of_rows(),
            "pairs:y",
            "features f is of another vector space than --backbone pairs:y, .*: backbone pairs:y, not pairs:x; given y, not x",
        ),
        (None, None, "--zero-shot needs --backbone: features f names no vector space"),
        (of_rows("pairs:FOLDER"), None, "--zero-shot: the backbone of features f is a folder"),
        (space.made({"classifier": "mlp"}, "f"), None, "--zero-shot: the vectors of features f are a model's"),
        (of_rows(), "pixels", "--zero-shot: --backbone pixels embeds no texts beside its rows"),
    ],
)
def test_a_backbone_that_cannot_be_it_is_refused(own: space.Space | None, backbone: str | None, message: str) -> None:
    with pytest.raises((InputError, UsageError), match=message):
        describe(["a {}"], ("cat", "dog"), own, "features f", backbone=backbone)


def test_templates_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a photo of a {}.\n\n a {}\n")
    assert templates(["the {}", f"@{tmp_path / 't.txt'}", "a {}"]) == ("the {}", "a photo of a {}.", "a {}")


@pytest.mark.parametrize(("given", "times"), [("a photo", "0 times"), ("{} or {}", "2 times"), ("", "0 times")])
def test_a_template_has_one_place_for_the_class(given: str, times: str) -> None:
    with pytest.raises(UsageError, match=f"expected {{}} once, found it {times}"):
        templates([given])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cow = 'a cow'", "1 class not among those to predict .cow"),
        ("cat = 3", "cat: expected a text"),
        ("cat = ['']", "cat: expected a text"),
    ],
)
def test_what_stands_for_a_class_is_checked(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(content)
    with pytest.raises(InputError, match=message):
        prompts(str(tmp_path / "p.toml"), ("cat", "dog"))
