"""`altool.toml` and `targets.toml` as they are written: what is chosen comes back whatever it holds, and all the rest can be set."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.errors import UsageError
from altool.project import settings, writing
from altool.tables.read import Reader
from altool.tables.targets import read_targets

pytestmark = pytest.mark.slow

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CLASSES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0,"), min_size=1, max_size=20)


@given(st.recursive(TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False), st.lists, max_leaves=5))
def test_a_value_comes_back(value: object) -> None:
    assert tomllib.loads(f"x = {writing.toml(value)}  # end\ny = 1") == {"x": value, "y": 1}


def test_a_text_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'a\\udcff': not UTF-8"):
        writing.toml("a\udcff")


@given(st.lists(CLASSES, min_size=2, max_size=4), CLASSES, CLASSES)
def test_hostile_names_survive(classes: list[str], items: str, name: str) -> None:
    text = writing.settings({"project": {"items": items, "name": name, "classes": classes}, "embed": {"backbone": "hashing"}})
    found = settings.parse(Path("x"), tomllib.loads(text))
    assert (found.project["items"], found.name, found.project["classes"]) == (items, name, ",".join(classes))
    assert found.commands["embed"] == {"backbone": "hashing"}
    assert tomllib.loads(writing.targets(classes))["default"]["target"] == 0.9


def lines(text: str) -> list[str]:
    """The keys, commented out or not."""
    return [line.removeprefix("# ").partition(" = ")[0] for line in text.splitlines() if " = " in line and not line.startswith("# Lines")]


def test_every_key_is_there_and_can_be_set() -> None:
    text = writing.settings({"project": {"items": "i"}})
    body = text.removeprefix(writing.HEAD)
    keys = [option.name for options in settings.SECTIONS.values() for option in options]
    assert lines(body)[: len(keys)] == keys
    assert tomllib.loads(text)["project"] == {"items": "i"}
    uncommented = "\n".join(line.removeprefix("# ") if " = " in line else line for line in body.splitlines())
    found = settings.parse(Path("x"), tomllib.loads(uncommented))
    assert found.round["close_after"] == 3 * 86400
    assert set(found.hooks) == set(settings.EVENTS)
    assert found.commands.keys() == writing.OFTEN.keys()


def test_every_key_has_its_help_and_default() -> None:
    text = writing.settings({"project": {"items": "i"}})
    assert '# The label log. [labels]\n# labels = "labels"\n' in text
    assert "# Close a round at this share of its answers. [1]\n# close_at = 1.0\n" in text
    assert '\n[select]\n# How to choose; altool strategies lists them. [auto]\n# strategy = "auto"\n' in text
    assert all(option.help in text for options in settings.SECTIONS.values() for option in options)


def test_a_key_that_is_not_shown_can_be_chosen_too() -> None:
    text = writing.settings({"project": {"items": "i"}, "select": {"seed": 3}})
    assert tomllib.loads(text)["select"] == {"seed": 3}


def test_the_targets_are_targets(tmp_path: Path) -> None:
    for text in (writing.targets(["a\nb"]), writing.targets(["a\nb"]).replace("# [", "[").replace("# t", "t").replace("# c", "c")):
        (tmp_path / "targets.toml").write_text(text, "utf-8", newline="")
        found = read_targets(Reader(), str(tmp_path / "targets.toml"))
        assert found.default is not None
        assert (found.default.metric, found.default.target, found.confidence) == ("f1", 0.9, 0.95)
    assert found.named["a\nb"].target == 0.85
