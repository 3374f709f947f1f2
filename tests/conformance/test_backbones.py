"""Every backbone keeps what backbones promise; and one that does not is found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import tiny
from tiny_models import clip_folder

from altool.backbones import BACKBONES
from altool.backbones.hashing import Hashing
from altool.backbones.pixels import Pixels
from altool.backbones.shape import Backbone
from altool.conformance.backbones import CHECKS
from altool.options import Option

pytestmark = pytest.mark.slow

# Networks and learned vectors begin with random weights here: nothing is downloaded.
DEFAULTS: dict[str, Any] = {"weights": "none", "image_size": 32, "minibatch": 2, "device": "cpu", "width": 8}
MEMBERS = {  # of families
    "clip": lambda folder: f"clip:{clip_folder(folder)}",
    "timm": lambda folder: "timm:test_efficientnet",
    **{name: partial(tiny.member, name) for name in tiny.FAMILIES},
}


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Backbones by their names, a small one of each family."""
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MEMBERS.items()}


def small(name: str) -> Backbone:
    record, defaults = BACKBONES.load(name), DEFAULTS
    if name.partition(":")[0] in tiny.FAMILIES:  # their models are of texts, whatever else the family reads
        record, defaults = replace(record, reads=("text",)), {"device": "cpu"}
    return replace(record, options=tuple(replace(own, default=defaults.get(own.name, own.default)) for own in record.options))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", [*BACKBONES.own, "resnet18"])
def test_every_backbone(members: dict[str, str], name: str, check: str) -> None:
    CHECKS[check](small(members.get(name, name)))


class Company(Pixels):
    """Vectors that depend on the other rows."""

    def embed(self, values: np.ndarray) -> np.ndarray:
        found = super().embed(values)
        return found - found.mean(axis=0, dtype=np.float32)


class Wide(Pixels):
    """Vectors of another type."""

    def embed(self, values: np.ndarray) -> np.ndarray:
        return super().embed(values).astype(np.float64)


class Changing(Pixels):
    """Changes what it is given."""

    def embed(self, values: np.ndarray) -> np.ndarray:
        values //= 2
        return super().embed(values)


class Forgetful(Hashing):
    """A fit that keeps nothing of what was learned."""

    def _load(self, path: Any) -> None:
        self._fit_svd(["other words"])


@pytest.mark.parametrize(
    ("name", "check", "fault"),
    [
        ("pixels", "company", lambda record: replace(record, create=Company)),
        ("pixels", "shape_and_type", lambda record: replace(record, create=Wide)),
        ("pixels", "inputs_unchanged", lambda record: replace(record, create=Changing)),
        ("hashing", "fit_keeps", lambda record: replace(record, create=Forgetful)),
        ("hashing", "options_checked", lambda record: replace(record, options=(Option("width", int, 8),))),
    ],
)
def test_a_fault_is_found(name: str, check: str, fault: Callable[[Backbone], Backbone]) -> None:
    with pytest.raises(AssertionError):
        CHECKS[check](fault(small(name)))
