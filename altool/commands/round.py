"""`altool round`: one step of a project, from answers to the next questions."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from altool.console import Console
from altool.errors import AltoolError, InputError, Locked, UsageError
from altool.options import option
from altool.project import machine, settings
from altool.project.events import Events, Unheard
from altool.project.machine import Machine, Outcome
from altool.project.running import Rehearsal, Runner, Unrun
from altool.project.state import ASKED, EXHAUSTED, MET, OWN, WAITING
from altool.shared import RUN

CODES = {ASKED: 0, WAITING: 4, MET: 10, EXHAUSTED: 11}


@dataclass(frozen=True, kw_only=True)
class Options:
    """One step of a project, from answers to the next questions."""

    project: str = option("The project's folder, with its altool.toml.", default=".", metavar="PROJECT", argument=True, panel=RUN)
    set: Sequence[str] | None = option("Another setting than altool.toml's; repeatable.", metavar="SECTION.KEY=VALUE", panel=RUN)
    undo: int | None = option("Move round N and those after it away, and stop.", low=0, metavar="N", panel=RUN)
    explain: bool = option("Also print the commands that are run, as a script.", default=False, panel=RUN)
    timestamps: bool = option("Begin every line with the time.", default=False, panel=RUN)


def run(options: Options, console: Console) -> int:
    """Take one step and say what happened; nothing is said where nothing has happened, but on a terminal. Returns the exit status.

    Raises Locked where another call is at work, and what fails in a command of the round.
    """
    folder = Path(os.path.abspath(options.project))
    wanted = settings.read(folder, options.set or ())
    if options.explain and console.json_output:
        raise UsageError("--explain and --json both write to standard output", "give one of them")
    if console.dry_run:
        return _rehearse(options, wanted, folder, console)
    with _locked(folder) as lock:
        if options.undo is not None:
            _undo(folder, options.undo, console)
            return 0
        events = Events(folder, wanted.hooks, console, timestamps=options.timestamps)
        try:
            outcome = Machine(wanted, Runner(folder, console, lock, explain=options.explain), events).step()
        except AltoolError as error:
            _tell_failed(events, error)
            raise
    _conclude(outcome, events, console)
    return CODES[outcome.state]


def _rehearse(options: Options, wanted: settings.Settings, folder: Path, console: Console) -> int:
    """Say what the call would begin with; what it goes on with follows from what that writes. Runs and writes nothing."""
    for name in ("undo", "explain"):
        if getattr(options, name) not in (None, False):
            raise UsageError(f"--dry-run has no effect with --{name}", "give one of them")
    runner = Rehearsal(folder, console, -1)
    try:
        outcome = Machine(wanted, runner, Unheard(folder, {}, console)).step()
    except Unrun as found:
        words = ["altool", found.step.command, *found.step.words]
        console.rehearsed({"command": "round", "next": words}, f"run {shlex.join(words)}, and go on from what it writes")
        return 0
    console.rehearsed({"command": "round", "state": outcome.state, "round": outcome.round, **outcome.facts}, f"do nothing: {outcome.text}")
    return CODES[outcome.state]


def _undo(folder: Path, number: int, console: Console) -> None:
    moved = machine.undo(folder, number)
    if not moved:
        raise InputError(f"--undo {number}: the project has no such round", "altool status shows its rounds")
    console.result({"command": "round", "state": "undone", "moved": moved}, f"moved to {', '.join(moved)}; the label log keeps its answers")


def _tell_failed(events: Events, error: AltoolError) -> None:
    """A failure is told once, however often it is met in a row."""
    if (events.last.get("event"), events.last.get("key")) != ("failed", error.message):
        facts = {"hint": error.hint, "exit_code": error.exit_code}
        events.fire("failed", error.message, error.message, facts, said=False)


def _conclude(outcome: Outcome, events: Events, console: Console) -> None:
    happened = [{key: value for key, value in entry.items() if key not in ("key", "project")} for entry in events.fired]
    summary = {"command": "round", "state": outcome.state, "round": outcome.round, **outcome.facts, "events": happened}
    if console.json_output:
        console.result(summary, outcome.text)
    elif not happened and console.is_terminal:
        events.say(outcome.text)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The project for this call alone: yields the file that holds the lock. Raises Locked."""
    (folder / OWN).mkdir(exist_ok=True)
    handle = os.open(folder / OWN / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = re.sub(r"\D", "", os.read(handle, 20).decode("ascii", "replace"))
            raise Locked(
                f"{folder}: another altool round is at work{f' (process {holder})' if holder else ''}",
                "call it again when that one is done",
            ) from error
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield handle
    finally:
        os.close(handle)
