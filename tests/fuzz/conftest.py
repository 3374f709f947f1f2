"""The process that runs altool, and the good worlds, once per session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fuzz.harness import Runner
from fuzz.world import IDS, World


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def worlds(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    return {ids: World(tmp_path_factory.mktemp("world") / ids, ids, runner) for ids in IDS}
