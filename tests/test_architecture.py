"""The walls of the house, and what must stay light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import features, predictions, probabilities, write

from altool import extras
from altool.strategies import registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "altool"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 450  # lines of a file

# The floors of the house, from the ground: what is in a room (or a module beside the rooms) imports from lower floors only.
FLOORS = (
    ("errors", "text", "seeds"),
    ("console", "documents", "extras", "options", "registry"),
    ("shared", "help", "engines", "metrics"),
    ("catalogue", "kernels", "tables", "payloads"),
    ("strategies", "backbones"),
    ("wrappers", "models"),
    ("labels", "classifiers"),
    ("embedding", "formats", "scoring", "selection"),
    ("simulation", "reporting", "project"),
    ("commands", "conformance"),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# What no file of a room imports at its top; and what not inside a function either.
HEAVY = {"torch", "torchvision", "sklearn", "matplotlib", "scipy", "PIL", "fasttext", "jinja2", "timm", "open_clip"}
HEAVY |= {"transformers", "sentence_transformers", "onnxruntime", "tokenizers", "huggingface_hub", "ray", "usearch"}
TERMINAL = {"typer", "rich", "click"}
ARRAYS_ONLY = {"pyarrow", *TERMINAL, *HEAVY}
FORBIDDEN = {
    "backbones": {*TERMINAL, *HEAVY},
    "classifiers": ARRAYS_ONLY,
    "commands": {"typer", *HEAVY},
    "conformance": {"pytest", *TERMINAL, *HEAVY},
    "embedding": {*TERMINAL, *HEAVY},
    "engines": {*TERMINAL, *HEAVY},
    "formats": {*TERMINAL, *HEAVY},
    "kernels": ARRAYS_ONLY,
    "labels": {*TERMINAL, *HEAVY},
    "metrics": ARRAYS_ONLY,
    "models": ARRAYS_ONLY,
    "payloads": {*TERMINAL, *HEAVY},
    "project": {*TERMINAL, *HEAVY},
    "reporting": {*TERMINAL, *HEAVY},
    "scoring": {*TERMINAL, *HEAVY},
    "selection": {*TERMINAL, *HEAVY},
    "simulation": {*TERMINAL, *HEAVY},
    "strategies": ARRAYS_ONLY,
    "tables": {*TERMINAL, *HEAVY},
    "wrappers": ARRAYS_ONLY,
    "": {"rich", "click", "numpy", "pyarrow", *HEAVY},  # the modules beside the rooms
}
NOWHERE = {key: {"pyarrow", *TERMINAL} for key in ("strategies", "wrappers", "kernels", "metrics")} | {"conformance": {"pytest"}}
DISTRIBUTIONS = {  # of modules named otherwise
    "PIL": "pillow",
    "fasttext": "fasttext-community",
    "open_clip": "open_clip_torch",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
}


def module_of(path: Path) -> str:
    """altool.tables.read of altool/tables/read.py."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path) for path in FILES}


def room_of(module: str) -> str:
    """`tables` of altool.tables.read, `cli` of altool.cli, "" of altool itself."""
    return [*module.split("."), ""][1]


