"""What happened in a project: one line of JSON for each event in `log.jsonl`, and the commands that are run then.

An event is written down after its command has run: so a command is run at least once for each event, whenever altool is killed.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from altool.console import Console
from altool.text import clip, visible

LOG = "log.jsonl"
PATIENCE = 300.0  # seconds that a command may take


class Events:
    """The events of a project. `fired` are those of this call."""

    def __init__(self, folder: Path, hooks: Mapping[str, tuple[str, ...]], console: Console, *, timestamps: bool = False) -> None:
        self._folder, self._hooks, self._console, self._timestamps = folder, hooks, console, timestamps
        self._known = [_entry(line) for line in read(folder)]
        self.fired: list[dict[str, Any]] = []

    def known(self, event: str, key: str) -> bool:
        """Was this event written down?"""
        return any(entry.get("event") == event and entry.get("key") == key for entry in self._known)

    @property
    def last(self) -> Mapping[str, Any]:
        """The last event that was written down."""
        return self._known[-1] if self._known else {}

    def fire(self, event: str, key: str, text: str, facts: Mapping[str, Any] | None = None, *, said: bool = True) -> None:
        """Tell of an event, run its command, and write it down; `key` tells it from others of its kind."""
        now = _now()
        entry = {"time": now, "event": event, "key": key, "project": str(self._folder), **(facts or {}), "text": text}
        if said:
            self.say(text, now)
        if command := self._hooks.get(event):
            self._run(event, command, entry)
        with open(self._folder / LOG, "ab") as log:  # one write: a line is there whole, or as the torn end that the next one follows
            line = json.dumps(entry, ensure_ascii=False) + "\n"
            log.write((line if _ends_whole(self._folder / LOG) else f"\n{line}").encode("utf-8", "backslashreplace"))
        self._known.append(entry)
        self.fired.append(entry)

    def say(self, text: str, now: str = "") -> None:
        """A line for people, with the time where that is asked for."""
        self._console.info(f"{now or _now()} {text}" if self._timestamps else text)

    def _run(self, event: str, command: tuple[str, ...], entry: Mapping[str, Any]) -> None:
        content = json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace")
        try:
            done = subprocess.run(  # noqa: S603 (what altool.toml names, no shell)
                command, cwd=self._folder, input=content, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            self._console.warn(f"altool.toml, [hooks] {event}: the command was stopped after {PATIENCE:.0f} seconds")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._console.warn(f"altool.toml, [hooks] {event}: {visible(command[0])} cannot be run ({reason})")
        else:
            if done.returncode:
                said = clip(" ".join(done.stderr.decode("utf-8", "replace").split()), 200)
                self._console.warn(
                    f"altool.toml, [hooks] {event}: the command ended with status {done.returncode}{f' ({said})' if said else ''}"
                )


class Unheard(Events):
    """The events of a round that is only rehearsed: all are taken for known, and none is told."""

    def known(self, event: str, key: str) -> bool:
        return True

    def fire(self, event: str, key: str, text: str, facts: Mapping[str, Any] | None = None, *, said: bool = True) -> None:
        """Nothing happened."""


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(folder: Path) -> list[str]:
    """The lines of the log."""
    path = folder / LOG
    return path.read_text("utf-8", "replace").splitlines() if path.exists() else []


def _entry(line: str) -> dict[str, Any]:
    """The event of a line; an empty one for a line that was torn when altool was killed."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _ends_whole(path: Path) -> bool:
    with open(path, "rb") as log:
        log.seek(0, 2)
        if not log.tell():
            return True
        log.seek(-1, 2)
        return log.read(1) == b"\n"
