"""The help of every command, as golden files: ALTOOL_GOLDEN=1 pytest tests/test_help.py rewrites them."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable
from typing import Any

import pytest
from golden_files import GOLDEN, equals_golden

import altool.commands

COMMANDS = [module.name.replace("_", "-") for module in pkgutil.iter_modules(altool.commands.__path__)]


def stripped(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_as_printed(altool: Callable[..., Any], command: str) -> None:
    equals_golden(stripped(altool(command, "--help", COLUMNS="100").text), f"help/{command}.txt")


def test_help_of_the_program_is_as_printed(altool: Callable[..., Any]) -> None:
    equals_golden(stripped(altool("--help", COLUMNS="100").text), "help/altool.txt")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_is_cut_at_80_columns(altool: Callable[..., Any], command: str) -> None:
    wide, narrow = (set(re.findall(r"--[\w…-]+", altool(command, "--help", COLUMNS=columns).text)) for columns in ("300", "80"))
    assert not {name for name in narrow if "…" in name}
    assert wide == narrow


@pytest.mark.slow
@pytest.mark.parametrize(("command", "others"), [("select", "strategies"), ("train", "classifiers"), ("embed", "backbones")])
def test_help_is_read_in_two_screens(altool: Callable[..., Any], command: str, others: str) -> None:
    """Before: 250 lines of `select --help` at 80 columns, with the options of all strategies."""
    lines = altool(command, "--help", COLUMNS="80").text.rstrip().splitlines()
    assert len(lines) <= 100
    assert lines[-1] == f"Options of one of the {others}: altool {others} NAME"


def test_every_golden_help_is_of_a_command() -> None:
    assert {path.stem for path in (GOLDEN / "help").iterdir()} == {"altool", *COMMANDS}
