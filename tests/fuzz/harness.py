"""Runs altool on one hostile input after another, and says what no run may do, whatever it was given.

A process that has everything imported runs one case after the other, so that each costs hundredths of a second; one that dies or hangs
takes only its own case with it, and another process goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import multiprocessing
import os
import pkgutil
import re
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import program
import pyarrow.parquet as pq

LIMIT = 20.0  # seconds of the clock for a run
OUTPUT = "out"  # a run writes into this folder of its case, and nowhere else
LINES, CHARACTERS = 25, 4000  # a screen
MEMORY = 3 << 30  # of data, for a run

# C0 but for the line feed, DEL, C1, what turns the writing's direction or ends a line, and what stands for a byte that is no UTF-8.
UNSHOWN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\udc80-\udcff]")
FOREIGN = re.compile(  # what only programmers can make use of
    r"Traceback|internal error|terminate called|Check failed|Status: |\bstd::|\.(?:cc|cpp|h|py):\d+|<class '|0x[0-9a-f]{8}"
    r"|object has no attribute|not subscriptable|'NoneType'|unhashable|index out of range"
)


@dataclass(frozen=True)
class Run:
    """One call: its words, its folder, and what is fed to its pipes (`location` -> file); a file for standard input."""

    words: tuple[str, ...]
    folder: Path
    stdin: Path | None = None
    feeds: dict[str, Path] = field(default_factory=dict)

    @property
    def shell(self) -> str:
        """The same call, for people."""
        words = " ".join(
            re.sub(r"^.*[^\w/.,:=+-].*$|^$", lambda word: "$'" + repr(word[0])[1:-1] + "'", word, flags=re.S) for word in self.words
        )
        return f"cd {self.folder} && altool {words}" + (f" < {self.stdin}" if self.stdin else "")


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit status (negative: the signal that killed it; None: it hung), and what it said."""

    status: int | None
    stdout: bytes
    stderr: bytes

    @property
    def said(self) -> str:
        return self.stderr.decode("utf-8", "surrogateescape")


class Runner:
    """A process that runs altool again and again."""

    def __init__(self) -> None:
        program.start()
        ours, theirs = program.FORKS.Pipe()
        self._pipe = ours
        self._process = program.FORKS.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def __call__(self, run: Run, limit: float = LIMIT) -> Ended:
        self._pipe.send((run, limit))
        return self._pipe.recv()

    def close(self) -> None:
        self._pipe.close()
        self._process.join()


