"""Running the commands of a round, each as a process of its own: so a round is nothing else than what `--explain` prints."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altool import __version__
from altool.console import Console
from altool.errors import AltoolError
from altool.project.state import load, save, stamp
from altool.project.steps import Step

DEFAULTS = {"ALTOOL_DEFAULTS": "off"}  # of the commands: everything that altool.toml says is in their words


class StepFailed(AltoolError):
    """A command of a round failed: its message, its hint and its status."""

    def __init__(self, message: str, hint: str, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Done:
    """A command that has run: its exit status and its summary (`--json`). `fresh`: it ran now."""

    status: int
    summary: Mapping[str, Any]
    fresh: bool


class Runner:
    """Runs commands in a project's folder. Each is handed the file `lock`: while a command of a killed round is still at work, the project
    is locked."""

    rehearses = False

    def __init__(self, folder: Path, console: Console, lock: int, *, explain: bool = False) -> None:
        self.folder, self.console, self._lock, self._explain = folder, console, lock, explain
        self._explained = False

    def run(self, step: Step) -> Done:
        """Run a command; one that is recorded as done is not run again, unless its words, what it reads or altool itself have changed,
        or what it wrote is gone.

        Raises StepFailed for an exit status that is an error.
        """
        made_of = [__version__, step.words, {path: stamp(self.folder / path) for path in step.reads}]
        if step.record:
            held = load(self.folder / step.record)
            there = all((self.folder / path).exists() for path in step.writes)
            if there and held.get("made_of") == json.loads(json.dumps(made_of)):
                return Done(held["status"], held["summary"], fresh=False)
        status, summary = self._call(step)
        if step.record:
            save(self.folder / step.record, {"made_of": made_of, "status": status, "summary": summary})
        return Done(status, summary, fresh=True)

    def _call(self, step: Step) -> tuple[int, dict[str, Any]]:
        if self._explain:
            self._print(step)
        with self.console.progress(f"altool {step.command}", None):
            done = subprocess.run(  # noqa: S603 (altool itself, no shell)
                # -P: a file of the project's folder is no module
                [sys.executable, "-P", "-m", "altool", step.command, *step.words, "--json"],
                cwd=self.folder,
                env={**os.environ, **DEFAULTS},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                pass_fds=(self._lock,),
                check=False,
            )
        try:
            summary = json.loads(done.stdout)
        except ValueError:
            summary = {}
        if done.returncode in step.statuses:
            for text in summary.get("warnings", ()):
                self.console.warn(f"altool {step.command}: {text}")
            return done.returncode, summary
        raise _failure(step, done, summary)

    def _print(self, step: Step) -> None:
        """The plain command, as a shell takes it."""
        if not self._explained:
            print(f"cd {shlex.quote(str(self.folder))}", *(f"export {name}={value}" for name, value in DEFAULTS.items()), sep="\n")
            self._explained = True
        print(shlex.join(["altool", step.command, *step.words]), flush=True)


class Unrun(Exception):
    """A round that is only rehearsed has come to its first command that would be run."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.command)
        self.step = step


class Rehearsal(Runner):
    """Runs nothing, and writes nothing: raises Unrun for the first command that is not recorded as done."""

    rehearses = True

    def _call(self, step: Step) -> tuple[int, dict[str, Any]]:
        raise Unrun(step)


def _failure(step: Step, done: subprocess.CompletedProcess[bytes], summary: Mapping[str, Any]) -> StepFailed:
    error = summary.get("error", {})
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    message = error.get("message") or (said[-1] if said else "it says nothing")
    hint = error.get("hint", "")
    if done.returncode < 0:
        message, hint = f"it was killed by signal {-done.returncode}", "free memory, or call altool round again"
    return StepFailed(f"altool {step.command}: {message}", hint, done.returncode if done.returncode in (2, 3, 4) else 1)
