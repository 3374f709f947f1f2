"""A run that ends after any round and goes on is the run that went through: what it found, and what the next round has of the last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extra import library

from altool.errors import InputError
from altool.metrics.gaps import Aims
from altool.simulation import journal as module
from altool.simulation.from_model import Pool
from altool.simulation.journal import Journal, packed, unpacked
from altool.simulation.plan import make
from altool.simulation.replay import Asked, Done, History, replay

CLASSES = ("ant", "bee", "cat")
TRUTH = np.random.default_rng(0).integers(3, size=120)
ROWS = (np.eye(3, 5)[TRUTH] * 2 + np.random.default_rng(1).normal(size=(120, 5))).astype(np.float32)
POOL = Pool(ROWS[:90], TRUTH[:90], ROWS[90:], TRUTH[90:], CLASSES)
AIMS = Aims(("f1",) * 3, np.full(3, 0.9), np.ones(3), (0.9,) * 3)
RUNS: dict[str, dict[str, Any]] = {
    "what the round before kept": {"strategy": "alamp", "diversify": True, "skip": 0.2, "annotators": 2},
    "clusters": {"strategy": "cluster-margin"},
    "another strategy": {"strategy": "alamp", "then": {"strategy": "margin", "after": 18, "diversify": True, "diversify_by": "previous"}},
    "suggestions": {"strategy": "clarifier", "clarifier_budgets": "auto", "audit": 1, "seconds": [1, 4, 3]},
    "answers": {"strategy": "galaxy", "label_noise": 0.2},
    "targets": {"strategy": "entropy", "target_aware": True},
    "no seed set": {"strategy": "kmeans", "seed_size": 0},
    "warm start": {"strategy": "badge", "classifier": "mlp", "mlp_epochs": 2, "mlp_hidden": "8", "warm_start": True},
}


class Stopped(Exception):
    """A run is killed."""


def killed(run: Callable[..., History], folder: Path, after: int) -> None:
    """Begin a run, and end it behind so many rounds."""
    journal, add = Journal(folder / "run", "facts"), Journal.add

    def stop(*given: Any) -> None:
        add(journal, *given)
        if given[0].number == after:
            raise Stopped

    journal.add = stop  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        run(journal=journal)


@pytest.mark.parametrize("name", RUNS)
def test_a_killed_run_goes_on_to_the_same_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.0)
    row = dict(RUNS[name])
    if "classifier" in row:
        library("torch")
    plan = make({"seed_size": row.pop("seed_size", 12), "rounds": 3, "budget": 6}, [row])

    def run(**given: Any) -> History:
        return replay(POOL, plan, plan.runs[0], 0, aims=AIMS, **given)

    whole = run()
    for after in (0, 2):  # and from where that ended
        killed(run, tmp_path, after)
    ended: list[int] = []
    found = run(journal=Journal(tmp_path / "run", "facts"), tell=ended.append)
    assert [one.number for one in found.times] == [0, 1, 2, 3]
    assert ended[:3] == [1, 2, 3]  # they count as done
    for mine, theirs in ((found.rounds, whole.rounds), (found.asked, whole.asked), (found.tied, whole.tied)):
        np.testing.assert_equal(content(mine), content(theirs))


def content(value: Any) -> Any:
    """Its JSON, and its arrays with their types."""
    arrays: list[np.ndarray] = []
    return packed(value, arrays), arrays, [array.dtype for array in arrays]


def test_what_is_stored_comes_back() -> None:
    arrays = [np.arange(3, dtype=np.int8), np.array([0.1, np.nan], np.float32)]
    value = Done(1, None, Asked(2, "margin", *arrays, *arrays, *arrays, *arrays), (1.5, None, {"a": [np.int64(3)]}), "", None)  # type: ignore[arg-type]
    kept: list[np.ndarray] = []
    stored = packed(value, kept)
    np.testing.assert_equal(content(unpacked(stored, {str(number): array for number, array in enumerate(kept)})), content(value))


def test_another_run_takes_nothing_and_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.0)
    plan = make({"seed_size": 12, "rounds": 3, "budget": 6}, [{"strategy": "margin"}])
    killed(lambda **given: replay(POOL, plan, plan.runs[0], 0, **given), tmp_path, 1)
    assert [one.number for one in Journal(tmp_path / "run", "facts").read(models=False)] == [0, 1]
    assert Journal(tmp_path / "run", "other facts").read(models=False) == []
    *_, last = sorted((tmp_path / ".run.partial").glob("rounds-*"))
    last.write_bytes(last.read_bytes()[:-20])
    with pytest.raises(InputError, match="it is damaged"):
        Journal(tmp_path / "run", "facts").read(models=False)
    Journal(tmp_path / "run", "facts").remove()
    assert not list(tmp_path.iterdir())


def test_short_rounds_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 600.0)
    plan = make({"seed_size": 12, "rounds": 3, "budget": 6}, [{"strategy": "random"}])
    replay(POOL, plan, plan.runs[0], 0, journal=Journal(tmp_path / "run", "facts"))
    assert not list(tmp_path.iterdir())
