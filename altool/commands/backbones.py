"""`altool backbones`: what embed can run."""

from __future__ import annotations

from dataclasses import dataclass

from altool import extras
from altool.backbones import BACKBONES
from altool.backbones.shape import Backbone
from altool.console import Console
from altool.options import option


@dataclass(frozen=True)
class Options:
    """List what embed can run, or explain one."""

    name: str | None = option("A backbone to explain.", metavar="NAME", argument=True)


def run(options: Options, console: Console) -> None:
    """Print every backbone, or the one that is named, with what it reads and its options. Raises UsageError for an unknown name."""
    every = {} if options.name else BACKBONES.every(lambda error: console.warn(error.message))
    found = [BACKBONES.load(options.name)] if options.name else list(every.values())
    networks = [] if options.name else _networks()
    if console.json_output:
        console.result({"backbones": list(map(_facts, found)), **({"networks": networks} if networks else {})}, "")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("backbone", "reads", "what it is", "options")
    for one in found:
        flags = "\n".join(f"{own.flag}: {own.help}" + (f" [{own.default_text}]" if own.default_text else "") for own in one.options)
        table.add_row(Text(one.called), Text(", ".join(one.reads)), Text(one.summary + extras.mark(one.extra)), Text(flags))
    console.print(table)
    if networks:
        console.print(Text(f"and the classification networks of torchvision, as images: {', '.join(networks)}{extras.mark('torch')}"))


def _networks() -> list[str]:
    from altool.backbones import networks  # here alone: it imports torch

    return networks.names()


def _facts(backbone: Backbone) -> dict[str, object]:
    options = [{"name": own.name, "help": own.help, "default": own.default_text or None} for own in backbone.options]
    return {
        "name": backbone.name,
        "takes": backbone.takes or None,
        "reads": list(backbone.reads),
        "summary": backbone.summary,
        "learns": bool(backbone.fit),
        "extra": backbone.extra or None,
        "installed": not extras.missing(backbone.extra),
        "options": options,
    }
