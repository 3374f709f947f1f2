"""The help of a command, from the declarations of its options.

typer's own cuts the names of options at 80 columns, calls a flag `<bool>` and takes `[[run]]` for markup, so that this stands in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from altool.options import Option

if TYPE_CHECKING:
    from rich.panel import Panel


def names(option: Option) -> str:
    """How it is given: `-o, --output PATH`, `--wait/--no-wait`, `EXPORT...`."""
    if option.argument:
        return option.metavar or option.name.upper()
    flags = ", ".join(option.flags or (option.flag,))
    if option.kind is bool:
        return flags if option.default is False else f"{flags}/--no-{option.flag.removeprefix('--')}"
    return f"{flags} [{metavar(option)}]" if option.bare else f"{flags} {metavar(option)}"


def metavar(option: Option) -> str:
    """What stands for its value."""
    return option.metavar or {int: "N", float: "X"}.get(option.kind, "NAME" if option.choices else "TEXT")


def meaning(option: Option) -> str:
    """Its help, and its default in brackets."""
    after = " [required]" if option.required else f" [{option.default_text}]" if option.default_text else ""
    return option.help + after


def lines(options: Iterable[Option]) -> list[tuple[str, str]]:
    """Of each option how it is given, and what it means."""
    return [(names(option), meaning(option)) for option in options]


def panel(heading: str, rows: Iterable[tuple[str, str]]) -> Panel:
    """The rows in two columns, of which the first is never cut."""
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(name, style="cyan"), Text(text))
    return Panel(table, title=Text(heading), title_align="left", border_style="dim")


def show(usage: str, text: str, panels: Mapping[str, Iterable[tuple[str, str]]]) -> None:
    """Print a command's help on standard output: its usage, what it does, and a panel of rows under each heading."""
    from rich.text import Text

    from altool.console import Console

    console = Console()
    console.print(Text(f"{usage}\n\n{text}\n"))
    for heading, rows in panels.items():
        console.print(panel(heading, rows))
