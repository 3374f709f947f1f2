"""`altool init`: make a project: look at the items, and write its settings.

Nothing is copied. The folder gets an `altool.toml`, in which every setting is explained, and a `targets.toml` if it has none.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from altool import extras
from altool.console import Console
from altool.errors import AltoolError, InputError, UsageError
from altool.labels import opening
from altool.labels import registry as formats
from altool.labels.exchange import Naming
from altool.metrics.proof import CONFIDENCE
from altool.options import option, shared
from altool.project import looking, proposing, writing
from altool.project.looking import Seen
from altool.project.settings import FILE
from altool.shared import ALLOW_OUTSIDE, OVERWRITE
from altool.tables import label_log, outputs, write
from altool.tables.outputs import Output
from altool.tables.read import Reader, parse_classes, parse_columns
from altool.tables.targets import Targets, read_targets
from altool.text import count

SEEN, PROJECT = "The items", "The project"
TARGETS, CLASSES = "targets.toml", "classes.txt"
HOLDOUTS = ("holdout.csv", "holdout.parquet", "holdout.jsonl")
SMALL = 64  # pixels: pictures of which no network is needed
PIXELS = 32  # their longest side as `pixels` sees it
EXPORTS = ("html", "csv")  # a page to label on, and a sheet


@dataclass(frozen=True, kw_only=True)
class Options:
    items: str = option("What there is to label: a table, or a folder of images.", required=True, argument=True, metavar="ITEMS")
    project: str = option("The project's folder; made if it is missing.", default=".", argument=True, metavar="PROJECT")
    id_: str | None = option("The column of unique ids.", flags=("--id",), metavar="NAME", shown="the one named like ids", panel=SEEN)
    text: str | None = option("The column of the texts to label.", metavar="NAME", shown="the only one", panel=SEEN)
    image: str | None = option("The column of encoded images to label.", metavar="NAME", shown="the only one", panel=SEEN)
    path: str | None = option("The column of paths of images to label.", metavar="NAME", shown="the only one", panel=SEEN)
    allow_outside: bool = shared(replace(ALLOW_OUTSIDE, panel=SEEN))
    name: str | None = option("What the project is called.", metavar="TEXT", shown="the folder's name", panel=PROJECT)
    classes: str | None = option(
        "The classes, or a file with one on a line.", metavar="A,B,…|FILE", shown=f"PROJECT/{CLASSES}, if it is there", panel=PROJECT
    )
    targets: str | None = option("What each class must reach.", metavar="FILE", shown=f"PROJECT/{TARGETS}", panel=PROJECT)
    holdout: str | None = option(
        "Labels to measure on: a table or a sheet.", metavar="FILE", shown="PROJECT/holdout.csv, if it is there", panel=PROJECT
    )
    holdout_rows: int | None = option(
        "Random rows to measure on, asked first; 0: none.",
        low=0,
        high=2**31 - 1,
        metavar="N",
        shown=f"{proposing.HELD_OUT}, without --holdout",
        panel=PROJECT,
    )
    budget: int | None = option("Labels of a round.", low=1, high=2**31 - 1, metavar="N", shown=proposing.BUDGET, panel=PROJECT)
    overwrite: bool = shared(replace(OVERWRITE, help=f"Replace an {FILE} that exists.", panel=PROJECT))


@dataclass(frozen=True)
class Found:
    """What the project has: its `classes` (None: unknown), its targets, how many held-out labels lie in a file or the log, and the settings
    that say so."""

    classes: tuple[str, ...] | None
    targets: Targets | None
    held_out: int
    settings: Mapping[str, Any]


def run(options: Options, console: Console) -> None:
    """Look, choose, write, and say what was seen, what was chosen and why, and what comes next."""
    folder = Path(options.project)
    _check_place(options, folder)
    given = {"id": options.id_} | {kind: getattr(options, kind) for kind in looking.PAYLOADS}
    columns = {name: value for name, value in given.items() if value is not None}
    if len(kinds := [kind for kind in looking.PAYLOADS if kind in columns]) > 1:
        raise UsageError(f"--{kinds[0]} and --{kinds[1]} both name what is labeled", "give one of them")
    seen = looking.look(options.items, columns, allow_outside=options.allow_outside, console=console)
    console.info(_said(options.items, seen))
    found = _found(options, folder, seen, console)
    embed, why = _backbone(seen)
    number = len(found.classes) if found.classes else None
    budget, why_budget = (options.budget, "") if options.budget else proposing.budget(seen.rows, number)
    rows = options.holdout_rows
    if rows is None:
        rows = 0 if found.held_out else proposing.held_out(seen.rows, number)
    exports = list(EXPORTS)
    project = {"items": _relative(options.items, folder), **({"columns": seen.columns} if seen.columns else {}), **found.settings}
    project |= {"name": options.name} if options.name else {}
    project |= {"allow_outside": True} if options.allow_outside else {}
    chosen: dict[str, dict[str, Any]] = {
        "project": project,
        "holdout": {"rows": rows},
        "round": {"export": exports},
        "embed": embed,
        "select": {"budget": budget},
    }
    written = _write(folder, chosen, found) if not console.dry_run else _files(folder, found)
    console.info(f"vectors: {why}; classifier logistic, strategy auto")
    console.info(f"a round: {', '.join(filter(None, [count(budget, 'label'), why_budget]))}")
    _say_holdout(rows, found, number, console)
    console.info(f"for annotators: {' and '.join(exports)}")
    program, project_ = _program(), shlex.quote(str(folder))
    cron = f"0 * * * * {program} round {shlex.quote(os.path.abspath(folder))}".replace("%", "\\%")
    if not console.dry_run:
        console.info(f"wrote {' and '.join(written)}: change there what you want otherwise")
        console.info(f"for cron: {cron}")
    summary = {
        "command": "init",
        "project": options.project,
        "rows": seen.rows,
        "id": seen.id,
        seen.kind: seen.column,
        "classes": list(found.classes) if found.classes else None,
        "settings": chosen,
        "written": written,
        "cron": cron,
    }
    if console.dry_run:
        console.rehearsed(summary, f"write {' and '.join(written)}")
        return
    console.result(summary, "next: altool round" + (f" {project_}" if folder.resolve() != Path.cwd() else ""))


def _check_place(options: Options, folder: Path) -> None:
    """Raise InputError where there is a project already, UsageError where nothing can be written, or a project would be among its items."""
    path = folder / FILE
    if os.path.lexists(path) and not (options.overwrite and path.is_file()):
        raise InputError(
            f"{path}: a project is there already", f"go on with it: altool round {shlex.quote(str(folder))}; or give --overwrite"
        )
    wanted = [Output("PROJECT", str(folder / "features.parquet"), "features", local=True, sidecar=True)]
    try:
        outputs.check(wanted, [("ITEMS", options.items)])
    except UsageError as error:
        raise UsageError(error.message, "give the project a folder of its own: altool init ITEMS PROJECT") from error


def _said(items: str, seen: Seen) -> str:
    what = {"text": "texts", "image": "pictures", "path": "paths of pictures"}[seen.kind]
    text = f"{items}: {count(seen.rows, 'row')}; ids in column {seen.id!r}, as {seen.first!r}; {what} in column {seen.column!r}"
    if seen.files:
        text = f"{items}: {count(seen.rows, 'picture')}, whose ids are their paths, as {seen.first!r}"
    return text if seen.longest is None else f"{text}, of at most {count(seen.longest, 'pixel')}"


def _relative(location: str, folder: Path) -> str:
    """A path as seen from the project's folder; a URI as it is."""
    if "://" in location:
        return location
    whole = os.path.abspath(location)
    parent, name = os.path.split(whole)
    seen = os.path.relpath(os.path.join(os.path.realpath(parent), name), os.path.realpath(folder))
    return f"./{seen}" if seen.startswith("-") else seen


