"""Spoiled exports of annotation tools: the counts add up to the file's records, and no label is in the log that its record does not give.

See test_tables.py for the variables; ALTOOL_FUZZ=2000 is the long run.
"""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from fuzz import exports, reading, writers
from fuzz.harness import OUTPUT, Found, Run, Runner, faults, numbers, seed, snapshot
from fuzz.world import IDS, World

pytestmark = pytest.mark.slow

CASES = 150
DAMAGES = (writers.truncated, writers.marked, writers.latin_1, writers.nul, writers.tail, writers.utf_16)
OPTIONS = ("--strict", "--allow-new-classes", "--skip-value skip", "--skip-value ant", "--id-col altool_id", "--source seed", "--round 3")


def test_no_label_is_made_up_and_every_record_is_counted(runner: Runner, worlds: dict[str, World], tmp_path: Path) -> None:
    found = Found()
    for number in numbers(CASES):
        draw = Random(f"{seed()}/exports/{number}")
        world = worlds[draw.choice(IDS)]
        folder = tmp_path / f"case-{number:04d}"
        (folder / OUTPUT).mkdir(parents=True)
        tool, files = exports.TOOLS[number % len(exports.TOOLS)]
        file = draw.choice(files)
        records: list[Any] = [tool(said) for said in exports.answers(draw, world.ids)]
        if tool is exports.studio_storage:
            records = records[:1]
        for _ in range(draw.choice([0, 1, 1, 2, 3, 5])):
            exports.spoil(draw, records)
        content = file(draw, records)
        damage = draw.choice(DAMAGES) if draw.random() < 0.15 else None
        content = damage(draw, content) if damage else content
        (folder / "export").write_bytes(gzip.compress(content) if draw.random() < 0.05 else content)
        words = ["import-labels", "export", "--labels", "out/log", "--json"]
        words += ["--queries", f"{world.folder}/queries.parquet", "--items", f"{world.folder}/texts.parquet"] if draw.random() < 0.6 else []
        given = draw.choice(OPTIONS).split() if draw.random() < 0.25 else []
        run = Run((*words, *given), folder)
        wrong = _wrong(run, runner, reading.read(content), bool(given), draw.random() < 0.3)
        found.runs += 1
        for fault in wrong:
            found.add(
                f"{tool.__name__}: {fault}",
                run.shell,
                f"exports {number} ({tool.__name__}, {file.__name__}, {damage.__name__ if damage else 'whole'})",
            )
        if not wrong:
            shutil.rmtree(folder)
    if found.groups:
        pytest.fail(str(found), pytrace=False)


def _wrong(run: Run, runner: Runner, said: reading.Reading, options: bool, again: bool) -> list[str]:
    before = snapshot(run.folder)
    ended = runner(run)
    found = faults(run, ended, before)
    if found:
        return found
    if ended.status == 2 and not options:
        found.append(f"exit 2 without a misused option: {ended.said[:200]}")
    if ended.status != 0:
        return found
    log = run.folder / OUTPUT / "log"
    rows = [row for path in sorted(log.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    for row in rows:
        if row["label"] is not None and row["status"] != "skipped" and (str(row["id"]), row["label"]) not in said.pairs:
            found.append(f"it made up {(row['id'], row['label'])}")
        elif str(row["id"]) not in said.ids:
            found.append(f"it made up the id {row['id']!r}")
    summary = json.loads(ended.stdout)
    if summary["imported"] != len(rows):
        found.append(f"it says imported {summary['imported']}, but the log has {len(rows)} rows")
    parts = ("imported", "known", "unlabeled", "rejected", "failed", "left_out", "retracted")
    counted = sum(summary[name] for name in parts) + sum(summary["refused"].values())
    if not summary["records"] == counted == said.records:
        found.append(f"it says {summary['records']} records, its counts say {counted}, and the file has {said.records}")
    names = snapshot(log)
    if again and (runner(run).status != 0 or snapshot(log) != names):
        found.append("importing it again changes the log")
    return found
