"""What `altool.toml` gives to a command that is run in the project's folder: the options of its section, and the project's tables.

The command line comes first. What contradicts it is left out, and what is taken is said: a line shows it as if it had been typed.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from altool.console import Console
from altool.models import registry as classifiers
from altool.models import store
from altool.options import Option, flag
from altool.project import settings
from altool.project.settings import FILE, Settings
from altool.strategies import registry as strategies
from altool.strategies.inputs import INPUTS
from altool.tables.rows import TABLES

Values = dict[str, Any]
# The option that names what other options belong to, and those of the command itself that go along with what it names.
CHOICES = {
    "select": ("strategy", ("audit", "device", "diversify", "diversify_by", "parallel", "partitions", "queue_size", "wait")),
    "train": ("classifier", ("checkpoint_seconds", "device", "from_model", "recipe", "workers")),
    "embed": ("backbone", ("device", "workers")),
}
# {command: {option of the command line: options of the file that it stands in place of}}
INSTEAD: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "embed": {"like": ("backbone", "dtype", "seed")},
    "select": {
        "budget": ("budget_seconds",),
        "budget_seconds": ("budget",),
        "clarifier_budgets": ("budget", "budget_seconds"),
    },
}
OF_PREDICTIONS = ("diversify", "diversify_by", "suggest", "target_aware", "weights_from", "candidate_threshold", "queue_size")
CORRECTIONS = ("retract_auto", "rename", "drop_class")  # of the log: they take nothing else


def filled(command: str, own: Mapping[str, Option], given: Mapping[str, Any], console: Console) -> tuple[Values, Values]:
    """What the project in this folder adds to the options `given` on the command line: to those of the command's `own`, and to those of
    the strategy, classifier or backbone. Says what it is, and what of the file is left out.

    Raises UsageError or InputError where the file cannot be used.
    """
    project = settings.read(Path("."))
    if given.get("list_strategies"):
        return {}, {}
    section = project.commands.get(command, {})
    taken = {name: value for name, value in section.items() if name not in given}
    idle = _idle(command, own, given, section)
    added = {name: value for name, value in taken.items() if name not in idle}
    added |= _tables(command, own, project, given, {**added, **given})
    if added:
        words = [word for name, value in added.items() for word in settings.shown(command, name, value)]
        console.info(f"{FILE}: {shlex.join(words)}")
    if left := [flag(name) for name in taken if name in idle]:
        console.info(f"{FILE}: left out {', '.join(left)}, without effect beside what the command line says")
    return {name: value for name, value in added.items() if name in own}, {name: value for name, value in added.items() if name not in own}


def _idle(command: str, own: Mapping[str, Option], given: Mapping[str, Any], section: Mapping[str, Any]) -> set[str]:
    """Options of the file that would have no effect beside the command line, or contradict it."""
    if command == "import-labels" and any(name in given for name in (*CORRECTIONS, "auto")):
        return set(section)
    if command == "report" and "predictions" not in given:
        return set(section)
    found = {other for name, others in INSTEAD.get(command, {}).items() if name in given for other in others}
    if command == "train" and "oof" not in given:
        found.add("folds")  # altool round says where the out-of-fold predictions go
    if command == "train" and given.get("vaal") == "none":
        found |= set(section) & {option.name for option in classifiers.vaal_called().values()}
    if command == "select" and "predictions" not in given:
        found |= set(OF_PREDICTIONS)
    if command in CHOICES:
        choice, along = CHOICES[command]
        others = {name for name in section if name not in own}
        if "like" in given:
            found |= others
        elif choice in given and given[choice] != section.get(choice, own[choice].default):
            found |= {*along, *(others - _used(command, given[choice]))}
    return found


def _used(command: str, name: str) -> set[str]:
    """The names of the options that a strategy, a classifier or a backbone takes. Raises UsageError where there is none of this name."""
    if command == "select":
        return set(strategies.load(name).option_names)
    if command == "train":
        return {option.name for option in (*classifiers.called(classifiers.classifier(name)).values(), *classifiers.vaal_called().values())}
    from altool.backbones import BACKBONES

    return {option.name for option in BACKBONES.load(name).options}


def _tables(command: str, options: Mapping[str, Option], project: Settings, given: Mapping[str, Any], values: Mapping[str, Any]) -> Values:
    """The tables of the project that the command needs and the command line does not give; `values` are all options so far."""
    own = project.project
    found: Values = {}
    if command == "embed" and "items" not in given:
        found = {"items": own["items"], "output": own["features"]}
    elif command == "train":
        found = {"labels": own["labels"], "classes": own["classes"]}
        if "features" not in given and "items" not in given:
            found |= _rows(own, str(values.get("classifier", options["classifier"].default)))
    elif command == "score" and "model" in given and "features" not in given and "items" not in given:
        found = _rows(own, str(store.read_facts(given["model"])["classifier"]))
    elif command == "select":
        found = _of_select(own, options, given, values)
    elif command == "import-labels":
        found = {"labels": own["labels"]}
        if not any(name in given for name in (*CORRECTIONS, "allow_new_classes")):
            found["classes"] = own["classes"]
    elif command == "report" and "predictions" in given:
        found = {"labels": own["labels"]}
        if os.path.exists(own["targets"]):
            found["targets"] = own["targets"]
    if "items" in found and "items" not in given:
        found |= {name: own[name] for name in ("columns", "allow_outside") if name in options}
    return {name: value for name, value in found.items() if value and name not in given}


def _rows(own: Mapping[str, Any], classifier: str) -> Values:
    """The table that has the column that a classifier reads."""
    table = TABLES[classifiers.classifier(classifier).reads]
    return {table: own[table]}


def _of_select(own: Mapping[str, Any], options: Mapping[str, Option], given: Mapping[str, Any], values: Mapping[str, Any]) -> Values:
    """The tables of a choice: the log, the vectors as the pool or where the strategy compares them, the items where they are exported."""
    found = {"labels": own["labels"]} if os.path.exists(own["labels"]) else {}
    name = str(values.get("strategy", options["strategy"].default))
    known = {option.name: option for option in strategies.load(name).options if option.name in values}
    taken = {key: option.take(option.read(values[key]) if key in given else values[key], option.flag) for key, option in known.items()}
    strategy = strategies.load(name, taken)  # with the one that it is built around
    pool = any(name in given for name in ("predictions", "features", "items", "queue"))
    compares = "unique" in given or any(INPUTS[name].table == "features" for name in (*strategy.takes, *strategy.optional))
    if os.path.exists(own["features"]) and (not pool or (compares and "queue" not in given)):
        found["features"] = own["features"]
    if "export" in given:
        found["items"] = own["items"]
    if values.get("target_aware"):
        found["targets"] = own["targets"]
    return found
