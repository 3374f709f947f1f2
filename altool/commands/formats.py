"""`altool formats`: the formats that import-labels reads and select writes."""

from __future__ import annotations

from dataclasses import dataclass

from altool.console import Console
from altool.labels import registry


@dataclass(frozen=True)
class Options:
    """List the formats of annotation tools."""


def run(options: Options, console: Console) -> None:
    """Print every format, as `--from` and `--export` name it, with what is read and written."""
    found = registry.FORMATS.every(lambda error: console.warn(error.message)).values()
    if console.json_output:
        facts = [
            {"name": form.name, "reads": form.reads, "writes": form.writes or None, "ending": form.ending or None}
            | {"sidecars": list(form.sidecars), "pictures": form.pictures or None, "plain": form.plain}
            for form in found
        ]
        console.result({"formats": facts}, "")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("format", "import-labels --from reads", "select --export writes")
    for form in found:
        table.add_row(Text(form.name), Text(form.reads), Text(form.writes))
    console.print(table)
