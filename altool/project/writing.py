"""Writing `altool.toml` and `targets.toml`: every key that can be set, with its help as a comment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from altool.errors import UsageError
from altool.options import Option
from altool.project.settings import SECTIONS, every_option
from altool.text import clip

Sections = Mapping[str, Mapping[str, Any]]
# The options of commands that people change; every other one can be added.
OFTEN = {
    "embed": ("backbone", "image_size", "gray"),
    "train": ("classifier", "balance", "folds"),
    "select": ("strategy", "budget"),
    "import-labels": ("trim", "skip_value", "label_map"),
}
ABOUT = {
    "project": "What there is, and where. Paths are relative to this folder.",
    "holdout": "Held-out rows: altool measures on them, and never trains on them.",
    "round": "How a round goes.",
    "hooks": "Commands that are run when something happens, without a shell.",
    "embed": "How vectors are made of the items: options of altool embed.",
    "train": "What learns: options of altool train.",
    "select": "What is asked next: options of altool select.",
    "import-labels": "How answers are read: options of altool import-labels.",
}
# What is shown of a key that has no default.
EXAMPLES: Sections = {
    "project": {"name": "birds", "columns": "id=item_id,text=title", "classes": ["cat", "dog"], "holdout": "holdout.csv"},
    "round": {"close_after": "3d", "keep": 5},
    "hooks": {
        "asked": "notify-send 'labels are asked for'",
        "closed": ["sh", "closed.sh"],
        "met": "sh met.sh",
        "exhausted": "sh exhausted.sh",
        "failed": "sh failed.sh",
    },
    "embed": {"backbone": "resnet18", "image_size": 32},
    "train": {"balance": "none", "folds": 5},
    "select": {"budget": 50},
    "import-labels": {"skip_value": ["?"], "label_map": ["kat=cat"]},
}
HEAD = """\
# The settings of an altool project. Lines such as "# key = value" show a default or an example: remove the # to set the key.
# altool round reads them, and so does every other altool command that is run in this folder.
# All keys are explained by altool COMMAND --help; each option of a command may stand in a section of its name.
"""
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def toml(value: Any) -> str:
    """A value as TOML: a truth value, a number, a text, or a list of them. Raises UsageError for a text that is no UTF-8."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{clip(ascii(text), 80)}: not UTF-8", "rename it") from error
    return '"' + "".join(ESCAPES.get(char, char if char >= " " and char != "\x7f" else f"\\u{ord(char):04x}") for char in text) + '"'


def settings(chosen: Sections) -> str:
    """The content of an `altool.toml` in which the `chosen` keys are set and all others are comments."""
    parts = [HEAD]
    for section in (*SECTIONS, *OFTEN):
        values = dict(chosen.get(section, {}))
        parts.append(f"\n# {ABOUT[section]}\n[{section}]\n")
        for option in _options(section):
            default = option.default if option.default is not None else EXAMPLES.get(section, {}).get(option.name)
            line = f"{option.name} = {toml(values.pop(option.name))}" if option.name in values else f"# {option.name} = {toml(default)}"
            parts.append(f"# {option.help}{f' [{option.default_text}]' if option.default_text else ''}\n{line}\n")
        parts += [f"{name} = {toml(value)}\n" for name, value in values.items()]
    return "".join(parts)


def _options(section: str) -> Sequence[Option]:
    """The options that are shown of a section."""
    if section in SECTIONS:
        return SECTIONS[section]
    known = {option.name: option for option in every_option(section)}
    return [known[name] for name in OFTEN[section]]


def targets(classes: Sequence[str]) -> str:
    """The content of a `targets.toml` with a target for every class; the first class is the example of another one."""
    name = toml(classes[0]) if classes else '"NAME"'
    return f"""\
# How sure a proof of a target is.
# confidence = 0.95

# What each class must reach. metric: f1, recall, precision, accuracy, recall_at_precision (with at_precision = 0.9)
# or false_positive_rate (at most the target).
[default]
metric = "f1"
target = 0.90

# One section for each class that must reach something else. priority = 0 leaves a class out; 2 makes it count twice.
# [class.{name}]
# target = 0.85
# priority = 2
"""
