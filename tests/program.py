"""Runs the program in a process forked from one that has imported its libraries already: the same run, without a second of imports."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
LIBRARIES = (
    *("pyarrow.parquet", "pyarrow.compute", "pyarrow.dataset", "rich.table", "safetensors.numpy"),
    *("torch", "torchvision", "sklearn.linear_model", "sklearn.svm", "pydantic"),
)
COMMANDS = ("embed", "train", "score", "select", "import_labels", "simulate", "report", "compare")
FORKS.set_forkserver_preload(["program", "altool.cli", *(f"altool.commands.{name}" for name in COMMANDS), *LIBRARIES])
STREAMS = ("stdin", "stdout", "stderr")


def run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Path) -> int:
    """The exit status of `altool ARGUMENTS` in `folder`; its standard streams are the files of that name in `streams`."""
    process = FORKS.Process(target=_altool, args=(list(arguments), str(folder), dict(environment), str(streams)))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _altool(arguments: list[str], folder: str, environment: dict[str, str], streams: str) -> None:
    for number, name in enumerate(STREAMS):
        os.dup2(os.open(os.path.join(streams, name), os.O_RDONLY if name == "stdin" else os.O_WRONLY), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["altool", *arguments]
    from altool.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()
