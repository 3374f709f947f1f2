"""Standard output carries data, standard error carries everything that is said. Built once per run."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Protocol

from altool.errors import InputError
from altool.text import clip, duration, masked, visible

if TYPE_CHECKING:
    from rich.console import Console as RichConsole


class Advance(Protocol):
    """What a bar is told: so many more `rows`, and what it is about now."""

    def __call__(self, rows: int, text: str = "") -> None: ...


LINE = 30.0  # seconds between two lines of progress where there is no terminal


class Pace:
    """How far work is, of `total` rows (None: nobody can say), and how fast it goes."""

    def __init__(self, description: str, total: int | None) -> None:
        self.description, self.total, self.done = description, total, 0
        self._began = time.monotonic()
        self._first: tuple[int, float] | None = None  # rows that are there at once are an earlier run's, and say nothing of the pace

    def add(self, rows: int, text: str = "") -> None:
        self.done += rows
        self.description = text or self.description
        if self._first is None:
            self._first = (self.done, time.monotonic())

    @property
    def seconds_each(self) -> float | None:
        """The seconds that a row takes; None while nobody can say."""
        if self._first is None or self.done <= self._first[0]:
            return None
        return (time.monotonic() - self._first[1]) / (self.done - self._first[0])

    def told(self) -> str:
        """`4,096 of 20,600 (20 %), 34/s, about 8 min left`."""
        if self.total is None or not self.done:
            return f"{duration(time.monotonic() - self._began)} so far"
        parts = [f"{self.done:,} of {self.total:,} ({100 * self.done / max(1, self.total):.0f} %)"]
        if (each := self.seconds_each) and self.done < self.total:
            parts += [f"{1 / each:,.0f}/s" if each < 0.1 else f"{1 / each:.1f}/s" if each < 1 else f"{each:.1f} s each"]
            parts += [f"about {duration(each * (self.total - self.done))} left"]
        return ", ".join(parts)


class Console:
    """What a command may say: `info` and `warn` to standard error, `print` and `result` to standard output.

    Every text may hold names out of tables: on a terminal they are shown, never obeyed, and no message is longer than a screen.
    """

    def __init__(self, *, json_output: bool = False, quiet: bool = False, silent: bool = False) -> None:
        """`silent` is quiet and keeps warnings to itself, too: another process says them."""
        self.json_output = json_output
        self.quiet = quiet or silent
        self.silent = silent
        self.dry_run = False  # is nothing to be written?
        self.warnings: list[str] = []

    def info(self, text: str) -> None:
        if not self.quiet:
            _say(text)

    def warn(self, text: str) -> None:
        """A warning is printed even with `--quiet`, and listed in the JSON summary."""
        self.warnings.append(text)
        if not self.silent:
            _say(f"warning: {text}")

    def mismatch(self, text: str, hint: str, *, strict: bool) -> None:
        """Rows that do not match another table: a warning, or with `--strict` InputError."""
        if strict:
            raise InputError(text, hint)
        self.warn(text)

    def error(self, message: str, hint: str, kind: str, exit_code: int, summary: dict[str, Any] | None = None) -> None:
        _say(f"error: {message}")
        if hint:
            _say(f"hint: {hint}")
        if self.json_output:
            error = {"type": kind, "message": clip(message), "hint": clip(hint), "exit_code": exit_code}
            self._print({"error": error, "warnings": self.warnings, **(summary or {})})

    def result(self, summary: dict[str, Any], line: str) -> None:
        """The end of a command: one JSON object on standard output with `--json`, else one line on standard error."""
        if self.json_output:
            self._print({**summary, "warnings": self.warnings})
        else:
            self.info(line)

    def rehearsed(self, summary: dict[str, Any], line: str) -> None:
        """The end of a command with `--dry-run`: what it would do."""
        self.result({**summary, "dry_run": True}, f"dry run: would {line}; nothing is written")

    def line(self, text: str) -> None:
        """A line on standard output, however long it is."""
        print(visible(text))

    def print(self, renderable: Any) -> None:
        """A rich renderable on standard output; as wide as the terminal, or 100 columns where there is none."""
        from rich.console import Console as RichConsole

        width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", 100))
        RichConsole(file=sys.stdout, width=width).print(_Shown(renderable))

    @property
    def is_terminal(self) -> bool:
        """Does a person see what is said?"""
        return sys.stderr.isatty()

    @property
    def shows_progress(self) -> bool:
        return not (self.quiet or self.json_output) and self.is_terminal

    @contextmanager
    def progress(self, description: str, total: int | None, *, lines: bool = True) -> Iterator[Advance]:
        """Yields `advance(rows)`: a bar on a terminal, else, where `lines` are wanted, a line every half minute; nothing with `--quiet` or
        `--json`. Where the `total` is None, there is more and more time between two lines."""
        pace = Pace(description, total)
        if self.shows_progress:
            with self._bar(pace):
                yield pace.add
        elif lines and not (self.quiet or self.json_output):
            stop = Event()
            teller = Thread(target=_tell, args=(pace, stop), daemon=True)
            teller.start()
            try:
                yield pace.add
            finally:
                stop.set()
                teller.join()
        else:
            yield pace.add

    @contextmanager
    def _bar(self, pace: Pace) -> Iterator[None]:
        from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn
        from rich.table import Column
        from rich.text import Text

        class Told(ProgressColumn):
            def __init__(self, what: str) -> None:
                super().__init__(Column(no_wrap=True))
                self.what = what

            def render(self, task: Any) -> Text:
                bar.update(task.id, completed=pace.done)
                return Text(visible(pace.description if self.what == "description" else pace.told()))

        moving = SpinnerColumn() if pace.total is None else BarColumn(bar_width=20)
        with Progress(Told("description"), moving, Told("pace"), console=self._stderr(), transient=True) as bar:
            bar.add_task("", total=pace.total)
            yield

    @staticmethod
    def _stderr() -> RichConsole:
        from rich.console import Console as RichConsole

        return RichConsole(stderr=True)

    @staticmethod
    def _print(value: dict[str, Any]) -> None:
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        except ValueError:
            text = json.dumps(_finite(value), ensure_ascii=False)
        if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8":
            text = "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
        else:
            text = json.dumps(json.loads(text))
        try:
            print(masked(text), flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"standard output cannot be written ({error.strerror})", "check the disk and your access to it") from error


class _Shown:
    """A rich renderable in which every text is shown as `visible` has it."""

    def __init__(self, renderable: Any) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: RichConsole, options: Any) -> Iterator[Any]:
        from rich.segment import Segment

        for segment in console.render(self._renderable, options):
            text = "\n".join(map(visible, segment.text.split("\n")))
            yield segment if segment.control else Segment(text, segment.style)


def _tell(pace: Pace, stop: Event) -> None:
    """Say how far the work is until it stops."""
    wait = LINE
    while not stop.wait(wait):
        _say(f"{pace.description}: {pace.told()}")
        wait *= 1 if pace.total is not None and pace.done else 2


def _say(text: str) -> None:
    """One line on standard error; if nobody can be told, nobody is."""
    with suppress(OSError):
        print(clip(visible(masked(text))), file=sys.stderr, flush=True)


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
