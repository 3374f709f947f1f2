"""Runs the program in a process forked from one that has imported its libraries already: the same run, without a second of imports."""

from __future__ import annotations

import atexit
import contextlib
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["preloaded"])
STREAMS = ("stdin", "stdout", "stderr")


@cache
def start() -> None:
    """Start the process that others are forked from, if there is none yet: it imports what lies beside this file, and where altool is."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # it is not told until Python 3.14
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Path) -> int:
    """The exit status of `altool ARGUMENTS` in `folder`; its standard streams are the files of that name in `streams`."""
    start()
    process = FORKS.Process(target=_altool, args=(list(arguments), str(folder), dict(environment), str(streams)))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


class Running:
    """`altool ARGUMENTS` as it runs in `folder`. What is killed does nothing more: it is a process of its own."""

    def __init__(self, arguments: Sequence[object], folder: Path, **environment: str) -> None:
        self._streams = Path(tempfile.mkdtemp(prefix="altool-"))
        for name in STREAMS:
            (self._streams / name).touch()
        start()
        words = [str(argument) for argument in arguments]
        self._process = FORKS.Process(target=_altool, args=(words, str(folder), {**os.environ, **environment}, str(self._streams)))
        self._process.start()

    @property
    def runs(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> int:
        """Its exit status: that of the signal, unless it had ended."""
        self._process.kill()
        return self.end()[0]

    def end(self) -> tuple[int, str]:
        """Its exit status (negative: the signal that ended it) and its standard error, once it has ended."""
        self._process.join()
        assert self._process.exitcode is not None
        said = (self._streams / "stderr").read_text()
        shutil.rmtree(self._streams)
        return self._process.exitcode, said


def _altool(arguments: list[str], folder: str, environment: dict[str, str], streams: str) -> None:
    opened = [os.open(os.path.join(streams, name), os.O_RDONLY if name == "stdin" else os.O_WRONLY) for name in STREAMS]
    try:
        _become(arguments, folder, environment, opened)
    finally:
        atexit._run_exitfuncs()


def _become(arguments: Sequence[str], folder: str, environment: Mapping[str, str], opened: Sequence[int]) -> None:
    """Run `altool ARGUMENTS` in this process, which is a fork, with the descriptors `opened` as its standard streams."""
    _kept.extend((sys.stdin, sys.stdout, sys.stderr))  # they would close the new ones
    for number, descriptor in enumerate(opened):
        os.dup2(descriptor, number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["altool", *arguments]
    if arguments[:1] == ["round"] and environment.get("ALTOOL_TESTS_FORK"):
        from altool.project import running

        running.subprocess.run = _forked  # type: ignore[assignment]
    from altool.cli import main

    main()


def _fork(arguments: Sequence[str], folder: str, environment: Mapping[str, str], opened: Sequence[int]) -> int:
    """The exit status of `altool ARGUMENTS` in a fork of this process."""
    child = os.fork()
    if not child:
        status = 1
        try:
            _become(arguments, folder, environment, opened)
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


RUN = subprocess.run
_kept: list[object] = []


def _forked(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, **others: Any
) -> subprocess.CompletedProcess[bytes]:
    """What `altool round` runs as processes of their own, as forks of this one; a hook as it is."""
    if env is None:
        return RUN(command, cwd=cwd, **others)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said, open(os.devnull) as nothing:
        opened = [file.fileno() for file in (nothing, out, said)]
        status = _fork(command[command.index("altool") + 1 :], str(cwd), env, opened)
        out.seek(0)
        said.seek(0)
        return subprocess.CompletedProcess(command, status, out.read(), said.read())


CLIENT = """#!{python} -IS
import json, os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
socket.send_fds(link, [json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()], [0, 1, 2])
link.shutdown(socket.SHUT_WR)
sys.exit(int(link.recv(9)))
"""


@contextlib.contextmanager
def on_path() -> Iterator[Path]:
    """A folder for the PATH of a shell, in which `altool` runs as a fork of a process that has imported its libraries."""
    with tempfile.TemporaryDirectory(prefix="altool-") as folder:
        address = os.path.join(folder, "socket")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen()
        start()
        server = FORKS.Process(target=_serve, args=(listener,))
        server.start()
        client = Path(folder, "altool")
        client.write_text(CLIENT.format(python=sys.executable, address=address))
        client.chmod(0o755)
        try:
            yield Path(folder)
        finally:
            server.kill()
            server.join()


def _serve(listener: socket.socket) -> None:
    while True:
        link, _ = listener.accept()
        if not os.fork():
            if not os.fork():  # nobody has to wait for a grandchild
                _answer(link)
            os._exit(0)
        link.close()
        os.wait()


def _answer(link: socket.socket) -> None:
    part, opened, _, _ = socket.recv_fds(link, 1 << 16, len(STREAMS))
    request = part
    while part:
        request += (part := link.recv(1 << 16))
    arguments, folder, environment = json.loads(request)
    status = _fork(arguments, folder, environment, opened)
    link.sendall(str(status).encode())
    os._exit(0)
