"""The engine of a Ray cluster: workers on its machines, each an actor that loads what it needs once."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from altool import __version__
from altool.console import Console
from altool.engines import local
from altool.engines.engine import Item, Result
from altool.engines.here import Heard, pass_on
from altool.errors import AltoolError, UsageError
from altool.text import brief, clip, count

DEATHS = 5  # of workers at one item, after which the item is held to kill them
CALL = 10.0  # seconds in which a cluster must answer
LATE = 30.0  # seconds without a worker after which that is said
LOST = 900.0  # and after which the run ends: machines that start up take minutes
STORE = 80 << 20  # bytes of the object store of a cluster of this run's own: what passes through it is small


@contextmanager
def attached(address: str | None, workers: int | None, gpus: float, console: Console) -> Iterator[Cluster]:
    """Yields the cluster at the address; None is one that runs here or that RAY_ADDRESS names, else one that is started for this run.

    `workers` None is one per CPU, or as many as have `gpus` GPUs each. Raises UsageError for a cluster that cannot be reached, or that
    has not so many GPUs.
    """
    import ray

    own = not ray.is_initialized()
    if own:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        _attach(address, workers, console)
    try:
        has = ray.cluster_resources()
        found = int(has.get("CPU", 0))
        if gpus:
            if gpus > has.get("GPU", 0):
                text = f"--gpus-per-worker {gpus:g}: the Ray cluster has {count(int(has.get('GPU', 0)), 'GPU')}"
                raise UsageError(text, "leave it out, or give a cluster with GPUs")
            found = min(found, int(has["GPU"] / gpus))
        yield Cluster(console, workers or max(found, 1), gpus)
    finally:
        if own:
            ray.shutdown()


def _attach(address: str | None, workers: int | None, console: Console) -> None:
    """Connect this process to a cluster, or start one."""
    import ray
    import ray._private.worker as driver

    # Ray prints what it finds of dead machines on standard output, which carries data, and no option of it says otherwise.
    driver.print_to_stdstream = lambda data, ignore_prefix: None
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    named = f"--ray-address {address}" if address else f"RAY_ADDRESS {os.environ.get('RAY_ADDRESS', '')}"
    if (found := address or os.environ.get("RAY_ADDRESS") or _running()) is None:
        cpus = workers or local.cores()
        console.info(f"no Ray cluster runs here: one with {count(cpus, 'CPU')} is started on this machine for this run")
        ray.init("local", num_cpus=cpus, include_dashboard=False, object_store_memory=STORE, **quiet)
        return
    try:
        _call(found)
        ray.init(found, **quiet)
    except Exception as error:  # of several kinds: no cluster, another version of Ray or of Python, no route
        hint = "start a cluster (ray start --head), or leave it out: one is started on this machine for the run"
        raise UsageError(f"{named.removesuffix(' ')}: no Ray cluster can be used at {found} ({brief(error)})", hint) from error


def _running() -> str | None:
    """The address of the cluster that `ray start` started on this machine; None where that runs no more. One that another run started
    for itself is not taken: it ends with that run."""
    try:
        address = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster").read_text("utf-8").strip()  # noqa: S108 (Ray's)
        _call(address)
    except OSError:
        return None
    return address or None


def _call(address: str) -> None:
    """Raises OSError where nobody answers at HOST:PORT: Ray itself tries for minutes, and says so on standard error."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CALL).close()


@dataclass(frozen=True)
class Home:
    """What a worker must have in common with the process that it works for."""

    folder: str = field(default_factory=os.getcwd)
    altool: str = __version__
    python: str = "{}.{}".format(*sys.version_info[:2])


@dataclass(frozen=True)
class Answer:
    """What became of an item: its result, or the error that it ended with; and what was said."""

    result: Any = None
    error: Exception | None = None
    told: tuple[tuple[str, str], ...] = ()


