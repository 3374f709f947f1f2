"""A round led call by call is the round that an oracle answers at once, for every strategy that asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool import seeds
from altool.errors import InputError
from altool.strategies import registry
from altool.strategies.registry import PENDING, SKIPPED, Course, Question
from altool.wrappers.ask import Round, replay, taken

ASKING = [name for name in registry.names() if registry.load(name).shape == "ask"]
Rounds = tuple[Callable[[], Course], np.ndarray, int, np.random.Generator]


@st.composite
def rounds(draw: st.DrawFn) -> Rounds:
    """What starts the round, the answers to come (skips, and a class without a column, among them), --parallel, and dice for the world."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes, size, labeled = draw(st.integers(2, 5)), draw(st.integers(1, 40)), draw(st.integers(0, 10))
    rows = rng.dirichlet(np.full(classes, 0.5), size + labeled).astype(np.float32)
    answers = np.where(rng.random(size) < 0.6, rows[:size].argmax(axis=1), rng.integers(SKIPPED, classes + 1, size))
    labels = rng.integers(0, classes + 1, labeled)
    budget, parallel, seed = draw(st.integers(0, 45)), draw(st.integers(1, 9)), draw(st.integers(0, 5))
    strategy = registry.load(draw(st.sampled_from(ASKING)))
    generator = partial(seeds.generator, seed, "test")
    return lambda: strategy.function(rows[:size], rows[size:], labels, budget, generator, parallel), answers, parallel, rng


def same(one: Question, other: Question) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("rows", "classes", "search"))


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(rounds())
def test_call_by_call_in_any_order_and_in_part_it_is_the_oracles_round(case: Rounds) -> None:
    start, truth, parallel, world = case
    oracle = replay(start(), truth)
    answers = np.full(len(truth), PENDING)
    asked: list[int] = []
    for _ in range(20 * len(truth) + 1):
        call = replay(start(), answers)
        assert same(call.now, replay(start(), answers).now)  # killed and repeated
        assert same(call.asked, taken(oracle.asked, np.arange(len(oracle.asked.rows)) < len(call.asked.rows)))
        if not len(call.now.rows):
            break
        assert len(call.now.rows) <= parallel
        asked += [row for row in call.now.rows.tolist() if row not in asked]
        back = world.permutation(call.now.rows)[: world.integers(0, len(call.now.rows) + 1)]
        answers[back] = truth[back]
    assert asked == oracle.asked.rows.tolist()
    assert same(call.asked, oracle.asked)
    assert str(call.findings()) == str(oracle.findings())


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(rounds())
def test_without_waiting_nothing_is_asked_twice_and_the_budget_is_spent(case: Rounds) -> None:
    start, truth, parallel, world = case
    total = len(replay(start(), truth).asked.rows)
    answers = np.full(len(truth), PENDING)
    recorded: list[Question] = []
    for _ in range(len(truth) + 1):
        call = replay(start(), answers, recorded)
        assert same(call.now, replay(start(), answers, recorded).now)
        if not len(call.now.rows):
            break
        assert len(call.now.rows) <= parallel
        assert (answers[call.now.rows] == PENDING).all()
        recorded.append(call.now)
        missing = np.flatnonzero((answers == PENDING) & np.isin(np.arange(len(truth)), call.asked.rows))
        back = world.permutation(missing)[: world.integers(0, len(missing) + 1)]
        answers[back] = truth[back]
    rows = np.concatenate([batch.rows for batch in recorded]) if recorded else np.empty(0, np.int64)
    assert len(set(rows.tolist())) == len(rows) == total
    assert same(replay(start(), truth, recorded).asked, call.asked)  # the answers that were still out change nothing that was asked


@settings(deadline=None, max_examples=30)
@given(rounds())
def test_without_waiting_answers_that_are_never_late_change_nothing(case: Rounds) -> None:
    start, truth, _, _ = case
    answers = np.full(len(truth), PENDING)
    recorded: list[Question] = []
    while len((call := replay(start(), answers, recorded)).now.rows):
        recorded.append(call.now)
        answers[call.now.rows] = truth[call.now.rows]
    assert same(call.asked, replay(start(), truth).asked)


def course(parallel: int = 4, name: str = "direct") -> Course:
    rows = np.random.default_rng(0).dirichlet(np.ones(3), 90).astype(np.float32)
    return registry.load(name).function(rows, rows[:0], np.empty(0, np.int64), 78, partial(seeds.generator, 0), parallel)


@pytest.mark.parametrize("name", ASKING)
def test_a_batch_that_came_back_in_part_is_repeated_without_its_answers(name: str) -> None:
    answers = np.full(90, PENDING)
    first = replay(course(name=name), answers)
    answers[first.now.rows[[0, 2]]] = 1, SKIPPED
    again = replay(course(name=name), answers)
    assert again.now.rows.tolist() == first.now.rows[[1, 3]].tolist()
    assert again.asked.rows.tolist() == first.asked.rows.tolist() == first.now.rows.tolist()


@pytest.mark.parametrize("name", ASKING)
def test_rows_that_were_repeated_count_where_they_came_first(name: str) -> None:
    answers = np.full(90, PENDING)
    first = replay(course(name=name), answers).now
    following = replay(course(name=name), answers, [first])
    assert len(np.intersect1d(following.now.rows, first.rows)) == 0
    repeated = replay(course(name=name), answers, [first, taken(first, np.arange(4) > 1)])
    assert same(repeated.now, following.now)


@pytest.mark.parametrize("name", ASKING)
def test_skipped_rows_teach_nothing_and_count(name: str) -> None:
    found = replay(course(name=name), np.full(90, SKIPPED))
    assert len(found.asked.rows) == 78
    assert [(one.first, one.last) for one in found.findings()] == [(0, 90)] * 3


def test_batches_of_another_round_are_refused() -> None:
    answers = np.full(90, PENDING)
    first = replay(course(), answers).now
    other = Question(np.array([5]), np.array([(first.classes[0] + 1) % 3], np.int32), np.array([False]))
    with pytest.raises(InputError, match="cannot have been asked"):
        replay(course(), answers, [other, taken(first, first.rows != 5)])


def test_a_round_without_candidates_or_budget_is_complete() -> None:
    rows = np.full((3, 2), 0.5, np.float32)
    for size, budget in ((0, 5), (3, 0)):
        for name in ASKING:
            ask = registry.load(name).function
            found: Round = replay(
                ask(rows[:size], rows, np.array([0, 1, 1]), budget, partial(seeds.generator, 0), 2), np.full(size, PENDING)
            )
            assert not len(found.asked.rows)
            assert not len(found.now.rows)
