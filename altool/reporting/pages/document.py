"""What the pages share: the frame of a page, and tables as templates take them.

A page's template extends document.html and takes its tables and folds from macros.html; both are in templates/ beside page.css and page.js.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from altool import documents
from altool.documents import Html, safe
from altool.reporting.content import short
from altool.reporting.cost import Cells
from altool.text import count, visible

NAME_WIDTH = 60  # of a class name in a table; pointing at it shows the rest
WHOLE = 24  # characters of a name that is not broken
PHRASE = 160  # characters of an option's value


@dataclass(frozen=True)
class Table:
    """A table of rows that have a name, and cells of text or HTML; all but the `first` rows are folded under "more `nouns`" (0: none).

    `texts` are the numbers of the cells, from 0, that are no numbers: they stand at the left.
    """

    head: Sequence[str]
    rows: Sequence[tuple[str | Html, Sequence[str | Html]]]
    caption: str
    first: int = 0
    noun: tuple[str, str] = ("row", "rows")
    texts: Sequence[int] = ()
    kind: str = ""
    columns: Sequence[str] = ()  # what the style sheet calls the columns of cells
    left: int = 0  # rows that were left out for the page's size

    def cut(self, most: int) -> Table:
        """The table with so many rows at most."""
        return replace(self, rows=self.rows[:most], left=len(self.rows) - most) if len(self.rows) > most else self

    @property
    def styles(self) -> list[str]:
        """The classes of the style sheet of each column of cells."""
        names = [*self.columns, *[""] * (len(self.head) - 1 - len(self.columns))]
        return [f"{name} t".strip() if place in self.texts else name for place, name in enumerate(names)]

    @property
    def parts(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """The rows that are shown, and those that are folded."""
        most = self.first if self.first and len(self.rows) > self.first + 2 else len(self.rows)
        return self.rows[:most], self.rows[most:]

    @property
    def more(self) -> str:
        return count(len(self.parts[1]), *(f"more {noun}" for noun in self.noun))

    @property
    def left_out(self) -> str:
        return f"{count(self.left, *self.noun)} left out for the page's size" if self.left else ""


def of_cells(found: Cells, caption: str, first: int = 20, texts: Sequence[int] = ()) -> Table:
    """A table of text as the terminal has it."""
    head, rows = found
    return Table(head, rows, caption, first=first, noun=("row", "rows"), texts=texts)


def document(template: str, title: str, sections: Sequence[tuple[str, str]], origin: Mapping[str, Any], **values: Any) -> bytes:
    """A page by its template. `title` is the window's, `sections` the ids and titles of what one can go to, `origin` the provenance."""
    filters: dict[str, Callable[..., Any]] = {"bdi": bdi, "sentence": sentence, "count": count, "thousands": "{:,}".format}
    values |= {"title": title, "sections": sections, "made": made(origin)}
    return documents.render("altool.reporting.pages", "templates", template, filters, script="page.js", **values)


def bdi(name: str, width: int = NAME_WIDTH) -> Html:
    """A name of somebody else's: its direction is its own, and where it is long, pointing at it shows all."""
    if isinstance(name, Html):
        return name
    whole = visible(name)
    if len(whole) <= width:
        return Html(f'<bdi dir="auto">{_breakable(whole)}</bdi>')
    return Html(f'<bdi dir="auto" title="{safe(whole)}">{_breakable(short(name, width))}</bdi>')


def _breakable(name: str) -> str:
    """A name; a long one may be broken after _, - and /, and where it goes on for long without any."""
    if len(name) <= WHOLE:
        return safe(name)
    parts, run = [], 0
    for char in name:
        run += 1
        parts.append(safe(char))
        if char in "_-/ " or run == WHOLE:
            parts.append("<wbr>")
            run = 0
    return "".join(parts)


def sentence(text: str) -> str:
    """The text as a sentence: with a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "…")) else ".")


def made(origin: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The provenance as names and texts; lists of many names are counted."""
    found: list[tuple[str, str]] = []
    for name, value in origin.items():
        entries: Iterable[tuple[str, Any]] = value.items() if isinstance(value, Mapping) else [("", value)]
        for key, one in entries:
            text = one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
            if isinstance(one, list | tuple) and len(text) > PHRASE:
                text = count(len(one), "entry", "entries")
            found.append((f"{name}, {key}" if key else name, text))
    return found
