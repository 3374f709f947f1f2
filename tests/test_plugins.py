"""Plug-ins of installed packages, as a user has them: found by their entry points, listed, explained, run and refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import known_truth, predictions, probabilities, write
from test_contributing import RECIPES

pytestmark = pytest.mark.slow
Run = Callable[..., subprocess.CompletedProcess[str]]
PIXELS = 'from dataclasses import replace\nfrom altool.backbones import pixels\nBACKBONE = replace(pixels.BACKBONE, name="mine")\n'
MISSING = "import no_such_library\n"
KINDS = {"strategies": "STRATEGY", "classifiers": "CLASSIFIER", "formats": "FORMAT", "backbones": "BACKBONE"}


@pytest.fixture
def altool(tmp_path: Path) -> Run:
    """Runs the program with the packages of `site` installed."""

    def run(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, (str(tmp_path / "site"), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "altool", *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == code, f"status {done.returncode}\n{done.stderr}\n{done.stdout}"
        return done

    return run


def install(folder: Path, kind: str, name: str, code: str, attribute: str = "") -> None:
    """A package with one module and one entry point, as pip leaves it."""
    module = f"of_{kind}_{name}".replace("-", "_")
    facts = folder / "site" / f"{module}-1.0.dist-info"
    facts.mkdir(parents=True)
    (folder / "site" / f"{module}.py").write_text(code)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[altool.{kind}]\n{name} = {module}:{attribute or KINDS[kind]}\n")


def test_a_strategy(altool: Run, tmp_path: Path) -> None:
    install(tmp_path, "strategies", "tsallis", RECIPES["altool/strategies/tsallis.py"])
    write(predictions(probabilities(30)), tmp_path / "p.parquet")
    known_truth(tmp_path, 40)
    assert "tsallis" in altool("strategies").stdout
    assert "--tsallis-order" in altool("strategies", "tsallis").stdout
    select = ("select", "--strategy", "tsallis", "--budget", 3, "--predictions", "p.parquet", "-o", "q.parquet")
    expected = "tsallis_order: expected a number above 1, found 1"
    assert "--" + expected.replace("_", "-", 1) in altool(*select, "--tsallis-order", 1, code=2).stderr
    altool(*select, "--tsallis-order", 3)
    assert json.loads(pq.read_schema(tmp_path / "q.parquet").metadata[b"altool.provenance"])["options"]["tsallis_order"] == 3
    common = 'features = "f.parquet"\nlabels = "truth.parquet"\nseed_size = 9\nrounds = 1\nbudget = 3\n[[run]]\nstrategy = "tsallis"\n'
    (tmp_path / "bad.toml").write_text(f"{common}tsallis_order = 1\n")
    assert f'run "tsallis", {expected}' in altool("simulate", "--plan", "bad.toml", "-o", "bad", code=2).stderr
    (tmp_path / "plan.toml").write_text(f"{common}tsallis_order = 3\n")
    altool("simulate", "--plan", "plan.toml", "-o", "out", "--jobs", 2)


def test_a_classifier(altool: Run, tmp_path: Path) -> None:
    install(tmp_path, "classifiers", "centroid", RECIPES["altool/classifiers/centroid.py"])
    known_truth(tmp_path, 40)
    assert "--centroid-temperature" in altool("classifiers", "centroid").stdout
    train = ("train", "--classifier", "centroid", "--features", "f.parquet", "--labels", "truth.parquet", "-o", "m")
    refused = altool(*train, "--centroid-temperature", 0, code=2).stderr
    assert "--centroid-temperature: expected a number above 0, found 0" in refused
    altool(*train, "--centroid-temperature", 2)
    altool("score", "--model", "m", "--features", "f.parquet", "-o", "p.parquet")
    assert pq.read_table(tmp_path / "p.parquet").num_rows == 40


def test_a_format(altool: Run, tmp_path: Path) -> None:
    writer = '\nFORMAT = Format("acme", recognizes, read, lambda tasks, classes: {"": str([task.id for task in tasks]).encode()})\n'
    install(tmp_path, "formats", "acme", RECIPES["altool/formats/acme.py"] + writer)
    write(predictions(probabilities(30)), tmp_path / "p.parquet")
    (tmp_path / "e.jsonl").write_text('{"acme_task": 1, "altool_id": "row-0001", "text": "x", "chosen": ["ant"]}\n')
    assert "acme" in altool("formats").stdout
    select = ("select", "--strategy", "margin", "--budget", 1, "--predictions", "p.parquet", "-o", "q.parquet")
    write(pa.table({"id": [f"row-{row:04d}" for row in range(30)], "text": ["x"] * 30}), tmp_path / "items.parquet")
    altool(*select, "--items", "items.parquet", "--export", "acme=todo")
    assert "row-" in (tmp_path / "todo").read_text()
    for number, words in enumerate(((), ("--from", "acme"))):
        assert "imported 1 label" in altool("import-labels", "e.jsonl", "--labels", f"log{number}", *words).stderr


def test_a_backbone(altool: Run, tmp_path: Path) -> None:
    install(tmp_path, "backbones", "mine", PIXELS)
    assert "--image-size" in altool("backbones", "mine").stdout
    refused = altool("embed", "--items", "none.parquet", "--backbone", "mine", "--image-size", 0, "-o", "f.parquet", code=2).stderr
    assert "--image-size: expected a whole number" in refused


def tables(folder: Path) -> None:
    known_truth(folder, 40)
    write(predictions(probabilities(30)), folder / "p.parquet")
    (folder / "e.csv").write_text("altool_id,label\nrow-0001,ant\n")


SELECT = ("select", "--budget", 1, "--predictions", "p.parquet", "-o", "q.parquet", "--strategy")
TRAIN = ("train", "--features", "f.parquet", "--labels", "truth.parquet", "-o", "m", "--classifier")
IMPORT = ("import-labels", "e.csv", "--labels", "log", "--from")
USES = {"strategies": (SELECT, "margin"), "classifiers": (TRAIN, "logistic"), "formats": (IMPORT, "csv")}


@pytest.mark.parametrize("kind", USES)
def test_a_broken_package_stands_in_nobodys_way(altool: Run, tmp_path: Path, kind: str) -> None:
    words, own = USES[kind]
    tables(tmp_path)
    install(tmp_path, kind, "oak", MISSING)
    why = f"oak, of package of_{kind}_oak: it cannot be loaded (ModuleNotFoundError: No module named 'no_such_library')"
    listed = altool(kind)
    assert own in listed.stdout
    assert f"warning: {words[-1]} {why}" in listed.stderr
    altool(words[0], "--help")
    assert f"error: {words[-1]} {why}" in altool(*words, "oak", code=3).stderr
    altool(*words, own)


def test_a_plain_file_may_be_in_the_broken_format(altool: Run, tmp_path: Path) -> None:
    tables(tmp_path)
    install(tmp_path, "formats", "oak", MISSING)
    assert "or name the format: --from csv" in altool(*IMPORT, "auto", code=3).stderr
    refused = altool("select", *SELECT[1:], "margin", "--export", "oak=x", code=3)
    assert "--export oak, of package of_formats_oak: it cannot be loaded" in refused.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("STRATEGY = 7\n", "expected an altool Strategy, found int"),
        ("import sys\nsys.exit('no licence')\n", "it cannot be loaded (SystemExit: no licence)"),
        ("from altool.strategies.margin import STRATEGY\n", "expected a record of that name, found 'margin'"),
    ],
)
def test_what_is_no_strategy_of_that_name_is_refused(altool: Run, tmp_path: Path, code: str, said: str) -> None:
    install(tmp_path, "strategies", "oak", code)
    assert f"--strategy oak, of package of_strategies_oak: {said}" in altool("strategies", "oak", code=3).stderr


def test_altools_own_wins(altool: Run, tmp_path: Path) -> None:
    install(tmp_path, "strategies", "margin", MISSING)
    assert "smallest gap" in altool("strategies", "margin").stdout
    assert altool("strategies").stderr == ""


def test_an_option_that_is_the_commands_is_not_taken_over(altool: Run, tmp_path: Path) -> None:
    code = RECIPES["altool/strategies/tsallis.py"].replace("tsallis_order", "budget")
    install(tmp_path, "strategies", "tsallis", code)
    write(predictions(probabilities(30)), tmp_path / "p.parquet")
    altool(*SELECT, "tsallis")
    assert pq.read_table(tmp_path / "q.parquet").num_rows == 1
