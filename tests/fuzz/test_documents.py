"""Spoiled TOML, class lists, model folders and word vectors, through every command that reads them; see test_tables.py."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from fuzz.documents import DOCUMENTS, Document, copied, place
from fuzz.harness import OUTPUT, Found, Run, Runner, faults, numbers, seed, snapshot
from fuzz.world import World

pytestmark = pytest.mark.slow

CASES = 8  # of each kind


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_no_document_ends_in_a_fault(runner: Runner, worlds: dict[str, World], tmp_path: Path, document: Document) -> None:
    world = worlds["text"].folder
    found = Found()
    for number in numbers(CASES):
        draw = Random(f"{seed()}/{document.name}/{number}")
        folder = tmp_path / f"case-{number:04d}"
        (folder / OUTPUT).mkdir(parents=True)
        at, how = place(draw, folder, world, document)
        words = document.uses[number % len(document.uses)].split()
        run = Run(tuple(word.format(x=at, w=world) for word in words) + (("--json",) if draw.random() < 0.3 else ()), folder)
        before = snapshot(folder)
        wrong = faults(run, runner(run), before, keeps="simulate" in words)
        found.runs += 1
        for fault in wrong:
            found.add(fault, run.shell, f"{document.name} {number} ({how})")
        if not wrong:
            shutil.rmtree(folder)
    if found.groups:
        pytest.fail(str(found), pytrace=False)


@pytest.mark.parametrize("document", DOCUMENTS[:5], ids=lambda document: document.name)
def test_a_link_to_an_endless_device_is_refused(runner: Runner, worlds: dict[str, World], tmp_path: Path, document: Document) -> None:
    (tmp_path / OUTPUT).mkdir()
    at, file = copied(tmp_path, worlds["text"].folder, document)
    file.unlink()
    file.symlink_to("/dev/zero")
    words = tuple(word.format(x=at.name, w=worlds["text"].folder) for word in document.uses[0].split())
    run = Run(words, tmp_path)
    ended = runner(run, 8)
    assert ended.status in (2, 3), (run.shell, ended)
