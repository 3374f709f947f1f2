"""Where a project stands, for people: read from its files alone, without waiting for a round that is at work."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from altool.labels.consensus import resolve
from altool.project import state
from altool.project.settings import Settings
from altool.project.state import EXHAUSTED, IMPORTS, MET, WAITING, Asked, Known
from altool.tables.read import Reader
from altool.text import count

NEW, READY = "new", "answered"
UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def standing(settings: Settings) -> dict[str, Any]:
    """The project's state as one JSON object. `state` is new (nothing was asked), waiting, answered (the next round can begin), met or
    exhausted."""
    folder = settings.folder
    rounds = state.asked(folder)
    log = state.read_log(folder, settings.project["labels"])
    known = Known.of(resolve(log) if log is not None else None)
    found: dict[str, Any] = {"command": "status", "project": settings.name, "folder": str(folder), "state": NEW, "round": None}
    found |= {"labels": known.labels, "classes": known.classes, "held_out": known.held_out, "pool": _pool(settings)}
    if rounds:
        last = rounds[-1]
        opened = len(state.open_ids(last, log))
        found |= {"state": WAITING if opened else READY, "round": last.number}
        found |= {"asked": len(last.ids), "answered": len(last.ids) - opened, "open": opened}
        found |= {"since": round(time.time() - (folder / last.tables[-1]).stat().st_mtime), "files": state.exports_of(folder, last)}
    report = _report(folder)
    if report is not None:
        number, summary, status = report
        found["measured"] = {"round": number, **{name: summary[name] for name in ("overall", "targets", "forecast", "stopping")}}
        if not status and summary.get("targets") and number > (rounds[-1].number if rounds else -1):
            found |= {"state": MET, "round": number}
    if found["state"] == READY and _exhausted(folder, rounds[-1]):
        found["state"] = EXHAUSTED
    held = state.load(folder / IMPORTS)
    answers = state.answers(folder, settings.project["answers"])
    found["unread"] = [path for path in answers if held.get(path, {}).get("stamp") != state.stamp(folder / path)]
    found["refused"] = {path: entry["refused"] for path, entry in held.items() if entry["refused"]}
    return {**found, "next": _next(found, settings)}


def lines(found: Mapping[str, Any], settings: Settings) -> list[str]:
    """The same in words."""
    parts = [found["project"]]
    if found["round"] is not None:
        parts.append(f"round {found['round']}")
    if "asked" in found and found["state"] == WAITING:
        parts.append(f"{found['answered']:,} of {found['asked']:,} answered (open for {_age(found['since'])})")
    parts.append(f"{count(found['labels'], 'label')} of {count(found['classes'], 'class', 'classes')}")
    if found["held_out"]:
        parts.append(f"{found['held_out']:,} held out")
    said = [" · ".join(parts)]
    if report := found.get("measured"):
        said.append(f"round {report['round']}: {measured(report)}")
        said += [report["forecast"]["line"]] if report["forecast"] and report["forecast"]["line"] else []
    if found["unread"]:
        names = ", ".join(found["unread"][:3])
        said.append(f"not read yet: {count(len(found['unread']), 'file')} of answers ({names})")
    for path, refused in found["refused"].items():
        said.append(f"{path}: {count(refused, 'answer')} refused; they are in {settings.project['labels']}.rejects")
    return [*said, f"next: {found['next']}"]


def _next(found: Mapping[str, Any], settings: Settings) -> str:
    call = "altool round" if Path.cwd() == settings.folder else f"altool round {shlex.quote(os.path.relpath(settings.folder))}"
    if found["state"] == WAITING and not found["unread"]:
        files = " or ".join(found["files"])
        return f"answer {files or 'the queries'}, put the answers into {settings.project['answers']}/, then {call}"
    if found["state"] == MET and not found["unread"]:
        return f"look at report.html; to go on, raise {settings.project['targets']}"
    if found["state"] == EXHAUSTED and not found["unread"]:
        return "nothing is left to label; add items, or look at report.html"
    return call


def _report(folder: Path) -> tuple[int, dict[str, Any], int] | None:
    """The last round that was measured: its number, what the report found and its exit status."""
    for path in sorted((folder / state.ROUNDS).glob("*/.report.json"), key=lambda path: (len(path.parent.name), path.parent.name))[::-1]:
        if path.parent.name.isdecimal():
            held = state.load(path)
            return int(path.parent.name), held["summary"], held["status"]
    return None


def _exhausted(folder: Path, last: Asked) -> bool:
    """Did the round after the last one find nothing to ask?"""
    held = state.load(folder / state.place(last.number + 1) / ".select-001.json")
    return held.get("status") == 4


def _pool(settings: Settings) -> int | None:
    """How many items have a vector; None where there are no vectors."""
    path = settings.folder / settings.project["features"]
    return Reader().open(str(path), "features").num_rows if path.exists() else None


def _age(seconds: float) -> str:
    for unit, size in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def measured(summary: Mapping[str, Any]) -> str:
    """What a report measured, in a line."""
    overall = summary["overall"]
    parts = [
        f"{name} {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
        for name, found in (("accuracy", overall["accuracy"]), ("macro-F1", overall["macro_f1"]))
    ]
    if aims := summary.get("targets"):
        parts.append(f"{aims['met']} of {count(aims['counted'], 'target')} met, {aims['proved']} proved")
    return "; ".join(parts)
