"""Predictions before the first label: a class is what a text says of it, in a vector space that a backbone puts texts into.

Radford et al., Learning transferable visual models from natural language supervision, ICML 2021 (section 3.1; several templates: 3.1.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from altool.backbones import BACKBONES
from altool.backbones.shape import Backbone, TwoTower
from altool.errors import InputError, UsageError
from altool.models.softmax import Softmax
from altool.tables import check, space
from altool.tables.classes import respelled
from altool.tables.outside import load_toml, read_bytes
from altool.text import clip, count

if TYPE_CHECKING:
    from altool.tables.space import Space

HOLE = "{}"  # where a template has the name of a class
LARGEST = 1 << 20  # bytes of a file of templates
SUITED = "give the backbone that embedded the rows: clip:… or st:…"


@dataclass(frozen=True)
class ZeroShot:
    """softmax(temperature * cosine of a row and a class). `head` has the classes' vectors, of unit length, times the temperature."""

    head: Softmax

    @property
    def width(self) -> int:
        """The features' width D."""
        return self.head.width

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The rows at unit length; one of zeros stays."""
        return unit(rows)

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows at unit length, and their probabilities."""
        vectors = unit(rows)
        return vectors, self.head.probabilities(vectors)

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """float32 (n, K) for features float (n, D)."""
        return self.predict(rows)[1]

    def tensors(self) -> dict[str, np.ndarray]:
        """The classes' vectors times the temperature, float32 (K, D)."""
        return {"weights": self.head.weights}


@dataclass(frozen=True)
class Described:
    """A zero-shot `model` of `classes`; `space` is that of the rows that it reads, and `facts` are what was said and computed, as JSON."""

    model: ZeroShot
    classes: tuple[str, ...]
    space: Space
    facts: dict[str, Any]


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows (n, D) as float32 of unit length; one of zeros stays."""
    found = np.asarray(rows, np.float32)
    norms: np.ndarray = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(norms > 0, norms, 1)


def templates(given: Sequence[str]) -> tuple[str, ...]:
    """The templates, those of a file (@FILE, one a line) among them. Raises UsageError for one without a place for a class."""
    found: list[str] = []
    for one in given:
        lines = read_bytes(one[1:], "--zero-shot", LARGEST).decode("utf-8", "replace").splitlines() if one.startswith("@") else [one]
        found += [line.strip() for line in lines if line.strip()]
    for template in found or [""]:
        if template.count(HOLE) != 1:
            raise UsageError(
                f"--zero-shot {clip(repr(template), 80)}: expected {HOLE} once, found it {count(template.count(HOLE), 'time')}",
                "put it where the name of the class belongs, as 'a photo of a {}'",
            )
    return tuple(dict.fromkeys(found))


def prompts(location: str | None, classes: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """{class: what stands for it in the templates}: its name, or what a TOML file says, one text or a list of several.

    Raises InputError for a class that is none of `classes`, and for what is no text.
    """
    found: dict[str, tuple[str, ...]] = {name: (name,) for name in classes}
    if location is None:
        return found
    who = f"--class-prompts {location}"
    given = load_toml(read_bytes(location, who, LARGEST), who)
    if unknown := sorted(set(given) - set(classes)):
        text = f"{who}: {count(len(unknown), 'class', 'classes')} not among those to predict ({check.naming(unknown)})"
        raise InputError(text, respelled(unknown, classes) or "correct the spelling, or leave them out")
    for name, value in given.items():
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise InputError(
                f"{who}, {name}: expected a text or a list of texts, found {clip(repr(value), 80)}", 'for example cat = "a cat"'
            )
        found[name] = tuple(texts)
    return found


def class_vectors(encoder: TwoTower, said: Mapping[str, Sequence[str]], shapes: Sequence[str]) -> np.ndarray:
    """float32 (K, D) of unit length: the mean, at unit length again, of the vectors of all templates with all that is `said` of a class."""
    texts = [template.replace(HOLE, text) for own in said.values() for template in shapes for text in own]
    vectors = unit(encoder.embed_texts(texts))
    ends = np.cumsum([len(own) * len(shapes) for own in said.values()])
    return unit(np.stack([part.mean(axis=0) for part in np.split(vectors, ends[:-1])]))


def describe(
    given: Sequence[str],
    classes: Sequence[str],
    own: Space | None,
    rows: str,
    *,
    backbone: str | None = None,
    class_prompts: str | None = None,
    temperature: float | None = None,
    device: str = "auto",
) -> Described:
    """The zero-shot model of `classes` for `rows` (what messages call them) of the vector space `own` (None: it is not known).

    Without a `backbone` it is the space's; one of a folder must be given again. Raises UsageError where it is not given, or embeds no texts
    beside its rows, and InputError where it is not the one that embedded the rows.
    """
    shapes, said = templates(given), prompts(class_prompts, classes)
    facts = own.facts if own is not None else {}
    record = _backbone(backbone, own, rows)
    names = {option.name for option in record.options}
    values = {name: facts[name] for name in names - {"weights"} if name in facts}
    if "weights" in names and facts.get("weights") == "none":
        values["weights"] = "none"
    if "device" in names:
        values["device"] = device
    encoder = record.made(values, int(facts.get("seed", 0)))
    if not hasattr(encoder, "embed_texts"):
        raise UsageError(f"--zero-shot: --backbone {record.name} embeds no texts beside its rows", SUITED)
    encoder.prepare(_NoTexts())
    assert isinstance(encoder, TwoTower)
    made = space.made({"backbone": record.identity, "dtype": facts.get("dtype", "float32"), **encoder.space}, f"--backbone {record.name}")
    if own is not None and own.digest != made.digest:
        text = f"{rows} is of another vector space than --backbone {record.name}, and vectors of two cannot be compared"
        raise InputError(f"{text}: {clip(space.apart(made.facts, facts), 300)}", SUITED)
    scale = encoder.temperature if temperature is None else temperature
    vectors = class_vectors(encoder, said, shapes)
    model = ZeroShot(Softmax(vectors * np.float32(scale), np.zeros(len(said), np.float32), np.arange(len(said)), len(said)))
    told = {"zero_shot": list(shapes), "backbone": record.identity, "logit_scale": round(float(scale), 6)}
    if class_prompts is not None:
        told["class_prompts"] = {name: list(texts) for name, texts in said.items() if texts != (name,)}
    return Described(model, tuple(classes), own or made, told)


def _backbone(given: str | None, own: Space | None, rows: str) -> Backbone:
    """The backbone that is given, or that made the rows. Raises UsageError where it is not known."""
    if given is not None:
        return BACKBONES.load(given)
    if own is None:
        raise UsageError(f"--zero-shot needs --backbone: {rows} names no vector space", SUITED)
    name = str(own.facts.get("backbone", ""))
    if own.place:
        raise UsageError(f"--zero-shot: the backbone of {rows} is a {own.place}", f"give it again: --backbone {name}")
    if not name:
        raise UsageError(f"--zero-shot: the vectors of {rows} are a model's, not those of altool embed", SUITED)
    return BACKBONES.load(name)


class _NoTexts:
    """A run without items: what learns from them embeds no texts beside its rows."""

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def sample(self, limit: int) -> list[str]:
        return []