def _found(options: Options, folder: Path, seen: Seen, console: Console) -> Found:
    """The classes, targets and held-out labels that are given, or lie in the folder. Raises InputError where they cannot be read, or do not
    go together."""
    settings: dict[str, Any] = {}
    classes = _classes(options, folder, settings, console)
    targets = None
    location = options.targets or (str(folder / TARGETS) if (folder / TARGETS).exists() else None)
    if location:
        targets = read_targets(Reader(), location)
        if classes:
            targets.resolve(classes)
        if _relative(location, folder) != TARGETS:
            settings["targets"] = _relative(location, folder)
        console.info(f"targets: {location}")
    there = [str(folder / name) for name in HOLDOUTS if (folder / name).exists()]
    if options.holdout is None and len(there) > 1:
        raise InputError(f"{' and '.join(there)}: two files of held-out labels", f"name one: --holdout {shlex.quote(there[0])}")
    held_out = 0
    if location := options.holdout or next(iter(there), None):
        held_out = _answers(location, seen)
        settings["holdout"] = _relative(location, folder)
        console.info(f"held out: {count(held_out, 'label')} of {location}")
    return Found(classes, targets, held_out or _logged(folder / "labels"), settings)


def _classes(options: Options, folder: Path, settings: dict[str, Any], console: Console) -> tuple[str, ...] | None:
    """The classes; `settings` is told of them."""
    location = options.classes or (str(folder / CLASSES) if (folder / CLASSES).exists() else None)
    if location is None:
        console.info(f"classes: unknown, so that whatever people answer is a class; to name them, set classes in {FILE}")
        return None
    is_file = os.path.isfile(location)
    names = parse_classes(location) or ()
    if len(names) < 2:
        raise UsageError(f"--classes: expected two classes or more, found {', '.join(map(repr, names))}", "or give a file of them")
    settings["classes"] = _relative(location, folder) if is_file else list(names)
    console.info(f"classes: {len(names):,}" + (f", of {location}" if is_file else ""))
    return names


