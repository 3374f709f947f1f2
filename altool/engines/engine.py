"""What an engine is: whatever works on the parts of a run's rows, here or on other machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from altool.console import Console

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Works on items, as parts of the rows, and gives what became of them.

    `workers` is how many items are worked on at once; where it is 1, one item that covers all rows serves best.
    """

    @property
    def workers(self) -> int: ...

    def map(self, make: Callable[[Console], Callable[[Item], Result]], items: Iterable[Item]) -> Iterator[Result]:
        """The results of the function that `make` returns, in the order of the items, of which at most 2 x `workers` are in flight.

        `make` is called once per worker, with whom it may tell `info` and `warn`; it loads what all items need. It, the items and
        the results are sent to other machines: functions of modules, perhaps `functools.partial` of them, and plain dataclasses;
        `str(item)` is what a message calls the item. Big data are no items and no results: a worker reads its own rows and writes its
        own files, to a place that all machines see. An item whose worker died is worked on again, so that must do no harm.

        Raises what the function or `make` raises, and AltoolError where no worker can be had.
        """
        ...
