"""The walls of the house, and what must stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import features, predictions, probabilities, write

from altool.strategies import registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "altool"
HEAVY = {"torch", "torchvision", "sklearn", "matplotlib", "scipy", "PIL", "fasttext"}
TERMINAL = {"typer", "rich", "click"}
FORBIDDEN = {
    "strategies": {"pyarrow", *TERMINAL, *HEAVY},
    "wrappers": {"pyarrow", *TERMINAL, *HEAVY},
    "kernels": {"pyarrow", *TERMINAL, *HEAVY},
    "metrics": {"pyarrow", *TERMINAL, *HEAVY},
    "simulation": {*TERMINAL, *HEAVY},
    "selection": {*TERMINAL, *HEAVY},
    "models": {"pyarrow", *TERMINAL, *HEAVY},
    "tables": {*TERMINAL, *HEAVY},
    "commands": {"typer", *HEAVY},
    "": HEAVY,
}


def imports(path: Path, *, inside_functions: bool) -> Iterator[str]:
    """The modules that a file imports: at its top (type checking aside), or anywhere."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = ast.walk(tree) if inside_functions else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_who_may_import_whom(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else ""
    top = {name.split(".")[0] for name in imports(path, inside_functions=False)}
    assert not top & FORBIDDEN.get(room, HEAVY)
    everywhere = set(imports(path, inside_functions=True))
    if room in ("strategies", "wrappers", "kernels", "metrics"):
        assert not {name.split(".")[0] for name in everywhere} & {"pyarrow", *TERMINAL}
        assert not any(name.startswith(("altool.tables", "altool.commands", "altool.console")) for name in everywhere)
    if room == "commands":
        assert not any(name.startswith("altool.commands") for name in everywhere)
    assert not any(name.startswith(("pickle", "joblib", "shelve")) for name in everywhere)


def loaded(arguments: list[str], cwd: Path) -> set[str]:
    """The top-level modules that a run imports."""
    script = f"import sys; sys.argv[1:] = {arguments!r}\ntry:\n from altool.cli import main; main()\nexcept SystemExit: pass\n"
    script += "print(*sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_help_is_light(tmp_path: Path) -> None:
    assert not loaded(["--help"], tmp_path) & {*HEAVY, "pyarrow", "numpy"}


@pytest.mark.parametrize("strategy", ["margin", "entropy", "least-confidence", "random"])
def test_select_is_light(tmp_path: Path, strategy: str) -> None:
    write(predictions(probabilities(50)), tmp_path / "p.parquet")
    arguments = ["select", "--strategy", strategy, "--budget", "5", "--predictions", "p.parquet", "-o", "q.parquet"]
    assert not loaded(arguments, tmp_path) & HEAVY
    assert (tmp_path / "q.parquet").exists()


def test_training_without_torch_does_not_import_it(tmp_path: Path) -> None:
    write(features(probabilities(50)), tmp_path / "f.parquet")
    write(pa.table({"id": [f"row-{row:04d}" for row in range(20)], "label": ["ant", "bee"] * 10}), tmp_path / "l.parquet")
    assert not loaded(["train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m"], tmp_path) & {"torch", "torchvision"}
    assert not loaded(["score", "--model", "m", "--features", "f.parquet", "-o", "p.parquet"], tmp_path) & {"torch", "torchvision"}
    assert (tmp_path / "p.parquet").exists()


COMMANDS = ("embed", "train", "score", "select", "import-labels", "simulate", "report")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_is_in_the_readme(altool: Callable[..., Any], command: str) -> None:
    assert "Usage: altool" in altool(command, "--help").text
    assert f"altool {command}" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", registry.names())
def test_every_strategy_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in (ROOT / "README.md").read_text("utf-8")


def test_help_names_the_commands(altool: Callable[..., Any]) -> None:
    text = altool("--help").text
    assert all(command in text for command in COMMANDS)


def test_the_bare_program_prints_its_help_and_no_error(altool: Callable[..., Any]) -> None:
    result = altool(code=2)
    assert "import-labels" in result.text + result.said
    assert "rror" not in result.said
