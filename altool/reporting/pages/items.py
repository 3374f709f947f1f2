"""What the rows of a page show: thumbnails and texts, as many as fit into its bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from altool.payloads import pictures
from altool.payloads.pictures import Shown
from altool.payloads.reading import Unusable, read
from altool.selection.contents import Contents
from altool.text import clip, count

EDGES = (160, 120, 88, 64, 48)  # pixels of a thumbnail's longest side: the largest that fits
SAMPLE = 40  # pictures that tell how many bytes an edge takes
PIXELS = 32  # a picture that is smaller is shown with its pixels as squares
TEXT = 280  # characters of a text


@dataclass(frozen=True)
class Item:
    """What is shown of a row: a picture as a data URI, a text, or the reason why there is neither."""

    picture: str = ""
    tiny: bool = False
    text: str = ""
    fault: str = ""


class Items:
    """The items of the `wanted` rows, of which the first ones are most worth showing."""

    def __init__(self, contents: Contents | None, wanted: Iterable[Any], id_type: pa.DataType) -> None:
        self._wanted = list(dict.fromkeys(wanted))
        self._thumbs: dict[Any, Shown] = {}
        self._others: dict[Any, Item] = {}
        self._shown: dict[Any, Item] = {}
        self._left_out = 0
        self.edge = EDGES[0]
        if contents is not None and self._wanted:
            self._read(contents, pa.array(self._wanted, id_type))
        self._there = [id_ for id_ in self._wanted if id_ in self._thumbs or id_ in self._others]

    def _read(self, contents: Contents, ids: pa.Array) -> None:
        """Each picture is made small by itself: many large ones do not fit into memory."""
        for id_, column, payload in contents.rows(ids):
            if column == "text":
                self._others[id_] = Item(text=clip(" ".join(str(payload).split()), TEXT))
                continue
            try:
                self._thumbs[id_] = pictures.shown(read(payload), EDGES[0])
            except Unusable as error:
                self._others[id_] = Item(fault="empty" if not column else str(error))

    @property
    def pictures(self) -> bool:
        """Are there pictures among them?"""
        return bool(self._thumbs)

    def __bool__(self) -> bool:
        return bool(self._there)

    def __len__(self) -> int:
        return len(self._shown)

    def get(self, id_: Any) -> Item | None:
        """What is shown of a row; None where nothing is."""
        return self._shown.get(id_)

    def clear(self) -> None:
        """Show nothing."""
        self._shown, self._left_out, self.edge = {}, 0, EDGES[0]

    def fit(self, size: int) -> bool:
        """Take pictures as large as fit into so many bytes of a page, and where the smallest are too many, the first rows alone. Returns
        whether all are there as large as they may be."""
        sample = self._there[:: max(1, len(self._there) // SAMPLE)]
        for self.edge in EDGES:
            if sum(_size(self._item(id_)) for id_ in sample) * len(self._there) <= size * len(sample):
                break
        self._shown, left = {}, size
        for id_ in self._there:
            item = self._item(id_)
            left -= _size(item)
            if left < 0:
                break
            self._shown[id_] = item
        self._left_out = len(self._there) - len(self._shown)
        return not self.note

    def _item(self, id_: Any) -> Item:
        if id_ in self._others:
            return self._others[id_]
        thumb = self._thumbs[id_]
        if self.edge != EDGES[0]:
            thumb = pictures.shown(thumb.data, self.edge)
        uri = f"data:{thumb.mime};base64,{base64.b64encode(thumb.data).decode()}"
        return Item(picture=uri, tiny=max(pictures.size(thumb.data)) <= PIXELS)

    @property
    def note(self) -> str:
        """What was made small or left out for the page's size, as a sentence without a full stop; empty where nothing was."""
        parts = [f"thumbnails have {self.edge} pixels instead of {EDGES[0]}"] if self.edge != EDGES[0] and self._thumbs else []
        parts += [f"{count(self._left_out, 'row')} shown without picture or text"] if self._left_out else []
        return ", ".join(parts)


def _size(item: Item) -> int:
    """The bytes that a row takes beside its id."""
    return len(item.picture) + len(item.text.encode("utf-8", "replace")) + 2 * len(item.fault) + 60