def _serve(pipe: Any) -> None:
    """Runs in a process of its own: has a worker do what is asked for, and begins another one when that is gone."""
    import pyarrow as pa
    from extra import torch

    import altool
    from altool import cli

    for module in pkgutil.walk_packages(altool.__path__, "altool."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    torch.set_num_threads(1)  # on tables of a few rows, threads wait for each other
    pa.set_cpu_count(1)
    missing = "/nonexistent/table"  # each command is parsed once, which imports what parses it
    for words in (
        *(["select", "--strategy", "margin"], ["embed", "--items", missing, "-o", missing], ["train", "--labels", missing, "-o", missing]),
        *(["score", "--model", missing, "-o", missing], ["report"], ["import-labels", "--labels", missing], ["simulate", "-o", missing]),
    ):
        with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
            sys.argv = ["altool", *words]
            cli.main()
    worker = None
    with contextlib.suppress(EOFError):
        while True:
            run, limit = pipe.recv()
            alone = bool(run.stdin or run.feeds)  # what is read once only, and threads that wait
            one = _Worker() if alone or worker is None else worker
            ended = one.ended(run, limit)
            worker = worker if alone else one
            if ended.status is None or ended.status < 0:
                worker = worker if alone else None
            elif alone:
                one.stop()
            pipe.send(ended)
    if worker:
        worker.stop()


class _Worker:
    """A child that runs altool again and again, until something ends it."""

    def __init__(self) -> None:
        mine, theirs = multiprocessing.Pipe()
        self.pid = os.fork()
        if not self.pid:
            mine.close()
            _work(theirs)
        theirs.close()
        self.pipe = mine

    def ended(self, run: Run, limit: float) -> Ended:
        streams = {name: run.folder / f".{name}" for name in ("stdout", "stderr")}
        self.pipe.send((run, streams))
        status = None
        try:
            if self.pipe.poll(limit):
                status = self.pipe.recv()
            else:
                self.stop()
        except EOFError:
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        said = {name: path.read_bytes() if path.exists() else b"" for name, path in streams.items()}
        for path in streams.values():
            path.unlink(missing_ok=True)
        return Ended(status, **said)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _work(pipe: Any) -> None:
    """Be the program, again and again; never returns."""
    os.setsid()
    os.environ["COLUMNS"] = "100"
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        while True:
            run, streams = pipe.recv()
            pipe.send(_status(run, streams))
    finally:
        os._exit(70)


def _status(run: Run, streams: dict[str, Path]) -> int:
    """The exit status of a run in this process."""
    from altool.cli import main

    files = [os.open(run.stdin or os.devnull, os.O_RDONLY), *(os.open(path, os.O_WRONLY | os.O_CREAT) for path in streams.values())]
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    os.chdir(run.folder)
    words = list(run.words)
    for location, content in run.feeds.items():
        to: Any = location
        if location.startswith("|"):  # a pipe without a name, as <(…) makes one
            reading, to = os.pipe()
            words = [word.replace(location, f"/dev/fd/{reading}") for word in words]
        threading.Thread(target=_feed, args=(to, content.read_bytes()), daemon=True).start()
    sys.argv = ["altool", *words]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        print(f"Traceback: {type(error).__name__} left main(): {error}", file=sys.stderr)
        code = 70
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def _feed(to: Any, content: bytes) -> None:
    with contextlib.suppress(OSError), open(to, "wb") as pipe:
        pipe.write(content)


def snapshot(folder: Path, *, but: Sequence[str] = (OUTPUT,)) -> dict[str, str]:
    """Every path in a folder and what it is: a link's target, a file's digest."""
    found: dict[str, str] = {}
    for here, folders, files in os.walk(folder):
        if Path(here) == folder:
            folders[:] = [name for name in folders if name not in but]
        for name in (*folders, *files):
            path = os.path.join(here, name)
            if os.path.islink(path):
                found[path] = f"-> {os.readlink(path)}"
            elif os.path.isfile(path):
                found[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            else:
                found[path] = "folder or pipe"
    return found


def faults(run: Run, ended: Ended, before: dict[str, str], *, grows: bool = False, keeps: bool = False) -> list[str]:
    """What is wrong with how a run ended. `before` is the `snapshot` of its folder; with `grows` new files may be in it, as in a label
    log; with `keeps` it may leave whole files behind when it ends with an error, as a simulation does."""
    found = []
    status, said = ended.status, ended.said
    if status is None:
        return ["it hangs"]
    if status < 0:
        return [f"killed by {signal.Signals(-status).name}: {said[-200:]!r}"]
    if status not in (0, 2, 3, 4, 5):
        found.append(f"exit {status}: {said.strip()[-300:]}")
    printed = "" if "--json" in run.words else ended.stdout.decode("utf-8", "surrogateescape")
    if status and len(re.findall("^error: .", said, re.M)) != 1:
        found.append(f"exit {status} with {len(re.findall('^error: ', said, re.M))} lines 'error: …': {said[:200]!r}")
    if said.count("\n") > LINES or len(said) > CHARACTERS:
        found.append(f"a message of {said.count(chr(10))} lines and {len(said):,} characters: {said[:200]!r}")
    if shown := UNSHOWN.search(said) or ("\0" not in run.words and UNSHOWN.search(printed)):
        found.append(f"it prints {shown[0]!r}: {shown.string[max(0, shown.start() - 80) : shown.end() + 40]!r}")
    if status in (0, 2, 3, 4, 5) and (foreign := FOREIGN.search(said)):
        found.append(f"it says {foreign[0]!r}: {said[:300].strip()}")
    if "--json" in run.words and "-" not in run.words:
        found += _summary_faults(ended)
    after = snapshot(run.folder)
    if changed := [path for path, content in before.items() if after.get(path) != content]:
        found.append(f"an input is changed or gone: {changed[:3]}")
    if (new := sorted(set(after) - set(before))) and not grows:
        found.append(f"beside its output it leaves {new[:3]}")
    written = [path for path in (run.folder / OUTPUT).rglob("*") if path.is_file()] + [Path(path) for path in new if os.path.isfile(path)]
    if half := [path.name for path in written if path.suffix in (".tmp", ".tmp-lock", ".old", ".partial", ".spool")]:
        found.append(f"it leaves {half[:3]}")
    elif status in (1, 2, 3) and (left := [path.name for path in written if path.name != ".lock"]) and not keeps:
        found.append(f"exit {status}, but it wrote {left[:3]}")
    return found + [fault for path in written if path.suffix == ".parquet" and (fault := unreadable(path))]


def _summary_faults(ended: Ended) -> list[str]:
    try:
        summary = json.loads(ended.stdout)
    except ValueError:
        return [f"--json, but standard output is {ended.stdout[:120]!r}"]
    code = summary.get("error", {}).get("exit_code", 0) if isinstance(summary, dict) else None
    return [] if code == ended.status else [f"exit {ended.status}, but the summary says {code}"]


def unreadable(path: Path) -> str | None:
    """Why an output is no table that everybody can read; None if it is one."""
    try:
        pq.read_table(path).validate(full=True)
    except Exception as error:
        return f"its output {path.name} cannot be read: {type(error).__name__}: {str(error)[:100]}"
    return None


@dataclass
class Found:
    """The faults of many runs, grouped: one line, how often, and the shortest call of each."""

    groups: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    runs: int = 0

    def add(self, fault: str, call: str, where: str) -> None:
        kind = re.sub(r"case-\d+|\d+|'[^']*'|\"[^\"]*\"", "…", fault.split("hint:")[0])[:110]
        self.groups.setdefault(kind, []).append((call, f"{where}: {fault}"))

    def __str__(self) -> str:
        lines = [
            f"{sum(map(len, self.groups.values()))} faults of {len(self.groups)} kinds in {self.runs} runs; "
            f"ALTOOL_FUZZ_SEED={seed()} ALTOOL_FUZZ_CASE=NUMBER with this test's name repeats one"
        ]
        for entries in sorted(self.groups.values(), key=len, reverse=True):
            call, fault = min(entries, key=lambda entry: len(entry[0]))
            lines += ["", f"{len(entries)} x {fault}", f"    {call}"]
        return "\n".join(lines)


def numbers(few: int) -> Sequence[int]:
    """The numbers of the cases to try."""
    if case := os.environ.get("ALTOOL_FUZZ_CASE"):
        return [int(case)]
    return range(int(os.environ.get("ALTOOL_FUZZ", few)))


def seed() -> str:
    return os.environ.get("ALTOOL_FUZZ_SEED", "0")
