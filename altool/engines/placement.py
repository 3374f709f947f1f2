"""Which engine a run has: the options that say so, and what they need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from altool.console import Console
from altool.engines.engine import Engine
from altool.engines.here import Here
from altool.errors import UsageError
from altool.extras import need

LOCAL, RAY = "local", "ray"


class Placement(Protocol):
    """The options of a command that runs on an engine."""

    @property
    def engine(self) -> str: ...
    @property
    def ray_address(self) -> str | None: ...
    @property
    def gpus_per_worker(self) -> float | None: ...
    @property
    def workers(self) -> int | None: ...


@dataclass(frozen=True)
class Placed:
    """A Placement of a command whose workers have another option, as --jobs."""

    engine: str = LOCAL
    ray_address: str | None = None
    gpus_per_worker: float | None = None
    workers: int | None = None


def check(options: Placement) -> None:
    """Raises UsageError for an option that has no effect with this engine, and where what the engine needs is not installed. Before
    anything is read."""
    if options.engine == LOCAL:
        for flag, given in (("--ray-address", options.ray_address), ("--gpus-per-worker", options.gpus_per_worker)):
            if given is not None:
                raise UsageError(f"{flag} has no effect with --engine local", "give --engine ray, or leave it out")
        return
    if options.workers == 0:
        raise UsageError("--workers: expected a whole number of at least 1 with --engine ray, found 0", "leave it out: one per CPU")
    need(RAY, "--engine ray")


@contextmanager
def engine(options: Placement, console: Console, processes: int = 1) -> Iterator[Engine]:
    """Yields the engine that the options ask for; what it started is stopped in the end. `processes` are those that the local engine
    works in: 1 is this one.

    Raises UsageError as `check` does, and for a Ray cluster that cannot be reached.
    """
    check(options)
    if options.engine == LOCAL:
        yield Here(console, processes)
        return
    from altool.engines import ray

    with ray.attached(options.ray_address, options.workers, options.gpus_per_worker or 0.0, console) as cluster:
        yield cluster
