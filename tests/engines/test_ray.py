"""The engine of a Ray cluster: three nodes on this machine."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from clusters import NODES, Machines
from conftest import known_truth
from engine_tasks import SAID, Hearing, Item, deadly, refused, slowly, squares, surroundings, unmade

from altool.engines import placement
from altool.engines import ray as engines
from altool.engines.placement import Placed
from altool.errors import AltoolError, InputError, UsageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def attached(machines: Machines) -> Iterator[None]:
    """This process is connected to the cluster: a run in it connects no second time."""
    machines.refill()
    with engines.attached(machines.address, None, 0.0, Hearing()):
        yield


@pytest.fixture
def console(attached: None, cluster: Machines) -> Hearing:
    return Hearing()


def test_results_come_in_order_and_sentences_once(console: Hearing) -> None:
    taken: list[int] = []

    def items() -> Iterator[Item]:
        for number in range(4):
            taken.append(number)
            yield Item(number)

    with placement.engine(Placed("ray", workers=1), console) as engine:
        assert engine.workers == 1
        results = engine.map(squares, items())
        first = next(results)
        assert taken in ([0, 1], [0, 1, 2])
        found = [first, *results]
    assert [square for square, _ in found] == [0, 1, 4, 9]
    assert len({process for _, process in found} - {os.getpid()}) == 1
    assert console.heard == SAID


def test_a_worker_per_cpu_of_the_cluster(console: Hearing) -> None:
    with placement.engine(Placed("ray"), console) as engine:
        assert engine.workers == NODES
        found = list(engine.map(surroundings, map(Item, range(2 * NODES))))
    assert found == [{"folder": os.getcwd(), "cores": 1, "threads": "1"}] * 2 * NODES


def test_nothing_to_do_needs_no_worker(console: Hearing) -> None:
    with placement.engine(Placed("ray"), console) as engine:
        assert list(engine.map(squares, [])) == []
    assert console.heard == []


def test_errors_come_as_they_are(console: Hearing) -> None:
    with placement.engine(Placed("ray", workers=2), console) as engine:
        results = engine.map(refused, map(Item, range(4)))
        assert [next(results), next(results)] == [0, 0]
        with pytest.raises(InputError) as caught:
            next(results)
        assert (caught.value.message, caught.value.hint, caught.value.summary) == ("t.parquet, id: wrong", "correct it", {"rows": 7})
        with pytest.raises(ZeroDivisionError) as failed:
            list(engine.map(refused, [Item(3)]))
        assert "engine_tasks.py" in failed.value.__notes__[0]
        with pytest.raises(InputError, match="m: no model"):
            list(engine.map(unmade, [Item(0)]))


def test_the_work_of_a_worker_that_dies_goes_to_another(console: Hearing, tmp_path: Path) -> None:
    with placement.engine(Placed("ray", workers=2), console) as engine:
        assert list(engine.map(deadly, [Item(number, str(tmp_path)) for number in range(4)])) == [0, 1, 2, 3]
    assert console.heard == ["warning: item 1: its Ray worker died (its process or machine is gone); another does it again"]


def test_an_item_that_kills_every_worker_ends_the_run(console: Hearing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engines, "DEATHS", 2)
    with placement.engine(Placed("ray", workers=2), console) as engine, pytest.raises(AltoolError) as caught:
        list(engine.map(deadly, [Item(4, str(tmp_path))]))
    assert caught.value.message == "item 4: 2 Ray workers died of it, one after the other (its process or machine is gone)"


def test_with_more_workers_than_cpus_the_others_go_on(console: Hearing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engines, "LATE", 0.0)
    with placement.engine(Placed("ray", workers=NODES + 1), console) as engine:
        found = list(engine.map(slowly, [Item(number, str(tmp_path)) for number in range(9)]))
    assert [number for number, _ in found] == list(range(9))
    (said,) = console.heard  # once
    assert said.startswith("warning: ")
    assert " without a CPU for 0 s: the cluster has 3 CPUs" in said


def test_where_no_worker_finds_room_the_run_ends(console: Hearing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "LATE", 0.1)
    monkeypatch.setattr(engines, "LOST", 0.2)
    with pytest.raises(AltoolError, match="no Ray worker has found a CPU in 0 min: the cluster has 3 CPUs"):
        list(engines.Cluster(console, 1, gpus=1.0).map(squares, [Item(1)]))
    assert "the run waits" in console.heard[0]


def test_gpus_that_the_cluster_lacks(console: Hearing) -> None:
    with pytest.raises(UsageError) as caught, placement.engine(Placed("ray", gpus_per_worker=0.5), console):
        pass
    assert caught.value.message == "--gpus-per-worker 0.5: the Ray cluster has 0 GPUs"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"folder": "/not/there"}, "the folder /not/there cannot be entered (No such file or directory)"),
        ({"altool": "0.0"}, "expected 0.0 with"),
        ({"python": "2.7"}, "with 2.7"),
    ],
)
def test_a_machine_that_is_set_up_otherwise_is_refused(
    console: Hearing, monkeypatch: pytest.MonkeyPatch, other: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(engines, "Home", functools.partial(replace, engines.Home(), **other))
    with pytest.raises(UsageError, match=r"^Ray worker on \S+: ") as caught:
        list(engines.Cluster(console, 1, 0.0).map(squares, [Item(1)]))
    assert caught.value.message.endswith(said) or said in caught.value.message


PLAN = """
labels = "truth.parquet"
features = "f.parquet"
seed_size = 10
budget = 10
rounds = 3
repeats = 4
[[run]]
strategy = "margin"
[[run]]
strategy = "badge"
"""


def tables(folder: Path) -> dict[str, Any]:
    """The bytes of what a simulation wrote; of the times, which are no one's twice, the rows."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*.parquet")):
        times = path.name == "times.parquet"
        found[str(path.relative_to(folder))] = pq.read_table(path, columns=["run", "repeat", "round"]) if times else path.read_bytes()
    return found


