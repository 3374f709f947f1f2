"""Every command by its name, and the options that it has. A command's module is imported only when it is asked for."""

import importlib
from collections.abc import Sequence
from typing import Any

from altool import shared
from altool.options import Option, declared

COMMANDS = {
    "init": "Make a project: look at the items, and write its settings.",
    "round": "Take a project one step further: call it as often as you like.",
    "status": "Say where a project stands.",
    "embed": "Turn images or texts into feature vectors.",
    "index": "Index features, so that neighbours are found quickly.",
    "train": "Fit a classifier on the labels.",
    "score": "Predict the probability of every class for every row.",
    "merge": "Make a table of the parts that --shard left in a folder.",
    "select": "Choose what to label next.",
    "import-labels": "Add what annotators answered to the label log.",
    "report": "Measure every class against its target.",
    "check": "Look for copies, leaks, wrong labels and damaged items.",
    "show": "Say what a table, a log, a model or a folder of images holds.",
    "schema": "Print the JSON Schema of what a command's --json prints.",
    "simulate": "Replay labeling rounds on rows whose labels are known.",
    "compare": "Compare simulated runs, or the rounds of a project.",
    "strategies": "List the strategies, or explain one.",
    "classifiers": "List the classifiers, or explain one.",
    "backbones": "List what embed can run, or explain one.",
    "formats": "List the formats of annotation tools.",
}
UNSET = (
    "init",
    "round",
    "status",
    "index",
    "check",
    "merge",
    "show",
    "schema",
    "strategies",
    "classifiers",
    "formats",
    "backbones",
)  # they have no section in altool.toml
WRITING = (
    "init",
    "round",
    "embed",
    "index",
    "train",
    "score",
    "merge",
    "select",
    "import-labels",
    "report",
    "check",
    "simulate",
    "compare",
)
LISTS = {"embed": "backbones", "train": "classifiers", "select": "strategies"}  # which command explains the options that are not its own
OF_EVERY_COMMAND = (shared.JSON, shared.QUIET, shared.DEBUG)


def of_program(name: str) -> tuple[Option, ...]:
    """The options that a command has because altool has them: not its own, nor those of a strategy, a classifier or a backbone."""
    return (*((shared.DRY_RUN,) if name in WRITING else ()), *OF_EVERY_COMMAND)


def module_of(name: str) -> Any:
    """The module of a command: `Options`, `run(options, console)`, and `owned()` where options belong to what it is told to use."""
    return importlib.import_module(f"altool.commands.{name.replace('-', '_')}")


def options_of(module: Any, words: Sequence[str] | None = None) -> tuple[tuple[Option, ...], dict[str, tuple[Option, ...]]]:
    """The options of a command's own, and {panel: those that belong to a strategy, a classifier or a backbone}; as `command` has them.

    Another package's option that is called as one of the command's is left to the command.
    """
    name = module.__name__.rpartition(".")[2].replace("_", "-")
    own = (*declared(module.Options), *of_program(name))
    flags = {spelling for option in own for spelling in (option.flag, *option.flags, f"--no-{option.flag[2:]}")}
    if not hasattr(module, "owned") or (words is not None and _flags(words) <= flags):
        return own, {}
    names = {option.name for option in own}
    return own, {title: tuple(option for option in options if option.name not in names) for title, options in module.owned()}


def _flags(words: Sequence[str]) -> set[str]:
    """What may be an option among the words of a command line."""
    return {word.partition("=")[0] if word.startswith("--") else word[:2] for word in words if word.startswith("-") and word != "-"}
