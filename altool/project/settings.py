"""`altool.toml`: what a project labels, and how. Every key is declared once, as an option is; those of commands are the commands' own."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altool import catalogue
from altool.errors import InputError, UsageError
from altool.metrics.proof import ESTIMATE, PROVED
from altool.options import Option
from altool.tables.outside import load_toml, read_bytes
from altool.text import clip

FILE = "altool.toml"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(value: Any) -> float:
    """Seconds: of a number, or of a text as 90m, 12h or 3d. Raises ValueError, which says what is expected."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value.strip()) if isinstance(value, str) else None
    if found:
        return float(found[1]) * UNITS[found[2]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError("a time as 90m, 12h or 3d")
    return float(value)


def words(value: Any) -> tuple[str, ...]:
    """A command as words: a list of them, or a text that is split as a shell splits it. Raises ValueError, which says what is expected."""
    try:
        found = tuple(shlex.split(value)) if isinstance(value, str) else tuple(value)
    except (TypeError, ValueError):
        found = ()
    if not found or not all(isinstance(word, str) and "\0" not in word for word in found) or not found[0]:
        raise ValueError("a command and its words, as a text or a list")
    return found


def names(value: Any) -> tuple[str, ...]:
    """Names, as a list or a text with commas. Raises ValueError, which says what is expected."""
    found = tuple(filter(None, value.split(","))) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else None
    if found is None or not all(isinstance(name, str) and name and "\0" not in name for name in found):
        raise ValueError("a list of names")
    return found


def class_list(value: Any) -> str:
    """`--classes`: a file of them, or the names with commas; of a list its names. Raises ValueError, which says what is expected."""
    if isinstance(value, list | tuple) and value and all(isinstance(name, str) and name and "," not in name for name in value):
        return ",".join(value)
    if isinstance(value, str) and value and "\0" not in value:
        return value
    raise ValueError("a list of class names without commas, or a file of them")


# The sections that belong to the project and not to a command, in the order of the file.
PROJECT = (
    Option("name", help="What status and reports call the project.", shown="the folder's name"),
    Option("items", help="What there is to label: a table, or a folder of images.", required=True),
    Option("columns", help="Other names of the items' columns, as id=item_id,text=title."),
    Option("classes", help="The classes: a list, or a file with one on a line.", convert=class_list, shown="what people answer"),
    Option("targets", default="targets.toml", help="What each class must reach."),
    Option("holdout", help="Labels to measure on, from elsewhere: a table or a sheet."),
    Option("features", default="features.parquet", help="Where the vectors are kept."),
    Option("labels", default="labels", help="The label log."),
    Option("answers", default="answers", help="The folder in which you put what the annotation tool exported."),
    Option("allow_outside", bool, default=False, help="Read paths that lead out of the folder of the items."),
)
HOLDOUT = (Option("rows", int, low=0, high=2**31 - 1, default=0, help="Random rows to measure on, asked before all others; 0: none."),)
ROUND = (
    Option("export", help="What is written for annotators; altool formats lists the names.", convert=names, default=("csv",), shown="csv"),
    Option("until", choices=(ESTIMATE, PROVED), default=ESTIMATE, help="Stop when all targets are met by estimate, or proved."),
    Option("close_at", float, default=1.0, above=0, high=1, help="Close a round at this share of its answers."),
    Option("close_after", help="Close a round that long after it was asked, if it has an answer, as 3d.", convert=duration, shown="never"),
    Option("keep", int, low=1, help="Keep models and predictions of that many last rounds.", shown="all"),
)
EVENTS = ("asked", "closed", "met", "exhausted", "failed")
HOOKS = tuple(
    Option(event, help=f"A command that is run when {what}, with the event as JSON on standard input.", convert=words)
    for event, what in zip(
        EVENTS,
        ("labels are asked for", "a round is closed", "all targets are met", "nothing is left to label", "a round fails"),
        strict=True,
    )
)
SECTIONS = {"project": PROJECT, "holdout": HOLDOUT, "round": ROUND, "hooks": HOOKS}

# What a round gives each command by itself: it cannot be set.
GIVEN = {
    "embed": ("items", "output", "update", "columns", "allow_outside"),
    "train": ("items", "features", "labels", "classes", "output", "oof", "columns", "allow_outside"),
    "score": ("model", "items", "features", "output", "columns", "allow_outside"),
    "select": (
        *("items", "features", "predictions", "labels", "queries", "previous", "queue", "model", "within", "output", "export", "round"),
        *("metrics", "targets", "clusters", "oracle", "list_strategies", "source", "relabel", "oof", "columns", "classes"),
    ),
    "report": (
        *("predictions", "labels", "targets", "history", "previous", "pool_predictions", "queries", "features", "model", "output"),
        *("metrics_output", "check_targets", "round", "columns", "classes", "items", "title", "allow_outside"),
    ),
    "import-labels": (
        *("exports", "labels", "queries", "items", "classes", "targets", "auto", "retract_auto", "rename", "drop_class", "round", "source"),
        *("columns", "allow_new_classes"),
    ),
}
OF_EVERY_ROUND = ("overwrite", "json", "quiet", "debug")


@dataclass(frozen=True)
class Settings:
    """A project's settings: those of `SECTIONS` with their defaults, and {command: {option: value}} as they are given; none is a path
    that was made absolute."""

    folder: Path
    project: Mapping[str, Any]
    holdout: Mapping[str, Any]
    round: Mapping[str, Any]
    hooks: Mapping[str, tuple[str, ...]]
    commands: Mapping[str, Mapping[str, Any]]

    @property
    def name(self) -> str:
        return self.project["name"] or self.folder.name

    def of(self, command: str, name: str) -> Any:
        """What a command's option is set to, else the command's default."""
        known = {option.name: option for option in every_option(command)}
        return self.commands.get(command, {}).get(name, known[name].default)


def every_option(command: str) -> tuple[Option, ...]:
    """All options of a command, also those of what it may be told to use."""
    own, panels = catalogue.options_of(catalogue.module_of(command))
    others = {option.name: option for options in panels.values() for option in options}
    return (*own, *(option for name, option in others.items() if name not in {one.name for one in own}))


def read(folder: Path, overrides: Sequence[str] = (), *, commands: bool = True) -> Settings:
    """The settings of the project in a folder, with `SECTION.KEY=VALUE` in place of what the file says; without those of commands, whose
    options take long to load, if they are not needed.

    Raises InputError where there is no such file, or it is no TOML, and UsageError for a key that does not exist or a value that it
    cannot have.
    """
    path = folder / FILE
    if not path.exists():
        raise InputError(f"{folder}: no project ({FILE} is missing)", f"make one: altool init ITEMS {shlex.quote(str(folder))}")
    content = load_toml(read_bytes(path, FILE), FILE)
    return parse(folder, content if commands else {name: content[name] for name in SECTIONS if name in content}, overrides)


def parse(folder: Path, content: Mapping[str, Any], overrides: Sequence[str] = ()) -> Settings:
    """`read`, of a file's content."""
    content = {section: dict(values) if isinstance(values, Mapping) else values for section, values in content.items()}
    for override in overrides:
        section, key, value = _override(override)
        content.setdefault(section, {})[key] = value
    commands = [command for command in catalogue.COMMANDS if command not in catalogue.UNSET]
    found: dict[str, dict[str, Any]] = {}
    for section, values in content.items():
        if section not in (*SECTIONS, *commands):
            raise UsageError(f"{FILE}: [{section}] is unknown", _meant(section, (*SECTIONS, *commands)))
        if not isinstance(values, Mapping):
            raise UsageError(
                f"{FILE}: {section} stands outside a section", f"write it under one: {', '.join(SECTIONS)} or a command's name"
            )
        options = SECTIONS[section] if section in SECTIONS else every_option(section) if values else ()
        given = GIVEN.get(section, ()) if section not in SECTIONS else ()
        found[section] = _values(section, options, values, given)
    whole = {section: {option.name: option.default for option in options} | found.get(section, {}) for section, options in SECTIONS.items()}
    if not whole["project"]["items"]:
        raise UsageError(f"{FILE}: [project] items is missing", "name what there is to label: a table, or a folder of images")
    hooks = {event: command for event, command in whole["hooks"].items() if command}
    return Settings(
        folder, whole["project"], whole["holdout"], whole["round"], hooks, {name: found[name] for name in commands if name in found}
    )


def _values(section: str, options: Iterable[Option], values: Mapping[str, Any], given: Sequence[str]) -> dict[str, Any]:
    """A section's values by the options' names, checked."""
    known = {option.name: option for option in options}
    refused = (*given, *OF_EVERY_ROUND) if section in GIVEN else ()
    found = {}
    for key, value in values.items():
        name, where = key.replace("-", "_"), f"{FILE}, [{section}] {key}"
        if name in refused:
            raise UsageError(f"{where}: altool round sets it", "leave it out; [project] names the tables, [round] the exports")
        if name not in known:
            raise UsageError(f"{where} is unknown", _meant(name, [each for each in known if each not in refused]))
        found[name] = known[name].take(value, where)
    return found


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]}?" if close else f"choose from {clip(', '.join(known), 600)}"


def _override(text: str) -> tuple[str, str, Any]:
    """`--set SECTION.KEY=VALUE`, its value as TOML or, where it is none, as text."""
    place, equals, value = text.partition("=")
    section, dot, key = place.partition(".")
    if not (equals and dot and section and key):
        raise UsageError(f"--set: expected SECTION.KEY=VALUE, found {clip(repr(text), 80)}", "for example --set select.budget=80")
    try:
        return section, key, load_toml(f"value = {value}".encode(), "--set")["value"]
    except InputError:
        return section, key, value


def shown(command: str, name: str, value: Any) -> list[str]:
    """The words of a command line that give a command's option this value."""
    option = next(option for option in every_option(command) if option.name == name)
    if option.kind is bool:
        return [option.flag] if value else [f"--no-{option.flag.removeprefix('--')}"]
    if option.many:
        return [word for one in value for word in (option.flag, str(one))]
    return [option.flag, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
