"""Runs the program in a process forked from one that has imported its libraries already: the same run, without a second of imports."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    if arguments[:1] == ["round"] and environment.get("ALTOOL_TESTS_FORK"):
        from altool.project import running

        running.subprocess.run = _forked  # type: ignore[assignment]
    from altool.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()


RUN = subprocess.run
_kept: list[object] = []


def _forked(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, **others: Any
) -> subprocess.CompletedProcess[bytes]:
    """What `altool round` runs as processes of their own, as forks of this one; a hook as it is."""
    if env is None:
        return RUN(command, cwd=cwd, **others)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(said.fileno(), 2)
            _kept.extend((sys.stdin, sys.stdout, sys.stderr))  # they would close the new ones
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
            os.chdir(cwd)
            os.environ.clear()
            os.environ.update(env)
            sys.argv = ["altool", *command[command.index("altool") + 1 :]]
            from altool.cli import main

            status = 1
            try:
                main()
            except SystemExit as end:
                status = int(end.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        out.seek(0)
        said.seek(0)
        return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(ended), out.read(), said.read())
