"""The engine of one machine, and the options that choose one."""

from __future__ import annotations

import importlib.util
import os

import pytest
from engine_tasks import SAID, Hearing, Item, refused, squares

from altool.engines import placement
from altool.engines.here import Here
from altool.engines.placement import Placed
from altool.errors import InputError, UsageError


def test_this_process_works_on_an_item_when_it_is_asked_for() -> None:
    console, taken = Hearing(), []
    with placement.engine(Placed(), console) as engine:
        assert engine.workers == 1
        results = engine.map(squares, (taken.append(n) or Item(n) for n in range(4)))  # type: ignore[func-returns-value]
        assert next(results) == (0, os.getpid())
        assert taken == [0]
        assert [square for square, _ in results] == [1, 4, 9]
    assert list(dict.fromkeys(console.heard)) == SAID


@pytest.mark.slow
def test_processes_say_each_sentence_once_and_keep_the_order() -> None:
    console = Hearing()
    results = list(Here(console, 2).map(squares, map(Item, range(4))))
    assert [square for square, _ in results] == [0, 1, 4, 9]
    assert os.getpid() not in {process for _, process in results}
    assert console.heard == SAID


def test_errors_come_as_they_are() -> None:
    results = Here(Hearing()).map(refused, map(Item, range(4)))
    assert [next(results), next(results)] == [0, 0]
    with pytest.raises(InputError, match=r"t\.parquet, id: wrong"):
        next(results)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ray_address": "auto"}, "--ray-address has no effect with --engine local"),
        ({"gpus_per_worker": 0.0}, "--gpus-per-worker has no effect with --engine local"),
        ({"engine": "ray", "workers": 0}, "--workers: expected a whole number of at least 1 with --engine ray, found 0"),
    ],
)
def test_an_option_without_an_effect_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        placement.check(Placed(**given))  # type: ignore[arg-type]
    assert caught.value.message == said


def test_without_the_extra_the_line_to_type_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "ray" else there(name, *more))
    with pytest.raises(UsageError) as caught:
        placement.check(Placed("ray"))
    assert caught.value.message == "--engine ray needs ray, which is not installed"
    assert caught.value.hint == "type: pip install 'altool[ray]'"