def _answers(location: str, seen: Seen) -> int:
    """The labels in what people answered. Raises InputError where there are none."""
    naming = Naming(parse_columns(seen.columns))
    answers = [formats.read(export, formats.AUTO, naming).table for export in opening.open_exports(location)]
    labels = sum(len(table) - table.column("label").null_count for table in answers)
    if not labels:
        raise InputError(f"holdout {location}: no row with a label", "give labels to measure on, or let the first round ask for them")
    return labels


def _logged(labels: Path) -> int:
    """The held-out labels in a log that is there already."""
    if not labels.is_dir():
        return 0
    rows = label_log.read(Reader().open(str(labels), "labels", allow_empty=True))
    return rows.column("source").to_pylist().count("holdout")


def _backbone(seen: Seen) -> tuple[dict[str, Any], str]:
    """The settings of embed, and why."""
    if seen.longest is None:
        return {"backbone": "hashing"}, "hashing, of words and their parts"
    size = min(max(seen.longest, 1), PIXELS)
    small = {"backbone": "pixels", "image_size": size}
    if seen.longest <= SMALL:
        return small, f"pixels, at {size} × {size}: the pictures are small"
    if not extras.missing("torch"):
        return {"backbone": "resnet18"}, "resnet18, whose weights are downloaded once"
    return small, f"pixels, at {size} × {size}, which tell far less than a network's: that needs {extras.line('torch')}"


def _say_holdout(rows: int, found: Found, classes: int | None, console: Console) -> None:
    """Say what the held-out rows tell."""
    total = found.held_out + rows
    if not total:
        console.warn(f"no held-out rows: reports measure on out-of-fold predictions, and prove nothing; set [holdout] rows in {FILE}")
        return
    first = f"{count(rows, 'random row')} to measure on, asked first" if rows else count(total, "held-out row")
    default = found.targets.default if found.targets else None
    target = default.target if default else 0.9
    confidence = found.targets.confidence if found.targets else CONFIDENCE
    console.info(f"{first}: {proposing.told(total, classes, target, confidence)}")


def _write(folder: Path, chosen: Mapping[str, Mapping[str, Any]], found: Found) -> list[str]:
    """Write the files, altool.toml last: without it there is no project. Returns their paths."""
    content = writing.settings(chosen).encode()
    targets = None if found.targets else folder / TARGETS
    if targets:
        write.write_bytes(writing.targets(found.classes or ()).encode(), str(targets))
    try:
        write.write_bytes(content, str(folder / FILE))
    except (AltoolError, OSError, KeyboardInterrupt):
        if targets:
            targets.unlink(missing_ok=True)
        raise
    return _files(folder, found)


def _files(folder: Path, found: Found) -> list[str]:
    """The paths of what is written."""
    return [str(folder / name) for name in (FILE, *(() if found.targets else (TARGETS,)))]


def _program() -> str:
    """How this program is called from anywhere, as cron's PATH may not have it."""
    called = sys.argv[0]
    found = shutil.which(called) if os.path.basename(called) != "__main__.py" else None
    return shlex.quote(os.path.abspath(found)) if found else f"{shlex.quote(sys.executable)} -m altool"
