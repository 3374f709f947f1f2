"""A Ray cluster for tests: three machines of one CPU each, all of them this one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NODES = 3
PATH = os.pathsep.join(map(str, (Path(__file__).parents[1], Path(__file__).parent)))  # what workers import altool and tests from
ATTEMPTS = 3  # of starting the first node, on a machine that is busy
STORE = 80 << 20  # bytes of a node's object store


class Machines:
    """`address` is that of the cluster; `kill` ends a node at once, all of its processes with it, and `refill` brings up as many again."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": STORE, "include_log_monitor": False}
        for attempt in range(ATTEMPTS):
            try:
                self.cluster: Any = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
                break
            except Exception:  # Ray gives a node 30 seconds to start
                if attempt == ATTEMPTS - 1:
                    raise
        self._node = node
        self._others: list[Any] = []
        self.refill()

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def kill(self) -> None:
        self.cluster.remove_node(self._others.pop(), allow_graceful=False)

    def refill(self) -> None:
        while len(self._others) < NODES - 1:
            self._others.append(self.cluster.add_node(wait=False, **self._node))
        self.cluster.wait_for_nodes()


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    """The nodes, which live as long as the tests: about twenty processes, so that tests of them are for `make test-ray` (RAY_TESTS=1)."""
    if not os.environ.get("RAY_TESTS"):
        pytest.skip("starts a Ray cluster: make test-ray")
    pytest.importorskip("ray", reason="needs ray, which is not installed")
    folder = tempfile.TemporaryDirectory(prefix="r", dir="/tmp")  # names of sockets must be short
    with folder, pytest.MonkeyPatch.context() as patch:
        for name, value in {"RAY_TMPDIR": folder.name, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": PATH}.items():
            patch.setenv(name, value)
        found = Machines()
        try:
            yield found
        finally:
            found.cluster.shutdown()


@pytest.fixture
def cluster(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """All three nodes: where `--engine ray` works, as no other address is given."""
    machines.refill()
    monkeypatch.setenv("RAY_ADDRESS", machines.address)
    return machines