def program(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "altool", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_cpus() -> float:
    import ray

    return float(ray.available_resources().get("CPU", 0))


def test_ctrl_c_stops_all(console: Hearing, cluster: Machines, tmp_path: Path) -> None:
    known_truth(tmp_path, 400)
    (tmp_path / "plan.toml").write_text(PLAN.replace("rounds = 3", "rounds = 25"))
    process = program(tmp_path, "simulate", "--plan", "plan.toml", "-o", "there", "--engine", "ray", "--quiet")
    while not list(tmp_path.glob("there/runs/.*")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    text, said = process.communicate(timeout=30)
    assert (process.returncode, text, said) == (130, "", "")
    assert time.monotonic() - begun < 15
    while free_cpus() < NODES:
        assert time.monotonic() - begun < 30
        time.sleep(0.1)


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    known_truth(tmp_path, 100)
    (tmp_path / "plan.toml").write_text(PLAN)
    process = program(
        tmp_path, "simulate", "--plan", "plan.toml", "-o", "there", "--engine", "ray", "--ray-address", "127.0.0.1:1", RAY_ADDRESS=""
    )
    text, said = process.communicate(timeout=240)
    assert process.returncode == 2, said
    assert text == ""
    assert said.startswith("error: --ray-address 127.0.0.1:1: no Ray cluster can be used at 127.0.0.1:1 (")


def test_a_node_that_dies_loses_nothing(console: Hearing, cluster: Machines, tmp_path: Path) -> None:
    with placement.engine(Placed("ray", workers=NODES), console) as engine:
        results = engine.map(slowly, [Item(number, str(tmp_path)) for number in range(12)])
        found = [next(results)]
        cluster.kill()
        found += results
    assert [number for number, _ in found] == list(range(12))
    assert len({node for _, node in found}) >= NODES - 1
    started = (tmp_path / "started").read_text().split()
    assert len(started) <= 12 + 2  # what was on the node, and what it had finished but not yet sent


def test_simulated_runs_are_the_same_while_a_node_dies(console: Hearing, cluster: Machines, tmp_path: Path) -> None:
    known_truth(tmp_path, 400)
    (tmp_path / "plan.toml").write_text(PLAN)
    here = program(tmp_path, "simulate", "--plan", "plan.toml", "-o", "here", "--quiet")
    there = program(tmp_path, "simulate", "--plan", "plan.toml", "-o", "there", "--engine", "ray", "--json")
    while not list(tmp_path.glob("there/runs/*-00[0-9]")) and there.poll() is None:
        time.sleep(0.01)
    cluster.kill()
    text, said = there.communicate(timeout=240)
    assert there.returncode == 0, said
    assert text.startswith('{"command": "simulate"')  # and nothing of Ray's
    assert here.wait() == 0
    assert len(tables(tmp_path / "here")) == 8 * 3
    assert tables(tmp_path / "there") == tables(tmp_path / "here")
    assert not (tmp_path / "there" / "pool").exists()