class Worker:
    """On a machine of the cluster. Errors are answers: another failure is the worker's own."""

    def __init__(self) -> None:
        self._heard = Heard()
        self._make: Callable[[Console], Callable[[Any], Any]] | None = None
        self._function: Callable[[Any], Any] | None = None

    def arrive(self, home: Home, make: Callable[[Console], Callable[[Any], Any]]) -> Answer:
        """Is this a place to work in?"""
        self._make = make
        found, machine = Home(folder=""), f"Ray worker on {os.uname().nodename}"
        if (found.altool, found.python) != (home.altool, home.python):
            text = f"{machine}: altool {found.altool} with Python {found.python}, expected {home.altool} with {home.python}"
            return Answer(error=UsageError(text, "install the same versions on all machines of the cluster"))
        try:
            os.chdir(home.folder)
        except OSError as error:
            text = f"{machine}: the folder {home.folder} cannot be entered ({error.strerror})"
            return Answer(error=UsageError(text, "work in a folder that all machines of the cluster see"))
        local.share(1)
        return Answer()

    def work(self, item: Any) -> Answer:
        try:
            if self._function is None:
                assert self._make is not None
                self._function = self._make(self._heard)
            result = self._function(item)
        except Exception as error:
            if not isinstance(error, AltoolError):
                error.add_note("".join(traceback.format_exception(error)))
            return Answer(error=error, told=tuple(self._heard.take()))
        return Answer(result, told=tuple(self._heard.take()))


@dataclass
class _Part:
    """An item on its way."""

    place: int
    item: Any
    deaths: int = 0


_ROLL_CALL = _Part(-1, None)


class Cluster:
    """An `Engine`: its workers are actors of one CPU and so many GPUs each.

    An item goes to whichever worker is free. A worker that dies, perhaps with its machine, is replaced as soon as there is room for
    another, and its item goes to the next; until then the others go on.
    """

    def __init__(self, console: Console, workers: int, gpus: float) -> None:
        self._console, self.workers, self._gpus = console, workers, gpus

    def map(self, make: Callable[[Console], Callable[[Item], Result]], items: Iterable[Item]) -> Iterator[Result]:
        run = _Map(self._console, self.workers, self._gpus, make, items)
        try:
            while (answer := run.next()) is not None:
                pass_on(answer.told, self._console, run.said)
                if answer.error is not None:
                    raise answer.error
                yield answer.result
        finally:
            run.close()


