"""The recipes of CONTRIBUTING.md run as they are printed."""

from __future__ import annotations

import importlib.util
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
CODE = re.compile(r"`((?:altool|tests)/[\w/]+\.py)`[^`]*:\n\n```python\n(.*?)```", re.DOTALL)
RECIPES = dict(CODE.findall(TEXT))
REGISTRIES = {
    "altool/strategies/tsallis.py": ("altool.strategies.registry", "REGISTRY"),
    "altool/classifiers/centroid.py": ("altool.models.registry", "REGISTRY"),
    "altool/formats/acme.py": ("altool.labels.registry", "FORMATS"),
}


def module(path: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The code of a recipe as the module that it is to be."""
    name = path.removesuffix(".py").replace("/", ".")
    found = importlib.util.module_from_spec(ModuleSpec(name, None))
    monkeypatch.setitem(sys.modules, name, found)
    if name.startswith("altool."):
        package, _, leaf = name.rpartition(".")
        monkeypatch.setattr(importlib.import_module(package), leaf, found, raising=False)
    exec(compile(RECIPES[path], path, "exec"), found.__dict__)
    return found


def test_every_recipe_has_its_test() -> None:
    assert len(RECIPES) == 2 * len(REGISTRIES)
    assert set(REGISTRIES) <= set(RECIPES)


@pytest.mark.parametrize("path", REGISTRIES)
def test_a_recipe_runs(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, name = REGISTRIES[path]
    registry = getattr(importlib.import_module(place), name)
    assert isinstance(getattr(module(path, monkeypatch), registry.attribute), registry.record())
    tests = [test for test in RECIPES if test.startswith("tests/") and Path(test).stem == f"test_{Path(path).stem}"]
    found = module(tests[0], monkeypatch)
    checks = [check for name, check in vars(found).items() if name.startswith("test_")]
    assert checks
    for check in checks:
        check()
