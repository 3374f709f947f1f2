"""Standard output carries data, standard error carries everything that is said. Built once per run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from altool.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console as RichConsole


class Console:
    """What a command may say: `info` and `warn` to standard error, `print` and `result` to standard output."""

    def __init__(self, *, json_output: bool = False, quiet: bool = False, silent: bool = False) -> None:
        """`silent` is quiet and keeps warnings to itself, too: another process says them."""
        self.json_output = json_output
        self.quiet = quiet or silent
        self.silent = silent
        self.warnings: list[str] = []

    def info(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr)

    def warn(self, text: str) -> None:
        """A warning is printed even with `--quiet`, and listed in the JSON summary."""
        self.warnings.append(text)
        if not self.silent:
            print(f"warning: {text}", file=sys.stderr)

    def mismatch(self, text: str, hint: str, *, strict: bool) -> None:
        """Rows that do not match another table: a warning, or with `--strict` InputError."""
        if strict:
            raise InputError(text, hint)
        self.warn(text)

    def error(self, message: str, hint: str, kind: str, exit_code: int, summary: dict[str, Any] | None = None) -> None:
        print(f"error: {message}", file=sys.stderr)
        if hint:
            print(f"hint: {hint}", file=sys.stderr)
        if self.json_output:
            error = {"type": kind, "message": message, "hint": hint, "exit_code": exit_code}
            self._print({"error": error, "warnings": self.warnings, **(summary or {})})

    def result(self, summary: dict[str, Any], line: str) -> None:
        """The end of a command: one JSON object on standard output with `--json`, else one line on standard error."""
        if self.json_output:
            self._print({**summary, "warnings": self.warnings})
        else:
            self.info(line)

    def print(self, renderable: Any) -> None:
        """A rich renderable on standard output; as wide as the terminal, or 100 columns where there is none."""
        from rich.console import Console as RichConsole

        width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", 100))
        RichConsole(file=sys.stdout, width=width).print(renderable)

    @contextmanager
    def progress(self, description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Yields `advance(rows)`. Shown on a terminal only, and not with `--quiet` or `--json`."""
        if self.quiet or self.json_output or not sys.stderr.isatty():
            yield lambda rows: None
            return
        from rich.progress import Progress

        with Progress(console=self._stderr(), transient=True) as bar:
            task = bar.add_task(description, total=total)
            yield lambda rows: bar.advance(task, rows)

    @staticmethod
    def _stderr() -> RichConsole:
        from rich.console import Console as RichConsole

        return RichConsole(stderr=True)

    @staticmethod
    def _print(value: dict[str, Any]) -> None:
        print(json.dumps(value, ensure_ascii=False), flush=True)
