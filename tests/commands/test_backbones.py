"""`altool backbones`, and a backbone of another package."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from altool.backbones import BACKBONES, create, networks
from altool.backbones.pixels import BACKBONE, Pixels
from altool.commands import backbones, embed
from altool.console import Console
from altool.errors import UsageError

MINE = replace(BACKBONE, name="mine")
NO_BACKBONE = 7


def added(monkeypatch: pytest.MonkeyPatch, attribute: str) -> None:
    monkeypatch.setitem(BACKBONES.__dict__, "added", {"mine": EntryPoint("mine", f"{__name__}:{attribute}", "altool.backbones")})


def test_every_backbone_is_listed_or_one_explained(capsys: pytest.CaptureFixture[str]) -> None:
    backbones.run(backbones.Options(), Console(json_output=True))
    found = json.loads(capsys.readouterr().out)
    assert [fact["name"] for fact in found["backbones"]] == ["clip", "fasttext", "hashing", "hf", "onnx", "pixels", "st", "timm"]
    assert "resnet18" in found["networks"]
    backbones.run(backbones.Options(name="hashing"), Console())
    assert "--projection" in capsys.readouterr().out
    with pytest.raises(UsageError, match="--backbone: 'pixel' is unknown") as refused:
        backbones.run(backbones.Options(name="pixel"), Console())
    assert "pixels" in refused.value.hint


def test_a_backbone_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    added(monkeypatch, "MINE")
    assert isinstance(create("mine", image_size=4), Pixels)
    titles = [title for title, _ in embed.owned()]
    assert titles == ["Networks of torchvision", "clip", "fasttext", "hashing", "hf", "mine", "onnx", "pixels", "st", "timm"]


def test_a_broken_one_stands_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    added(monkeypatch, "NO_BACKBONE")
    assert "mine" not in [title for title, _ in embed.owned()]


def test_no_option_of_a_backbone_is_one_of_the_command_too() -> None:
    owned = {option.name for _, options in embed.owned() for option in options}
    of_files = {"prompt", "pooling", "resize", "mean", "std", "tokenizer", "max_tokens", "tensor"}
    assert owned == {"weights", "image_size", "minibatch", "width", "projection", "gray", *of_files}
    assert "device" in {option.name for option in networks.OPTIONS}
