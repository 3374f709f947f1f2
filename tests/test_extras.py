"""A library of an extra is imported where it is there, and where it is not, the message is the line to type."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Recorder
from extra import library as skip_without

from altool import backbones, extras
from altool.backbones import BACKBONES, networks
from altool.commands import classifiers
from altool.engines import device
from altool.errors import UsageError
from altool.extras import library
from altool.models import registry, store
from altool.options import flag


def test_one_that_is_there() -> None:
    assert library("json.decoder", "all", "--backbone x") is sys.modules["json.decoder"]


def test_one_that_is_missing_says_what_to_type() -> None:
    with pytest.raises(UsageError) as caught:
        library("no_such_library.part", "timm", "--backbone timm:x")
    assert caught.value.message == "--backbone timm:x needs no_such_library, which is not installed"
    assert caught.value.hint == "type: pip install 'altool[timm]'"


def test_one_that_is_broken_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("import its_missing_part\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"broken_library cannot be imported .No module named 'its_missing_part'"):
        library("broken_library", "timm", "--backbone timm:x")


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no extra were installed."""
    for name in (name for names in extras.MODULES.values() for name in names):
        monkeypatch.setitem(sys.modules, name, None)


def deep_model(monkeypatch: pytest.MonkeyPatch) -> store.Stored:
    monkeypatch.setattr(store, "read_facts", lambda location: {"classifier": "mlp", "classes": ["ant", "bee"]})
    return store.load("m")


DOORS: dict[str, tuple[Callable[[pytest.MonkeyPatch], Any], str]] = {
    "--backbone resnet18 needs torch": (lambda patch: backbones.create("resnet18"), "torch"),
    "--backbone fasttext needs fasttext": (lambda patch: backbones.create("fasttext", weights="none"), "fasttext"),
    "--classifier mlp needs torch": (lambda patch: registry.own_of_command(registry.classifier("mlp"), {}), "torch"),
    "--classifier resnet18 needs torch": (lambda patch: registry.own_of_command(registry.classifier("resnet18"), {}), "torch"),
    "--classifier fasttext needs fasttext": (lambda patch: registry.own_of_plan(registry.classifier("fasttext"), {}, flag), "fasttext"),
    "--device auto needs torch": (lambda patch: device.choose("auto"), "torch"),
    "model m: classifier mlp needs torch": (deep_model, "torch"),
}


@pytest.mark.parametrize("said", DOORS)
def test_what_is_missing_is_said_at_the_door(said: str, base: None, monkeypatch: pytest.MonkeyPatch) -> None:
    call, extra = DOORS[said]
    with pytest.raises(UsageError, match=f"^{re.escape(said)}, which is not installed$") as caught:
        call(monkeypatch)
    assert caught.value.hint == f"type: pip install 'altool[{extra}]'"


def test_an_unknown_name_stays_unknown(base: None) -> None:
    with pytest.raises(UsageError, match="'resnet19' is unknown") as caught:
        BACKBONES.load("resnet19")
    assert "resnet18" in caught.value.hint
    with pytest.raises(UsageError, match="'resnet19' is unknown"):
        registry.classifier("resnet19")


def test_what_the_base_does_without_an_extra(base: None) -> None:
    for name in ("logistic", "svm", "linear-svm"):
        assert registry.own_of_command(registry.classifier(name), {})
    for name in ("pixels", "hashing"):
        assert backbones.create(name)


def test_lists_say_what_is_missing(base: None) -> None:
    assert extras.mark("torch") == " (not installed: pip install 'altool[torch]')"
    assert extras.mark("") == ""
    console = Recorder()
    classifiers.run(classifiers.Options(), console)
    found = {one["name"]: (one["extra"], one["installed"]) for one in console.said["classifiers"]}
    assert found["mlp"] == ("torch", False)
    assert found["logistic"] == (None, True)


def test_a_backbone_of_an_extra_says_so() -> None:
    named = {name: record.extra for name, record in BACKBONES.every().items() if name in extras.MODULES}
    assert named == {name: name for name in named}
    assert {record.extra for record in (*BACKBONES.every().values(), *registry.REGISTRY.every().values())} <= {"", *extras.MODULES}


def test_the_networks_are_those_of_torchvision() -> None:
    models = skip_without("torchvision.models")
    assert set(models.list_models(module=models)) <= set(networks.NAMES)
    assert sorted(networks.NAMES) == networks.NAMES
