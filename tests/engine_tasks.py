"""What engines are given in tests: functions that workers, on other machines perhaps, can import."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altool.console import Console
from altool.errors import InputError

# What a run of `squares` on items 0 to 3 says.
SAID = ["made", "about 0", "warning: some are even", "about 1", "warning: item 1 is odd", "warning: item 3 is odd"]


class Hearing(Console):
    """A console that keeps what is said, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def info(self, text: str) -> None:
        self.heard.append(text)

    def warn(self, text: str) -> None:
        self.heard.append(f"warning: {text}")


@dataclass(frozen=True)
class Item:
    number: int
    folder: str = ""

    def __str__(self) -> str:
        return f"item {self.number}"


def squares(console: Console) -> Callable[[Item], tuple[int, int]]:
    """The square, and the process it was worked out in. Small numbers take longest."""
    console.info("made")

    def work(item: Item) -> tuple[int, int]:
        console.info(f"about {item.number % 2}")
        console.warn(f"item {item.number} is odd" if item.number % 2 else "some are even")
        time.sleep(0.02 * (3 - item.number % 4))
        return item.number**2, os.getpid()

    return work


def slowly(console: Console) -> Callable[[Item], tuple[int, str]]:
    """The number, and what the worker is called; a third of a second each. A line per start is left in the item's folder."""
    import ray

    def work(item: Item) -> tuple[int, str]:
        with open(Path(item.folder, "started"), "a") as file:
            file.write(f"{item.number}\n")
        time.sleep(0.3)
        return item.number, ray.get_runtime_context().get_node_id()

    return work


def refused(console: Console) -> Callable[[Item], int]:
    """Item 2 is refused, and item 3 fails."""

    def work(item: Item) -> int:
        if item.number == 2:
            raise InputError("t.parquet, id: wrong", "correct it", {"rows": 7})
        return 1 // (3 - item.number)

    return work


def unmade(console: Console) -> Callable[[Item], int]:
    raise InputError("m: no model", "train one")


def deadly(console: Console) -> Callable[[Item], int]:
    """Item 1 kills the worker that is the first at it, and item 4 kills every one."""

    def work(item: Item) -> int:
        mark = Path(item.folder, "died")
        if item.number == 4 or (item.number == 1 and not mark.exists()):
            mark.touch()
            os._exit(1)
        return item.number

    return work


def surroundings(console: Console) -> Callable[[Item], dict[str, Any]]:
    """Where a worker works, and with how many processors."""
    from altool.engines.local import cores

    return lambda item: {"folder": os.getcwd(), "cores": cores(), "threads": os.environ.get("OMP_NUM_THREADS")}
