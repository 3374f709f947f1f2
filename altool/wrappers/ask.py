"""Replaying a round of a strategy that asks, waits and asks again: nothing is kept between calls but the answers themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from altool.errors import InputError
from altool.strategies.registry import PENDING, Course, Findings, Question

NOTHING = Question(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, bool))


@dataclass(frozen=True)
class Round:
    """How far a round has come.

    `asked`: all rows of the round so far, in order, those to be labeled now among them; `now`: the rows to be labeled now, none when
    the budget is spent (or no candidate is left); `findings`: see registry.Strategy.
    """

    asked: Question
    now: Question
    findings: Findings


def replay(course: Course, answers: np.ndarray, recorded: Sequence[Question] | None = None) -> Round:
    """Lead the strategy through the round so far, up to the next batch with rows that have no answer.

    `answers` int64 (n,) of the candidates: a class number, SKIPPED, or PENDING where there is none yet. Without `recorded`, a batch is
    answered when all of its rows are: until then those that are missing are to be labeled now. With an oracle's answers to all candidates
    that is the whole round.

    `recorded` are the round's batches as they were asked, in order (their `course` means nothing; a row that is repeated counts where it
    came first). They are not chosen again, as what was known at the time cannot be told: the strategy is sent their rows with the answers
    known now, PENDING ones included, and asks for one more batch. Raises InputError when they are no batches of such a round.
    """
    asked: list[Question] = []
    waiting = _once(recorded or (), len(answers))
    now = NOTHING
    try:
        question = next(course)
        while True:
            if waiting:
                question = waiting.pop(0) if question.course in (None, _course(waiting[0])) else NOTHING
            else:
                missing = answers[question.rows] == PENDING
                if missing.any():
                    asked.append(question)
                    now = taken(question, missing)
                    course.send(None)
            asked.append(question)
            question = course.send((question.rows, answers[question.rows]))
    except StopIteration as end:
        findings = end.value
    if waiting:
        raise InputError(
            f"queries: {sum(len(batch.rows) for batch in waiting):,} rows cannot have been asked in this round",
            "give the queries of this round alone, in the order in which they were asked",
        )
    rows, classes, search = (
        np.concatenate(column) for column in zip(*((part.rows, part.classes, part.search) for part in [NOTHING, *asked]), strict=True)
    )
    return Round(Question(rows, classes, search), now, findings)


def taken(question: Question, mask: np.ndarray) -> Question:
    """Those of its rows."""
    return Question(question.rows[mask], question.classes[mask], question.search[mask])


def _course(batch: Question) -> tuple[int, bool]:
    return int(batch.classes[0]), bool(batch.search[0])


def _once(batches: Sequence[Question], size: int) -> list[Question]:
    """The batches without the rows that were in an earlier one, and without those that are empty then."""
    seen = np.zeros(size, bool)
    found = []
    for batch in batches:
        new = taken(batch, ~seen[batch.rows])
        seen[batch.rows] = True
        if len(new.rows):
            found.append(new)
    return found
