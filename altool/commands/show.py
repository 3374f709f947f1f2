"""`altool show`: what a table holds."""

from __future__ import annotations

from dataclasses import dataclass

from altool.console import Console
from altool.options import option, shared
from altool.reporting import show
from altool.selection.contents import Contents
from altool.shared import COLUMNS, ITEMS, TABLES
from altool.tables.read import Reader


@dataclass(frozen=True)
class Options:
    table: str = option("A table, a label log, a model or a folder of images.", argument=True, required=True, metavar="TABLE", panel=TABLES)
    items: str | None = shared(ITEMS)
    columns: str | None = shared(COLUMNS)


def run(options: Options, console: Console) -> None:
    """Say what it is, what made it and how it begins, on standard output. Raises InputError for what is no table and no model."""
    facts = show.of_model(options.table)
    if facts is None:
        reader = Reader(options.columns, console=console)
        source = show.open_table(options.table, reader)
        items = reader.open(options.items, "items") if options.items else None
        reader.match_ids()
        facts = show.of_table(source, None if items is None else Contents(items))
    if console.json_output:
        console.result(facts, "")
        return
    for line in show.lines(facts):
        console.line(line)
    if rows := facts.get("first"):
        show.print_rows(rows, console)