class _Map:
    """One call of `Cluster.map`."""

    def __init__(self, console: Console, workers: int, gpus: float, make: Any, items: Iterable[Any]) -> None:
        import ray

        self._ray, self._console, self._workers = ray, console, workers
        self._actor = ray.remote(Worker).options(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)
        self._make, self._home = ray.put(make), Home()
        self._items = enumerate(items)
        self._waiting: deque[_Part] = deque()  # for a worker
        self._free: list[Any] = []  # workers
        self._calls: dict[Any, tuple[Any, _Part | None]] = {}  # of each open call, the worker and the part; None: it arrives
        self._answers: dict[int, Answer] = {}  # that are there before their turn
        self._turn = 0
        self._since = time.monotonic()  # when the last worker arrived that was waited for
        self._late = False
        self._stillborn = 0  # workers that died before they arrived, one after the other
        self.said: set[tuple[str, str]] = set()

    def next(self) -> Answer | None:
        """The answer to the next item in order; None behind the last."""
        while self._turn not in self._answers:
            self._take_in()
            if not self._open:
                return None
            self._give_out()
            self._wait()
        self._turn += 1
        return self._answers.pop(self._turn - 1)

    def close(self) -> None:
        """Stop all workers, in whatever they are."""
        for actor in [*self._free, *(actor for actor, _ in self._calls.values())]:
            with suppress(Exception):  # of a cluster that is gone itself
                self._ray.kill(actor)

    @property
    def _open(self) -> int:
        return len(self._waiting) + len(self._answers) + sum(part is not None for _, part in self._calls.values())

    @property
    def _arriving(self) -> int:
        return sum(part is None for _, part in self._calls.values())

    def _take_in(self) -> None:
        while self._open < 2 * self._workers and (numbered := next(self._items, None)):
            self._waiting.append(_Part(*numbered))

    def _give_out(self) -> None:
        """Parts to free workers, and for the others as many new workers as there may be."""
        while self._waiting and self._free:
            actor, part = self._free.pop(), self._waiting.popleft()
            self._calls[actor.work.remote(part.item)] = actor, part
        there = len(self._free) + len(self._calls)
        for _ in range(min(len(self._waiting) - self._arriving, self._workers - there)):
            actor = self._actor.remote()
            self._calls[actor.arrive.remote(self._home, self._make)] = actor, None

    def _wait(self) -> None:
        done, _ = self._ray.wait(list(self._calls), timeout=1.0)
        any_arrived = False
        for call in done:
            actor, part = self._calls.pop(call)
            try:
                answer = self._ray.get(call)
            except self._ray.exceptions.RayTaskError as error:  # what is sent cannot be made up again over there
                raise AltoolError(f"Ray worker: {brief(error.cause)}", "install altool and its extras on all machines") from error
            except self._ray.exceptions.RayError as error:
                self._mourn(actor, part, error)
                continue
            self._free.append(actor)
            if part is not None:
                if part is not _ROLL_CALL:
                    self._answers[part.place] = answer
                continue
            any_arrived, self._stillborn = True, 0
            if answer.error is not None:
                raise answer.error
        self._watch(any_arrived)

    def _mourn(self, actor: Any, part: _Part | None, error: Exception) -> None:
        """A worker is dead: its part goes to the next."""
        with suppress(Exception):
            self._ray.kill(actor)  # where it is out of reach alone
        if part is _ROLL_CALL:
            return
        if part is None:
            self._stillborn += 1
            if self._stillborn == DEATHS:
                text = f"{DEATHS} Ray workers died as they started, one after the other ({brief(Exception(str(error).splitlines()[-1]))})"
                raise AltoolError(text, "install the same altool and extras on all machines of the cluster") from error
            return
        part.deaths += 1
        kinds = self._ray.exceptions
        why = "out of memory" if isinstance(error, kinds.OutOfMemoryError) else "its process or machine is gone"
        if part.deaths == DEATHS:
            text = f"{clip(str(part.item), 120)}: {DEATHS} Ray workers died of it, one after the other ({why})"
            hint = "look at its rows and at the memory of the machines; the run goes on where it stopped"
            raise AltoolError(text, hint) from error
        self._waiting.appendleft(part)
        for other in self._free:  # which may have died with its machine, and shall not be held against the next part
            self._calls[other.arrive.remote(self._home, self._make)] = other, _ROLL_CALL
        self._free = []
        self._console.warn(f"{clip(str(part.item), 120)}: its Ray worker died ({why}); another does it again")

    def _watch(self, arrived: bool) -> None:
        """Say where workers find no room, and give up at last where none does."""
        now, arriving = time.monotonic(), self._arriving
        if arrived or not arriving:
            self._since = now
        elif not self._late and now - self._since > LATE:
            self._late = True
            others = len(self._calls) - arriving + len(self._free)
            text = f"{count(arriving, 'Ray worker')} without a CPU for {LATE:.0f} s: the cluster has {self._room()}"
            self._console.warn(f"{text}; the run {f'goes on with {others:,}' if others else 'waits'}")
        elif now - self._since > LOST and arriving == len(self._calls) and not self._free:
            raise AltoolError(
                f"no Ray worker has found a CPU in {LOST / 60:.0f} min: the cluster has {self._room()}",
                "wait until it is less busy, or give it more machines; the run goes on where it stopped",
            )

    def _room(self) -> str:
        has, free = self._ray.cluster_resources(), self._ray.available_resources()
        return f"{count(math.floor(has.get('CPU', 0)), 'CPU')}, {math.floor(free.get('CPU', 0)):,} of them free"
