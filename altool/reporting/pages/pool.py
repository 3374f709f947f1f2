"""The map of the pool: dots for rows, squares for held-out ones, rings for those that were asked for; pointing at some shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from altool.documents import Html, safe
from altool.reporting.content import short
from altool.reporting.pages import svg
from altool.reporting.pages.items import Items
from altool.reporting.pool_map import Map
from altool.text import clip, visible

HOVER = 200  # rows that show themselves
SIDE = 100  # of the picture below the map


def wanted(found: Map, first: Collection[Any]) -> list[int]:
    """The places of the rows that one can point at: those of `first`, then the labeled ones, then some of the pool."""
    places = [place for place, id_ in enumerate(found.ids) if id_ in first]
    rest = [place for place in np.argsort(found.codes < 0, kind="stable").tolist() if found.ids[place] not in first]
    return [*places, *rest[:: max(1, len(rest) // max(1, HOVER - len(places)))]][:HOVER]


def draw(found: Map, classes: Sequence[str], hover: Sequence[int], items: Items, said: Mapping[Any, str]) -> Html:
    """The figure. `hover` are the places that one can point at, `said` what to say of an id."""
    held = np.unique(found.codes[found.codes >= 0])
    colored = len(held) <= svg.COLORS
    color = {int(code): svg.color(place) if colored else "c0" for place, code in enumerate(held)} | {-1: "cg"}
    kinds = [color[int(code)] for code in found.codes]
    marks = ["square" if out else "dot" if code >= 0 else "" for code, out in zip(found.codes, found.held, strict=True)]
    order = np.argsort(found.codes >= 0, kind="stable")  # what is labeled lies above
    drawing = svg.scatter(found.points[order], [kinds[place] for place in order], [marks[place] for place in order])
    asked = np.flatnonzero(found.asked)
    drawing += svg.scatter(found.points[asked], ["ck"] * len(asked), ["ring"] * len(asked))
    drawing += f'<text class="hint" x="10" y="{432 + SIDE / 2:g}">Point at a mark: some show their row here.</text>'
    drawing += "".join(_pointed(found, place, classes, items, said) for place in hover)
    entries = [(color[int(code)], short(classes[code], 24)) for code in held] if colored and len(held) else [("c0", "labeled")]
    marks_ = ["square: held out" if found.held.any() else "", "ring: asked for" if len(asked) else "", "gray: no label"]
    chart = svg.svg(f"The pool: {found.caption}", 432 + SIDE, drawing, "map")
    words = "; ".join(mark for mark in marks_ if mark)
    return svg.figure(f"{found.caption[:1].upper()}{found.caption[1:]}", chart, f'{svg.legend(entries)}<p class="note">{words}</p>')


def _pointed(found: Map, place: int, classes: Sequence[str], items: Items, said: Mapping[Any, str]) -> str:
    """A mark that one can point at, and what is shown then."""
    x, y = 10 + 200 * (found.points[place] * (1, -1) + 1)
    id_, code = found.ids[place], int(found.codes[place])
    lines = [str(id_), classes[code] if code >= 0 else "no label", said.get(id_, "")]
    item = items.get(id_)
    parts = [f'<rect class="paper" x="0" y="422" width="{svg.WIDTH}" height="{SIDE + 10}"/>']
    left = 10
    if item and item.picture:
        pixels = ' class="tiny"' if item.tiny else ""
        parts.append(f'<image{pixels} x="10" y="426" width="{SIDE}" height="{SIDE}" href="{item.picture}"/>')
        left = SIDE + 20
    lines += _wrapped(item.text) if item and item.text else []
    texts = [safe(clip(visible(line), 52)) for line in lines if line]
    parts += [f'<text x="{left}" y="{440 + 17 * row}">{text}</text>' for row, text in enumerate(texts)]
    return f'<g class="point"><circle cx="{x:.0f}" cy="{y:.0f}" r="7"/><g class="card">{"".join(parts)}</g></g>'


def _wrapped(text: str, width: int = 54, most: int = 3) -> list[str]:
    """The beginning of a text in lines."""
    lines = [""]
    for word in visible(clip(text, width * most)).split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:most]
