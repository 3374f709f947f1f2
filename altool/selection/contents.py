"""What the items of some rows hold, as digests: equal ones are exact copies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from altool.payloads.reading import Unusable, digest, read
from altool.payloads.shape import Payload
from altool.tables.items import Folder, Outside, some
from altool.tables.read import Source

COLUMNS = ("image", "path", "text")


class Contents:
    """The payloads of an items table: of each row its image, else the file at its path, else its text."""

    def __init__(self, items: Source, *, allow_outside: bool = False) -> None:
        """Raises InputError where the table has none of the columns."""
        self._items = items
        self._columns = [name for name in COLUMNS if name in items]
        if not self._columns:
            items.require("text")
        self._folder = Folder(items, allow_outside=allow_outside)

    def rows(self, ids: pa.Array | None = None) -> Iterator[tuple[Any, str, Payload]]:
        """The id of each row, the column that it has something in ("": none), and what; in file order, a batch at a time. With `ids`, of
        these rows alone. A path out of the table's folder is nothing."""
        items = self._items if ids is None else some(self._items, ids)
        for batch in items.stream(["id", *self._columns]):
            batch = batch if ids is None else batch.filter(pc.is_in(batch.column("id"), value_set=ids))
            for row in batch.to_pylist():
                name = next((name for name in self._columns if row[name] is not None), "")
                yield row["id"], name, self._payload(name, row[name]) if name else None

    def digests(self, ids: pa.Array) -> dict[Any, bytes]:
        """{id: 16 bytes} of those of these rows that can be read."""
        found: dict[Any, bytes] = {}
        for id_, _, payload in self.rows(ids):
            try:
                found[id_] = digest(read(payload)).tobytes()
            except Unusable:
                continue
        return found

    def _payload(self, name: str, value: Any) -> Payload:
        if name != "path":
            payload: Payload = value
            return payload
        try:
            return self._folder.file(value)
        except Outside:
            return None
