"""Shared by all tests: the command line as a user has it, and small tables."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Generator, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

# Before a library is imported that reads it: threads that spin while they wait for each other burn the cores of the other tests.
os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}

import numpy as np
import program
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clusters import cluster, machines  # noqa: F401 (fixtures)
from hypothesis import settings
from json_schemas import errors
from object_store import bucket, object_store  # noqa: F401 (fixtures)

from altool.console import Console
from altool.errors import AltoolError
from altool.extras import MODULES, missing

pytest.register_assert_rewrite("similar", "random_subset")  # tests that files import
settings.register_profile("untimed", deadline=None)  # the machine may be busy
settings.load_profile("untimed")

CLASSES = ("ant", "bee", "cat")
WITHOUT = [extra for extra in MODULES if missing(extra)]  # the extras that are not installed here


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where slow tests are left out, files that hold no others are not imported: that alone takes seconds."""
    if config.option.markexpr == "not slow" and collection_path.suffix == ".py":
        return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text("utf-8") or None
    return None


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Skip a test that altool refuses for want of a library of an extra, in its own words: a bare ImportError is a failure."""
    try:
        return (yield)
    except (AltoolError, AssertionError, pytest.fail.Exception) as error:
        if WITHOUT and (said := re.search(r"needs (\w+), which is not installed", str(error))):
            pytest.skip(said[0])
        raise


class Result(subprocess.CompletedProcess[bytes]):
    """A finished run; `text` is standard output, `said` standard error."""

    @property
    def text(self) -> str:
        return self.stdout.decode()

    @property
    def said(self) -> str:
        return self.stderr.decode()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models of other libraries lie that several tests take: see tiny.py."""
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture
def altool(tmp_path: Path) -> Callable[..., Result]:
    """`altool("select", …)` runs the program in the test's folder. `code` is the exit status that is expected."""

    def run(*arguments: object, code: int | None = 0, stdin: bytes | None = None, **environment: str) -> Result:
        with tempfile.TemporaryDirectory() as streams:
            for name in program.STREAMS:
                Path(streams, name).write_bytes(stdin or b"" if name == "stdin" else b"")
            words = [str(argument) for argument in arguments]
            status = program.run(words, tmp_path, {**os.environ, "COLUMNS": "100", **environment}, Path(streams))
            said, text = (Path(streams, name).read_bytes() for name in ("stderr", "stdout"))
        result = Result(words, status, text, said)
        assert code is None or result.returncode == code, f"status {result.returncode}\n{result.said}\n{result.text}"
        return result

    return run


def probabilities(rows: int, classes: int = 3, seed: int = 0) -> np.ndarray:
    """float32 (rows, classes), each row summing to 1."""
    return np.random.default_rng(seed).dirichlet(np.ones(classes), rows).astype(np.float32)


def predictions(matrix: np.ndarray, ids: Sequence[Any] | None = None, classes: Sequence[str] | None = CLASSES) -> pa.Table:
    """A predictions table as the contract has it."""
    ids = ids if ids is not None else [f"row-{number:04d}" for number in range(len(matrix))]
    column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])
    table = pa.table({"id": pa.array(ids), "probabilities": column})
    return (
        table
        if classes is None
        else table.replace_schema_metadata({"altool.kind": "predictions", "altool.classes": json.dumps(list(classes))})
    )


def features(matrix: np.ndarray, ids: Sequence[Any] | None = None) -> pa.Table:
    """A features table as the contract has it."""
    table = predictions(matrix, ids, None)
    return table.rename_columns(["id", "features"])


def write(table: pa.Table, path: Path, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


@cache
def schema_of_reports() -> dict[str, Any]:
    from altool.reporting import summary

    return summary.schema()


class Recorder(Console):
    """A console that keeps what is printed. What a report prints must be of its JSON Schema."""

    def __init__(self) -> None:
        super().__init__(json_output=True)
        self.said: dict[str, Any] = {}

    def _print(self, value: Any) -> None:
        self.said = json.loads(json.dumps(value, allow_nan=False))
        if self.said.get("command") == "report" and "measured_on" in self.said and not self.said.get("dry_run"):
            assert errors(self.said, schema_of_reports()) == []


def known_truth(folder: Path, rows: int, signal: float = 1.0) -> np.ndarray:
    """Writes f.parquet, clusters of three classes whose centres lie `signal` from the origin, and truth.parquet, every fourth row of it
    held out; returns the class numbers."""
    draw = np.random.default_rng(0)
    truth = draw.integers(3, size=rows)
    write(features((np.eye(3, 5)[truth] * signal + draw.normal(size=(rows, 5))).astype(np.float32)), folder / "f.parquet")
    source = ["holdout" if row % 4 == 0 else "seed" for row in range(rows)]
    ids = [f"row-{row:04d}" for row in range(rows)]
    write(pa.table({"id": ids, "label": [CLASSES[code] for code in truth], "source": source}), folder / "truth.parquet")
    return truth


class Page(HTMLParser):
    """Checks that tags nest, and keeps the tags and the text."""

    VOID = ("meta", "br", "link", "img", "hr", "input", "wbr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
