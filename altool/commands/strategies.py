"""`altool strategies`: what --strategy can be."""

from __future__ import annotations

from dataclasses import dataclass

from altool.console import Console
from altool.options import option
from altool.reporting.strategies import print_strategies, print_strategy


@dataclass(frozen=True)
class Options:
    name: str | None = option("Explain this one: its paper, tables and options, with an example.", metavar="NAME", argument=True)


def run(options: Options, console: Console) -> None:
    """Print all strategies, or one."""
    if options.name is None:
        print_strategies(console)
    else:
        print_strategy(options.name, console)
