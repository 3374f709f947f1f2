"""How far a simulation is: run, round and time left, while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

import numpy as np

from altool.console import Advance, Console
from altool.text import count, duration

LOOK = 0.5  # seconds between two looks
LINE = 30.0  # seconds after which a line is due where no run has ended


@contextmanager
def followed(names: Sequence[str], rounds: int, done: np.ndarray, console: Console) -> Iterator[None]:
    """Tell, while it lasts, how far the runs called `names` are: on a terminal by a bar, else by a line for each that ends, and one every
    half minute. `done` int (n,) is how many of the `rounds` and the seed set each has behind it; whoever runs them raises it."""
    stop = Event()
    with console.progress("simulating", len(names) * (rounds + 1), lines=False) as advance:
        lines = not (console.shows_progress or console.quiet or console.json_output)
        follower = Thread(target=_follow, args=(names, rounds, done, advance, console if lines else None, stop), daemon=True)
        follower.start()
        try:
            yield
        finally:
            stop.set()
            follower.join()


def _follow(names: Sequence[str], rounds: int, done: np.ndarray, advance: Advance, console: Console | None, stop: Event) -> None:
    start = said = time.monotonic()
    before = np.zeros(len(names), np.int64)
    last = False
    while not last:
        last = stop.wait(LOOK)
        now = np.array(done, np.int64)
        moved, ended = np.flatnonzero(now > before), np.flatnonzero((now > rounds) & (before <= rounds))
        for place in moved.tolist():
            advance(int(now[place] - before[place]), _where(names[place], now[place], rounds))
        if console is not None:
            left = time_left(now, rounds, time.monotonic() - start)
            over = int((now > rounds).sum())
            texts = [f"{names[place]}; {over - len(ended) + number:,}" for number, place in enumerate(ended.tolist(), 1)]
            running = np.flatnonzero((now > 0) & (now <= rounds))
            if not texts and len(running) and time.monotonic() - said >= LINE:
                texts = [f"{_where(names[running[-1]], now[running[-1]], rounds)}; {over:,}"]
            for text in texts:
                console.info(f"{text} of {count(len(names), 'run')}{left}")
                said = time.monotonic()
        before = now


def _where(name: str, done: int, rounds: int) -> str:
    return f"{name}, round {max(done - 1, 0)} of {rounds}"


def time_left(done: np.ndarray, rounds: int, elapsed: float) -> str:
    """The time that is left, if the rounds to come take as long as those `done` (n,) in `elapsed` seconds; "" where nobody can say."""
    whole, behind = len(done) * (rounds + 1), int(done.sum())
    return "" if behind in (0, whole) else f", about {duration(elapsed * (whole - behind) / behind)} left"
