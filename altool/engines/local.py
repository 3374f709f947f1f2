"""Row-wise work on this machine's cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


_threads: ContextVar[int] = ContextVar("threads", default=0)


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Within it, work is spread over so many threads (0: one per core), and BLAS works in the one that calls it.

    Own blocks of rows over the cores are faster than a BLAS that splits every small product, and their sums do not depend on the
    number of threads.
    """
    from threadpoolctl import threadpool_limits

    token = _threads.set(threads)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        _threads.reset(token)


_share = 0


def share(number: int) -> None:
    """This process is one of several that share a machine, and may use so many processors."""
    global _share
    from threadpoolctl import threadpool_limits

    _share = number
    threadpool_limits(number)


def cores() -> int:
    """The processors that this process may use."""
    return _share or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed() -> int:
    """The threads that work is spread over here: as `limited` says, else one per core."""
    return _threads.get() or cores()


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int = 0) -> Iterator[Result]:
    """`map(function, items)` over threads (0: as `limited` says, else one per core), results in the order of the items.

    At most `threads + 1` items are in flight, so memory stays bounded however long the input is.
    """
    threads = threads or allowed()
    if threads == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
