"""A Ray cluster for tests: three machines of one CPU each, all of them this one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NODES = 3
STORE = 80 << 20  # bytes of a node's object store


class Machines:
    """`address` is that of the cluster; `kill` ends a node at once, all of its processes with it, and `refill` brings up as many again."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": STORE}
        self.cluster: Any = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
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
    """The nodes, which live as long as the tests; tests are skipped where Ray is not installed."""
    pytest.importorskip("ray", reason="needs ray, which is not installed")
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:  # names of sockets must be short
        os.environ |= {"RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0"}
        found = Machines()
        try:
            yield found
        finally:
            found.cluster.shutdown()
            os.environ.pop("RAY_TMPDIR")


@pytest.fixture
def cluster(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """All three nodes; tests/ can be imported on them."""
    machines.refill()
    monkeypatch.setenv("RAY_ADDRESS", machines.address)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return machines
