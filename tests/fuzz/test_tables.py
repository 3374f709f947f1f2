"""Every kind of table, through every command that takes it, as other tools, systems and accidents write it.

A few hundred cases are drawn from a seed. ALTOOL_FUZZ=N tries N of each kind, ALTOOL_FUZZ_SEED others; ALTOOL_FUZZ_CASE=N one alone.
A case is decided by the seed, the kind and its number; the folders of those that fail are kept, with the call that each names.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from fuzz import layouts, shapes, writers
from fuzz.harness import OUTPUT, Ended, Found, Run, Runner, faults, numbers, seed, snapshot
from fuzz.kinds import KINDS, Kind, Use, chosen
from fuzz.world import IDS, World
from fuzz.writers import Option

pytestmark = pytest.mark.slow

CASES = 15  # of each kind
USUAL = 0.75  # how often a dimension that is not looked at is as it should be
DIMENSIONS = {
    "shape": (shapes.GOOD, shapes.SHAPES),
    "format": (writers.SIMPLE, writers.FORMATS),
    "damage": (writers.WHOLE, writers.DAMAGES),
    "layout": (layouts.FILE, layouts.LAYOUTS),
}


class Case:
    """One table, spoiled, and the call that reads it. Every option of every dimension has its turn; the others are drawn beside it."""

    def __init__(self, kind: Kind, number: int, worlds: dict[str, World], folder: Path) -> None:
        turns = [(name, option) for name, (_, others) in DIMENSIONS.items() for option in others]
        Random(f"{seed()}/{kind.name}").shuffle(turns)
        self.draw = draw = Random(f"{seed()}/{kind.name}/{number}")
        self.folder = folder / f"case-{number:04d}"
        (self.folder / OUTPUT).mkdir(parents=True)
        name, option = turns[number % len(turns)]
        self.ids = draw.choice(IDS)
        self.world = worlds[self.ids]
        self.use: Use = kind.uses[number % len(kind.uses)]
        self.options: dict[str, Option] = {
            other: option if other == name else draw.choice(others) if draw.random() > USUAL else good
            for other, (good, others) in DIMENSIONS.items()
        }
        if self.use.grows and self.options["layout"] is layouts.FILE:
            self.options["layout"] = layouts.FOLDER
        self.table = self.world.tables[kind.good or kind.name]
        changed = None
        with contextlib.suppress(AttributeError, pa.ArrowNotImplementedError):  # an older pyarrow has no such type
            changed = self.options["shape"].make(draw, self.table)
        if changed is None:
            self.options["shape"] = shapes.GOOD
        else:
            self.table = changed
        ending = writers.ending(draw, self.options["format"].name)
        place = self.options["layout"].make(draw, self.folder, self.table, self._save, ending)
        words = [word.format(x=place.at, w=self.world.folder) for word in self.use.words.split()]
        words += ["--json"] if draw.random() < 0.3 else []
        self.run = Run(tuple(words), self.folder, place.stdin, place.feeds)

    def _save(self, table: pa.Table, path: Path) -> None:
        try:
            content = self.options["format"].make(self.draw, table)
        except (pa.ArrowException, LookupError, OSError, TypeError, ValueError):  # this format cannot hold it
            try:
                content = writers.arrow_stream(self.draw, table)
            except pa.ArrowException:
                content = writers.lines(self.draw, table)
            self.options["format"] = Option("another format", writers.lines)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.options["damage"].make(self.draw, content))

    def all(self, quality: str) -> bool:
        return all(getattr(option, quality) for option in self.options.values())

    def wrong(self, ended: Ended, before: dict[str, str], expected: Any) -> list[str]:
        """The faults of this case."""
        found = faults(self.run, ended, before, grows=self.use.grows, keeps=self.use.keeps)
        if ended.status == 0 and any(option.refused for option in self.options.values()):
            found.append("it is read, but it cannot have been understood")
        if self.all("must") and ended.status != 0 and (not self.use.grows or self.options["layout"] is layouts.FOLDER):
            found.append(f"refused, though the contract has it: {ended.said.strip()[:300]}")
        if ended.status == 0 and not found:
            answer = self.use.answer(self.folder / OUTPUT)
            if self.use.answer is chosen:
                known = {str(value) for value in (*self.world.ids, *(self.table.column("id").to_pylist() if self._readable() else ()))}
                if len(set(answer)) < len(answer) or len(answer) > 3 or (self._readable() and not set(answer) <= known):
                    found.append(f"it chose {answer}")
            # Integers are texts where no other table says what they are, and texts have another order.
            other = (
                self.ids == "integer"
                and self.options["format"].name in writers.TEXTS
                and "{w}" not in re.sub(r"--model \S+", "", self.use.words)
            )
            if self.all("same") and answer != expected and not other:
                found.append(f"another answer: {str(answer)[:150]} instead of {str(expected)[:150]}")
        return found

    def _readable(self) -> bool:
        damaged = not self.options["damage"].same or self.options["layout"].name == "hive_values"
        texts = self.options["shape"].name in ("strange_ids", "duplicate_column", "id_type")
        return not damaged and not texts and self.table.column_names.count("id") == 1

    def __str__(self) -> str:
        return f"{self.ids} ids, " + ", ".join(option.name for option in self.options.values())


@pytest.fixture(scope="module")
def answers(runner: Runner, worlds: dict[str, World], tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind, Use, str], Any]:
    """What each use makes of the good table."""
    known: dict[tuple[str, str, str], Any] = {}

    def answer(kind: Kind, use: Use, ids: str) -> Any:
        if (kind.name, use.words, ids) not in known:
            folder = tmp_path_factory.mktemp("good")
            (folder / OUTPUT).mkdir()
            world = worlds[ids]
            table = shutil.copy(world.folder / f"{kind.good or kind.name}.parquet", folder / "t.parquet")
            if use.grows:
                (folder / "log").mkdir()
                table = Path(shutil.move(table, folder / "log")).parent
            run = Run(tuple(word.format(x=table, w=world.folder) for word in use.words.split()), folder)
            ended = runner(run)
            assert ended.status == 0, f"{run.shell}\n{ended.said}"
            known[kind.name, use.words, ids] = use.answer(folder / OUTPUT)
        return known[kind.name, use.words, ids]

    return answer


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_table_ends_in_a_fault(
    runner: Runner, worlds: dict[str, World], answers: Callable[[Kind, Use, str], Any], tmp_path: Path, kind: Kind
) -> None:
    before = {ids: snapshot(world.folder, but=()) for ids, world in worlds.items()}
    found = Found()
    for number in numbers(CASES):
        case = Case(kind, number, worlds, tmp_path)
        held = snapshot(case.folder)
        expected = answers(kind, case.use, case.ids) if case.all("same") else None
        wrong = case.wrong(runner(case.run), held, expected)
        found.runs += 1
        for fault in wrong:
            found.add(fault, case.run.shell, f"{kind.name} {number} ({case})")
        if not wrong:
            shutil.rmtree(case.folder)
    if found.groups:
        pytest.fail(str(found), pytrace=False)
    assert {ids: snapshot(world.folder, but=()) for ids, world in worlds.items()} == before
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith("case-")]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in ("predictions", "answers")], ids=lambda kind: kind.name)
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(runner: Runner, worlds: dict[str, World], tmp_path: Path, kind: Kind) -> None:
    place = layouts.missing_pipe_writer(tmp_path)
    words = tuple(word.format(x=place.at, w=worlds["text"].folder) for word in kind.uses[0].words.split())
    ended = runner(Run(words, tmp_path))
    assert ended.status == 3, ended
