"""Kernels on another device (pretend.py): what they find on the host."""

from __future__ import annotations

import pytest
from pretend import pretending
from special_rows import KERNELS, KINDS, special

from altool.conformance.strategies import pick
from altool.kernels import blocks, herding
from altool.strategies import registry

MATRICES = ("features", "probabilities", "labeled_features", "labeled_probabilities")


@pytest.mark.parametrize("name", KERNELS)
def test_special_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "DEVICE_BLOCK", 96)
    monkeypatch.setattr(herding, "DEVICE_PART", 1024)
    for kind in KINDS:
        given = special(kind, 200)
        wanted = pick(registry.load(name), dict(given), 25)
        with pretending() as away:
            found = pick(registry.load(name), given | {key: away(given[key]) for key in MATRICES}, 25)
        assert found.tolist() == wanted.tolist(), kind
