"""The engine of one machine: this process, or some processes beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from altool.console import Console
from altool.engines import processes
from altool.engines.engine import Item, Result


class Here:
    """An `Engine`. What its items are worked on with may use threads and processes of its own."""

    def __init__(self, console: Console, workers: int = 1) -> None:
        self._console, self.workers = console, workers

    def map(self, make: Callable[[Console], Callable[[Item], Result]], items: Iterable[Item]) -> Iterator[Result]:
        if self.workers == 1:
            yield from map(make(self._console), items)
            return
        said: set[tuple[str, str]] = set()
        for result, told in processes.ordered_map(partial(_work, make), items, self.workers):
            pass_on(told, self._console, said)
            yield result


class Heard(Console):
    """A console of a worker: it keeps what is said, for the console of the run."""

    def __init__(self) -> None:
        super().__init__(silent=True)
        self.told: list[tuple[str, str]] = []

    def info(self, text: str) -> None:
        self.told.append(("info", text))

    def warn(self, text: str) -> None:
        self.told.append(("warn", text))

    def take(self) -> list[tuple[str, str]]:
        """What was said since the last call."""
        told, self.told = self.told, []
        return told


def pass_on(told: Iterable[tuple[str, str]], console: Console, said: set[tuple[str, str]]) -> None:
    """Say what workers said, each sentence once in a run; `said` are those that were."""
    for kind, text in told:
        if (kind, text) not in said:
            said.add((kind, text))
            (console.warn if kind == "warn" else console.info)(text)


_made: dict[Any, Any] = {}  # of this worker process: by what makes it, the function and the console that it was given


def _work(make: Callable[[Console], Callable[[Item], Result]], item: Item) -> tuple[Result, list[tuple[str, str]]]:
    """In a worker process, which serves one map."""
    if not _made:
        heard = Heard()
        _made["function"], _made["heard"] = make(heard), heard
    return _made["function"](item), _made["heard"].take()
