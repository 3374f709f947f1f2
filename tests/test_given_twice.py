"""An option of a single value that is given twice is refused, on every command; lists and plain flags may be repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from altool import cli

COMMANDS = ("embed", "index", "train", "score", "select", "import-labels", "simulate", "report", "compare", "check")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_single_value(command: str) -> None:
    from altool.errors import UsageError

    parsed = cli.command(command)
    single = [option for option in parsed.params if option.opts[0].startswith("-") and not option.multiple and not option.is_flag]
    assert single
    for option in single:
        name = max(option.opts, key=len)
        with pytest.raises(UsageError, match=f"{name} is given twice"):
            parsed.make_context(command, [name, "1", option.opts[0], "2"])


def test_what_it_says(altool: Callable[..., Any]) -> None:
    done = altool("select", "--strategy", "random", "--seed", 1, "--seed=2", code=2)
    assert done.said == "error: --seed is given twice\nhint: give it once: it takes a single value\n"
    assert "--output is given twice" in altool("select", "--strategy", "random", "-o", "a", "--output", "b", code=2).said
    assert "--wait is given twice" in altool("select", "--strategy", "direct", "--wait", "--no-wait", code=2).said


def test_flags_and_lists_may_be_repeated(altool: Callable[..., Any]) -> None:
    altool("select", "--list-strategies", "--quiet", "--quiet", "--json", "--json")
    assert "no such file" in altool("import-labels", "e", "--labels", "log", "--skip-value", "a", "--skip-value", "b", code=3).said
