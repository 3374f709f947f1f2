"""A comparison as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from altool.reporting import history_cells as cells
from altool.reporting.history import History
from altool.reporting.terminal import named_table
from altool.reporting.told import told
from altool.text import visible

if TYPE_CHECKING:
    from rich.console import RenderableType


def render(found: History) -> list[RenderableType]:
    """What to print, in order."""
    from rich.text import Text

    parts: list[RenderableType] = [Text(found.basis, style="bold")]
    if found.caution:
        parts.append(Text(found.caution))
    against = told(found)
    parts += [Text(line) for line in (*found.advice, *(against.lines if against else ()))]
    parts.append(named_table(cells.areas(found)))
    if any(run.levels for run in found.runs):
        parts += [Text("labels needed", style="bold"), named_table(cells.needed(found)), Text(cells.needed_note(found)), Text()]
    verdicts = list(found.verdicts())
    if verdicts:
        parts.append(
            Text(f"area minus that of {visible(found.baseline or '')}, in points, paired over repeats, with a 95 % interval", style="bold")
        )
        parts += [Text(_line(*verdict)) for verdict in verdicts]
        parts.append(Text())
    parts += [Text(note) for note in found.notes]
    return parts


def _line(run: str, scope: str, verdict: str) -> str:
    return f"{visible(run)}: {verdict}" if scope == "all" else f"  {scope}: {verdict}"
