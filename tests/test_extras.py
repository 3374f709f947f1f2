"""A library of an extra is imported where it is there, and where it is not, the message is the line to type."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from altool.errors import UsageError
from altool.extras import library


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