def imports(path: Path, *, inside_functions: bool) -> Iterator[str]:
    """The modules that a file imports: at its top (type checking aside), or anywhere."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = ast.walk(tree) if inside_functions else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else node.module for name in names)


def typing_only(path: Path) -> set[str]:
    """The modules that a file imports for its annotations alone."""
    blocks = [
        node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    return {node.module for block in blocks for node in block.body if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_who_may_import_whom(path: Path) -> None:
    module = module_of(path)
    room = room_of(module)
    top, everywhere = set(imports(path, inside_functions=False)), set(imports(path, inside_functions=True))
    within = room if path.parent != PACKAGE else ""
    assert not {name.split(".")[0] for name in top} & FORBIDDEN[within]
    assert not {name.split(".")[0] for name in everywhere} & NOWHERE.get(within, set())
    assert not {name for name in everywhere if name.startswith(("pickle", "joblib", "shelve"))}
    rooms = {room_of(name) for name in everywhere - typing_only(path) if name.split(".")[0] == "altool"} - {room, ""}
    assert not {other for other in rooms if room and FLOOR[other] >= FLOOR[room]}
    if within == "commands":
        assert not {name for name in everywhere if name.startswith("altool.commands")}


def test_every_room_has_a_floor_and_a_row() -> None:
    rooms = {room_of(name) for name in MODULES} - {""}
    assert rooms <= FLOOR.keys()
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} <= FORBIDDEN.keys()
    assert sum(map(len, FLOORS)) == len(FLOOR)


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module_of(path): {name for name in imports(path, inside_functions=False) if name in MODULES} for path in FILES}
    list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    base, of_extras = (
        {name: {re.split(r"[^\w.-]", requirement)[0] for requirement in wanted} for name, wanted in lists.items()}
        for lists in ({"": project["dependencies"]}, project["optional-dependencies"])
    )
    used = {name.split(".")[0] for path in FILES for name in imports(path, inside_functions=True)} - {*sys.stdlib_module_names, "altool"}
    ours = {extra: {DISTRIBUTIONS.get(name, name) for name in names} for extra, names in extras.MODULES.items()}
    assert {DISTRIBUTIONS.get(name, name) for name in used} <= base[""].union(*(of_extras[extra] for extra in ours))
    assert not {extra: names for extra, names in ours.items() if not names <= of_extras[extra] or names & base[""]}


def test_documents_that_are_named_exist() -> None:
    there = {path.name for path in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *(ROOT / "docs").rglob("*.md"))}
    texts = {path: path.read_text("utf-8") for path in (*FILES, *sorted((ROOT / "tests").rglob("*.py")))}
    named = {(str(path.relative_to(ROOT)), name) for path, text in texts.items() for name in re.findall(r"[\w-]+\.md\b", text)}
    assert not {(path, name) for path, name in named if name not in there}


@pytest.mark.parametrize("name", registry.names())
def test_every_strategy_has_a_test_file_of_its_name(name: str) -> None:
    assert (ROOT / "tests" / "strategies" / f"test_{name.replace('-', '_')}.py").exists()


def loaded(arguments: list[str], cwd: Path) -> set[str]:
    """The top-level modules that a run imports."""
    script = f"import sys; sys.argv[1:] = {arguments!r}\ntry:\n from altool.cli import main; main()\nexcept SystemExit: pass\n"
    script += "print(*sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_help_is_light(tmp_path: Path) -> None:
    assert not loaded(["--help"], tmp_path) & {*HEAVY, "pyarrow", "numpy"}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["margin", "entropy", "least-confidence", "random"])
def test_select_is_light(tmp_path: Path, strategy: str) -> None:
    write(predictions(probabilities(50)), tmp_path / "p.parquet")
    arguments = ["select", "--strategy", strategy, "--budget", "5", "--predictions", "p.parquet", "-o", "q.parquet"]
    assert not loaded(arguments, tmp_path) & HEAVY
    assert (tmp_path / "q.parquet").exists()


@pytest.mark.slow
def test_training_without_torch_does_not_import_it(tmp_path: Path) -> None:
    write(features(probabilities(50)), tmp_path / "f.parquet")
    write(pa.table({"id": [f"row-{row:04d}" for row in range(20)], "label": ["ant", "bee"] * 10}), tmp_path / "l.parquet")
    assert not loaded(["train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m"], tmp_path) & {"torch", "torchvision"}
    assert not loaded(["score", "--model", "m", "--features", "f.parquet", "-o", "p.parquet"], tmp_path) & {"torch", "torchvision"}
    assert (tmp_path / "p.parquet").exists()


@pytest.mark.slow
def test_what_runs_here_imports_no_ray(tmp_path: Path) -> None:
    write(pa.table({"id": ["a", "b"], "text": ["one", "two"]}), tmp_path / "i.parquet")
    assert "ray" not in loaded(["embed", "--items", "i.parquet", "--backbone", "hashing", "-o", "v.parquet"], tmp_path)
    write(features(probabilities(50)), tmp_path / "f.parquet")
    write(pa.table({"id": [f"row-{row:04d}" for row in range(50)], "label": ["ant", "bee"] * 25}), tmp_path / "l.parquet")
    assert "ray" not in loaded(["train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m"], tmp_path)
    assert "ray" not in loaded(["score", "--model", "m", "--features", "f.parquet", "-o", "p.parquet"], tmp_path)
    plan = ["--strategy", "margin", "--seed-size", "5", "--budget", "5", "--rounds", "1", "--repeats", "2", "-o", "runs"]
    assert "ray" not in loaded(["simulate", "--features", "f.parquet", "--labels", "l.parquet", *plan], tmp_path)
    assert {"v.parquet", "p.parquet", "runs"} <= {path.name for path in tmp_path.iterdir()}


COMMANDS = sorted(path.stem.replace("_", "-") for path in (PACKAGE / "commands").glob("[!_]*.py"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_is_in_the_readme(altool: Callable[..., Any], command: str) -> None:
    assert "Usage: altool" in altool(command, "--help").text
    assert f"altool {command}" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", registry.names())
def test_every_strategy_is_in_the_reference(name: str) -> None:
    assert f"## {name}\n" in (ROOT / "docs" / "reference" / "strategies.md").read_text("utf-8")


def test_help_names_the_commands(altool: Callable[..., Any]) -> None:
    text = altool("--help").text
    assert all(command in text for command in COMMANDS)


def test_the_bare_program_prints_its_help_and_no_error(altool: Callable[..., Any]) -> None:
    result = altool(code=2)
    assert "import-labels" in result.text + result.said
    assert "rror" not in result.said
