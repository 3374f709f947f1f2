"""Row-wise work in processes of their own, for what threads would hold up: decoding beside a network that runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TypeVar

from altool.engines.local import cores
from altool.errors import AltoolError

Item = TypeVar("Item")
Result = TypeVar("Result")

ALONE = 1.0  # seconds of work in this process before others are worth their start


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None) -> Iterator[Result]:
    """`map(function, items)` over worker processes, results in the order of the items.

    `workers` 0 works in this process. None works here for the first second of work, and then in one process per core: little
    work starts none. At most twice as many items as workers are in flight. `function` and the items are sent to fresh processes,
    which import only what `function` needs. Raises AltoolError if a worker is killed.
    """
    items = iter(items)
    if workers is None:
        busy = 0.0
        for item in items:
            start = time.perf_counter()
            result = function(item)
            busy += time.perf_counter() - start
            yield result
            if busy > ALONE:
                break
        workers = cores()
    if not workers:
        yield from map(function, items)
        return
    # Not fork: this process may hold torch and its threads. The server that workers are forked from holds neither.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numpy", "PIL.Image"])
    waiting: deque[Future[Result]] = deque()
    executor = ProcessPoolExecutor(workers, context, initializer=_serve)
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise AltoolError(
            "a worker process was killed, perhaps because memory ran out", "give fewer --workers; the run goes on where it stopped"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _serve() -> None:
    """Prepare a worker: Ctrl-C is its parent's affair, and it does not outlive a parent that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
