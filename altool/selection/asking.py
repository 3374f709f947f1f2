"""A round of a strategy that asks: its answers so far, and what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from altool.errors import InputError
from altool.labels.consensus import Labels, codes, resolve
from altool.selection.from_tables import Supply
from altool.selection.inputs import Past, Tables
from altool.selection.options import Options
from altool.strategies.registry import PENDING, Question, Strategy
from altool.tables import check, label_log, rounds
from altool.tables.align import Index
from altool.tables.read import Source
from altool.text import count
from altool.wrappers.ask import Round
from altool.wrappers.choose import PARALLEL, Choice, asked


def answers_of(pool: Index, positions: np.ndarray, known: Sequence[str], given: Labels | None, oracle: Source | None) -> np.ndarray:
    """int64 per candidate: the class number that it was answered with in this round, SKIPPED or PENDING. People overrule the oracle."""
    found = np.full(len(pool), PENDING)
    truth = resolve(label_log.read(oracle)) if oracle is not None else None
    for labels in filter(None, (truth, given)):
        places = pool.positions(labels.table.column("id"))
        values = codes(labels.table, tuple(known))
        values[np.asarray(labels.table.column("label").is_valid()) & (values < 0)] = len(known)  # a class that only the oracle knows
        found[places[places >= 0]] = values[places >= 0]
    return found[positions]


def begin(tables: Tables, past: Past, strategy: Strategy, given: Mapping[str, Any], supplied: Supply, options: Options) -> str:
    """Put the round's answers so far into what is supplied, and return the digest of what the round began with. Raises InputError where
    its earlier calls began with something else, or answers are to other questions than those that were asked."""
    begun = fingerprint(options, strategy, given, past.round, supplied.fingerprints)
    for table in (*tables.earlier, *([tables.log] if tables.log is not None else [])):
        rounds.check_begun(table, past.round, begun)
    index, positions = supplied.pool.index, supplied.positions
    answers = answers_of(index, positions, past.classes, past.answers, tables.oracle)
    supplied.arrays["answers"] = answers
    if options.wait is False:
        supplied.arrays["recorded"] = recorded(tables.earlier, past.round, index, positions, past.classes, answers)
    return begun


def fingerprint(options: Options, strategy: Strategy, given: Mapping[str, Any], round_: int, inputs: Mapping[str, str]) -> str:
    """What a round begins with: the same in every call of it. `given` are the strategy's options."""
    own = {"seed": options.seed, "budget": options.budget, "parallel": options.parallel or PARALLEL, "wait": options.wait is not False}
    own |= given
    return rounds.fingerprint({"strategy": strategy.name, "round": round_, "options": own, "inputs": inputs})


def recorded(
    earlier: Sequence[Source], round_: int, pool: Index, positions: np.ndarray, known: Sequence[str], answers: np.ndarray
) -> list[Question]:
    """The round's questions so far, as --queries tells them. Raises InputError where `answers` (n,) are to others."""
    code = {name: number for number, name in enumerate(known)}
    found = [
        Question(places, np.array([code.get(name, -1) for name in names], np.int32), search)
        for places, names, search in rounds.recorded(earlier, round_, pool, positions)
    ]
    untold = answers != PENDING
    for batch in found:
        untold[batch.rows] = False
    if untold.any():
        ids = check.naming(check.first_ids(pool.take(positions[untold])))
        text = f"labels: {count(int(untold.sum()), 'answer')} of round {round_} to questions in no --queries (ids {ids})"
        raise InputError(text, "with --no-wait give every table of questions that this round wrote")
    return found


def whole_round(choice: Choice, found: Round, oracle: Source, pool: Index, positions: np.ndarray) -> Choice:
    """The whole round. Raises InputError for rows that the oracle has no answer for."""
    if len(choice.places):
        ids = check.naming(pool.take(positions[choice.places]).to_pylist())
        text = f"{oracle.name}: no label for {count(len(choice.places), 'row')} that the strategy asks about (ids {ids})"
        raise InputError(text, "give an oracle that knows every candidate, or exclude these")
    return asked(found.asked, found)


def found_facts(round_: Round, known: Sequence[str]) -> list[dict[str, Any]]:
    """What the round found out, per class, for `report`."""
    facts = [asdict(finding) for finding in round_.findings()]
    return [{"class": known[fact.pop("class_")], **fact, "gap": None if np.isnan(fact["gap"]) else fact["gap"]} for fact in facts]
