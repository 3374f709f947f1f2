"""One step of a project: read all answers; close the round or wait; embed what is new, train, score, report; ask for the next labels.

Nothing is remembered but what the commands wrote. Each writes its output whole or not at all, and what a round asked is written last: so
a step that was killed anywhere is finished by the next call, as if it had never been killed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from altool.labels.consensus import resolve
from altool.project import state
from altool.project.events import Events
from altool.project.running import Runner, StepFailed
from altool.project.settings import Settings
from altool.project.standing import measured
from altool.project.state import ASKED, EXHAUSTED, IMPORTS, MET, ROUNDS, UNDONE, WAITING, Asked, Known
from altool.project.steps import Round
from altool.text import count


@dataclass(frozen=True)
class Outcome:
    """Where the project stands after a step: its `state`, the number of the round, and facts for `--json`."""

    state: str
    round: int
    text: str
    facts: Mapping[str, Any]


class Machine:
    """A project's state machine. `step` is one step of it."""

    def __init__(self, settings: Settings, runner: Runner, events: Events) -> None:
        self._settings, self._runner, self._events = settings, runner, events
        self._folder = settings.folder

    def step(self) -> Outcome:
        """Do what can be done now, and say where the project stands. Raises AltoolError where a command fails."""
        (self._folder / self._settings.project["answers"]).mkdir(parents=True, exist_ok=True)
        rounds = state.asked(self._folder)
        self._import_all(rounds)
        if rounds:
            self._tell_asked(rounds[-1])
            self._show_last(rounds)
            outcome = self._close_or_wait(rounds[-1], rounds)
            if outcome is not None:
                return outcome
        number = rounds[-1].number + 1 if rounds else 0
        return self._begin(Round(self._settings, number, self._known, rounds))

    # -- answers ---------------------------------------------------------------------------------------------------------------------------

    def _import_all(self, rounds: Sequence[Asked]) -> None:
        """Import what has come or changed since the last call, in the order in which it came: the labels to measure on, the answers of
        people, those of the machine. A file that is refused keeps no other one from being read; the first such error is raised then."""
        imports = Round(self._settings, 0, Known.of(None), rounds)
        held: dict[str, Any] = state.load(self._folder / IMPORTS)
        holdout, classes = self._settings.project["holdout"], self._settings.project["classes"]
        # What decides beside a file itself which of its rows are taken.
        around = [[list(one.tables) for one in rounds], state.stamp(self._folder / classes) if classes else []]
        failures = []
        for path in [*([holdout] if holdout else []), *state.answers(self._folder, self._settings.project["answers"])]:
            step = imports.answers(path, held_out=path == holdout)
            stamp, words = state.stamp(self._folder / path), [list(step.words), *around]
            if (before := held.get(path)) and before["stamp"] == stamp and (not before["refused"] or before["words"] == words):
                continue
            try:
                summary = self._runner.run(step).summary
            except StepFailed as error:
                failures.append(error)
                continue
            counts = _counts(summary)
            held[path] = {"stamp": stamp, "refused": counts["refused"], "words": words}
            state.save(self._folder / IMPORTS, held)
            if any(counts[name] for name in ("imported", "outdated", "withdrawn", "refused")):
                self._events.fire("imported", f"{path} {stamp}", _imported(path, counts), {"file": path, **counts})
        for one in rounds:
            if one.automatic:
                self._runner.run(imports.automatic(one))
        if failures:
            raise failures[0]

    @cached_property
    def _known(self) -> Known:
        return Known.of(resolve(self._log) if self._log is not None else None)

    @cached_property
    def _log(self) -> pa.Table | None:
        """The label log as it is when all answers are imported."""
        return state.read_log(self._folder, self._settings.project["labels"])

    # -- the round that is open ------------------------------------------------------------------------------------------------------------

    def _tell_asked(self, one: Asked) -> None:
        """Tell of the questions that are out, if that was not done."""
        if not one.sizes[-1] or self._events.known(ASKED, one.key):
            return
        files = state.exports_of(self._folder, one)
        rows = len(one.last_ids)
        held_out = one.held_out if len(one.tables) == 1 else 0
        text = f"round {one.number} asks for {count(rows, 'label')}"
        text += f", {held_out:,} of them to measure on" if held_out else ""
        text += f": {', '.join(files) or one.tables[-1]}; put the answers into {self._settings.project['answers']}/"
        self._events.fire(ASKED, one.key, text, {"round": one.number, "rows": rows, "held_out": held_out, "files": files})

    def _close_or_wait(self, one: Asked, rounds: Sequence[Asked]) -> Outcome | None:
        """The outcome while a round is open; None when it is closed."""
        opened = state.open_ids(one, self._log)
        asked, answered = len(one.ids), len(one.ids) - len(opened)
        facts = {"asked": asked, "answered": answered, "open": len(opened), "files": state.exports_of(self._folder, one)}
        settings = self._settings.round
        closed = not len(opened)
        if not closed and answered and not one.asks_on:
            since = time.time() - (self._folder / one.tables[-1]).stat().st_mtime
            late = settings["close_after"] is not None and since >= settings["close_after"]
            closed = late or answered >= settings["close_at"] * asked
        if not closed:
            fresh = [entry for entry in self._events.fired if entry["event"] == ASKED]
            text = f"round {one.number} waits for answers: {answered:,} of {asked:,} are there"
            return Outcome(ASKED if fresh else WAITING, one.number, text, facts)
        outcome = self._ask_on(one, rounds)
        if outcome is None:
            self._tell_closed(one, facts)
        return outcome

    def _tell_closed(self, one: Asked, facts: Mapping[str, Any]) -> None:
        """Tell that a round is closed, if that was not done."""
        text = f"round {one.number} is closed: {facts['answered']:,} of {count(facts['asked'], 'answer')}"
        text += f"; {count(facts['open'], 'row')} may be asked again" if facts["open"] else ""
        if not self._events.known("closed", one.key):
            self._events.fire("closed", one.key, text, {"round": one.number, **facts})

    def _ask_on(self, last: Asked, rounds: Sequence[Asked]) -> Outcome | None:
        """The next questions of a round whose strategy asks by the answers; None where the round is over."""
        round_ = Round(self._settings, last.number, self._known, rounds, len(last.tables) + 1)
        if not last.asks_on or not last.sizes[-1] or round_.strategy.shape != "ask":
            return None
        return None if self._runner.run(round_.select()).status else self._asked(last.number)

    # -- the next round --------------------------------------------------------------------------------------------------------------------

    def _begin(self, round_: Round) -> Outcome:
        """Everything up to the next questions. What is there already is not made again."""
        (self._folder / round_.path).mkdir(parents=True, exist_ok=True)
        if round_.embeds:
            self._runner.run(round_.embed())
        if round_.known.classes < 2:
            return self._ask(round_, self._first(round_))
        self._runner.run(round_.train())
        self._runner.run(round_.score())
        if round_.measures:
            step = round_.report()
            done = self._runner.run(step)
            text = measured(done.summary)
            if done.fresh:
                self._events.fire("measured", f"{round_.number}", f"round {round_.number}: {text}", {"round": round_.number})
            if round_.targets and not done.status:
                self._runner.run(round_.page())
                self._tell_met(round_, text)
                return Outcome(MET, round_.number, f"round {round_.number}: {text}", {"report": "report.html"})
        else:
            self._runner.console.warn("no row to measure on: no held-out label, and none of a random sample; see altool.toml, [holdout]")
        status = self._runner.run(round_.select()).status
        if round_.measures:
            self._runner.run(round_.page())
        return self._ask(round_, status)

    def _show_last(self, rounds: Sequence[Asked]) -> None:
        """Make the page of the last round, if it was killed after its questions were out."""
        round_ = Round(self._settings, rounds[-1].number, self._known, rounds[:-1])
        files = (round_.metrics, round_.predictions)
        if not (self._folder / round_.page_record).exists() and all((self._folder / path).exists() for path in files):
            self._runner.run(round_.page())

    def _tell_met(self, round_: Round, text: str) -> None:
        known = round_.known
        key = f"{round_.number} {known.labels} {known.held_out} {self._settings.round['until']}"
        if not self._events.known(MET, key):
            how = "proved" if self._settings.round["until"] == "proved" else "met by estimate"
            self._events.fire(MET, key, f"round {round_.number}: every target is {how}", {"round": round_.number, "measured": text})

    def _first(self, round_: Round) -> int:
        """Choose without a model: the rows to measure on, too, where none were asked for yet. Returns the command's status."""
        parts = f"{round_.path}/parts"
        wanted = self._settings.holdout["rows"] and not self._settings.project["holdout"]
        if not wanted or round_.known.held_out or round_.before:
            return self._runner.run(round_.first()).status
        held_out, first = f"{parts}/holdout.parquet", f"{parts}/seed.parquet"
        (self._folder / parts).mkdir(exist_ok=True)
        if self._runner.run(round_.hold_out(held_out)).status:
            return 4
        if self._runner.run(round_.first(held_out, first)).status:  # the pool is no larger than what is held out
            (self._folder / first).unlink(missing_ok=True)
        return self._runner.run(round_.join(parts)).status

    def _ask(self, round_: Round, status: int) -> Outcome:
        """The outcome of a selection that ended with this status."""
        if status:
            key = f"{round_.number} {round_.known.labels}"
            text = f"round {round_.number}: nothing is left to label"
            if not self._events.known(EXHAUSTED, key):
                self._events.fire(EXHAUSTED, key, text, {"round": round_.number})
            return Outcome(EXHAUSTED, round_.number, text, {})
        self._forget(round_.number)
        return self._asked(round_.number)

    def _asked(self, number: int) -> Outcome:
        one = state.asked(self._folder)[-1]
        self._tell_asked(one)
        if one.automatic:
            self._runner.run(Round(self._settings, number, Known.of(None), ()).automatic(one))
        facts = {"asked": len(one.ids), "answered": 0, "open": len(one.ids), "files": state.exports_of(self._folder, one)}
        return Outcome(ASKED, number, f"round {number} asks for {count(len(one.ids), 'label')}", facts)

    def _forget(self, number: int) -> None:
        """Remove the models and predictions of rounds that are to be kept no longer."""
        keep = self._settings.round["keep"]
        for old in range(number + 1 - keep if keep else 0):
            folder = self._folder / state.place(old)
            for name in ("predictions.parquet", "oof.parquet", "vectors.parquet"):
                (folder / name).unlink(missing_ok=True)
            shutil.rmtree(folder / "model", ignore_errors=True)


def undo(folder: Path, number: int) -> list[str]:
    """Move a round and those after it out of the project's rounds, and return where they are now. The log keeps their answers."""
    moved = []
    for path in sorted((folder / ROUNDS).glob("*")):
        if path.is_dir() and path.name.isdecimal() and int(path.name) >= number:
            (folder / UNDONE).mkdir(exist_ok=True)
            place = next(place for attempt in range(1, 10**6) if not (place := folder / UNDONE / f"{path.name}-{attempt}").exists())
            os.replace(path, place)
            moved.append(os.path.relpath(place, folder))
    return moved


def _counts(summary: Mapping[str, Any]) -> dict[str, int]:
    """What an import did, by the number of rows."""
    names = ("imported", "changed", "outdated", "skipped", "withdrawn", "unlabeled")
    return {**{name: summary[name] for name in names}, "refused": sum(summary["refused"].values())}


def _imported(path: str, counts: Mapping[str, int]) -> str:
    """What was taken of a file, in a line."""
    parts = [f"{counts[name]:,} {name}" for name in ("imported", "changed", "outdated", "skipped", "withdrawn", "refused") if counts[name]]
    return f"{path}: answers: {', '.join(parts)}"
