"""Items: what the rows of an items table hold, streamed; and where the files lie that its paths name."""

from __future__ import annotations

import copy
import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import unquote, urlsplit, urlunsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool import seeds
from altool.errors import InputError
from altool.tables import align, check
from altool.tables.image_files import ImageFiles
from altool.tables.listing import fixed
from altool.tables.read import Source
from altool.tables.tar_items import Member, TarItems

File = tuple[str, str]  # root ("" on this machine, else a URI) and name


class Outside(Exception):
    """A path that leads out of its table's folder."""


class Items:
    """The rows of an items table in one of its columns: encoded images, paths or texts.

    `ids` holds the ids in file order, `index` in id order.
    """

    def __init__(self, source: Source, wanted: Sequence[str], *, allow_outside: bool = False) -> None:
        """Take the first of the `wanted` columns that the table has, and read the ids (and paths). Raises InputError where it has
        none of them, for duplicate ids, and for paths that lead out of the table's folder unless `allow_outside`."""
        self.source = source
        self.column = next((name for name in wanted if name in source), "")
        if not self.column:
            found = ", ".join(dict.fromkeys(name for fragment in source.fragments for name in fragment.schema.names))
            other = [name for name in ("image", "path", "text") if name in source]
            hint = f"name it: --columns {wanted[0]}=NAME" + (f"; for {' and '.join(other)} give another --backbone" if other else "")
            raise InputError(f"{source.name}: no column {' or '.join(map(repr, wanted))} (it has {found})", hint)
        source.require(self.column)
        self._folder = Folder(source, allow_outside=allow_outside) if self.column == "path" else None
        chunks = list(source.scan(["id", "path"] if self._folder else ["id"], self._check))
        self.ids = pa.chunked_array(chunks)
        self.index = align.index(chunks, source.name)
        self._kept = np.ones(len(self.ids), bool)

    @property
    def places(self) -> np.ndarray:
        """The rows of the table, in file order, that these are: int64 (n,)."""
        return np.flatnonzero(self._kept)

    def without(self, ids: pa.ChunkedArray) -> Items:
        """The rows whose ids are not among these."""
        return self.only(np.asarray(pc.invert(pc.is_in(self.ids, value_set=ids))))

    def first(self, number: int) -> Items:
        """So many rows, the first in id order: the same ones whatever the order of the files."""
        chosen = np.zeros(len(self), bool)
        chosen[slice(number) if self.index.order is None else self.index.order[:number]] = True
        return self.only(chosen)

    def only(self, kept: np.ndarray) -> Items:
        """The rows that are kept (bool, one per row of these)."""
        other = copy.copy(self)
        other._kept = self._kept.copy()
        other._kept[self._kept] = kept
        other.ids = self.ids.filter(pa.array(kept))
        other.index = align.index(other.ids.chunks, self.source.name) if len(other.ids) else align.Index(other.ids, None)
        return other

    def column_chunks(self) -> Iterator[pa.Array]:
        """The column's values of these rows in file order, a batch at a time."""
        done = 0
        for batch in self.source.stream([self.column]):
            kept = self._kept[done : done + batch.num_rows]
            done += batch.num_rows
            yield batch.column(0) if kept.all() else batch.column(0).filter(pa.array(kept))

    def _check(self, batch: pa.RecordBatch) -> pa.Array:
        if self._folder is not None:
            folder = self._folder
            outside = np.array([folder.leaves(path) for path in batch.column("path").to_pylist()], bool)
            check.mark(batch.column("id"), "path", {"with a path out of the table's folder": outside})
        return batch.column("id")

    def __len__(self) -> int:
        return len(self.ids)

    def payloads(self) -> Iterator[list[bytes | str | File | Member | None]]:
        """The rows in file order, a batch at a time: an image's bytes or its place in a tar, a text, or the file that a path names; None
        for null."""
        if self.column == "image" and (tars := _tars(self.source)):
            done = 0
            for tar in tars:
                rows_ = tar.only(self._kept[done : done + len(tar.keys)])
                yield list(rows_.members(self.source.physical(tar, "image") or ""))
                done += len(tar.keys)
            return
        for values in self.column_chunks():
            rows = values.to_pylist()
            yield rows if self._folder is None else [row if row is None else self._folder.file(row) for row in rows]


def _tars(source: Source) -> list[TarItems]:
    """The files of a table of tars; none of any other."""
    tars = [fragment for fragment in source.fragments if isinstance(fragment, TarItems)]
    return tars if len(tars) == len(source.fragments) else []


def some(source: Source, ids: pa.Array) -> Source:
    """The table, of whose tars, where it is one of tars, only the rows of these ids are left: no other's content is read."""
    chosen = []
    for tar in _tars(source):
        own = tar.ids(source.physical(tar, "id") or "")
        if own is None:
            return source
        chosen.append(tar.only(np.asarray(pc.is_in(own, value_set=ids.cast(own.type)))))
    return replace(source, fragments=chosen) if chosen else source


class ItemTexts:
    """The texts of an items table, as backbones learn from them. Null texts are left out."""

    def __init__(self, items: Items, seed: int) -> None:
        self._items, self._seed = items, seed

    def __iter__(self) -> Iterator[str]:
        for rows in self._items.payloads():
            yield from (row for row in rows if isinstance(row, str))

    def sample(self, limit: int) -> list[str]:
        """At most `limit` texts, drawn with the seed, in id order: the same ones whatever the order of the files."""
        index, total = self._items.index, len(self._items)
        chosen = np.ones(total, bool)
        if total > limit:
            chosen[:] = False
            chosen[seeds.generator(self._seed, "items", "sample").choice(total, limit, replace=False)] = True
        positions = np.flatnonzero(chosen)
        rows = positions if index.order is None else index.order[positions]
        wanted = np.zeros(total, bool)
        wanted[rows] = True
        kept, done = [], 0
        for values in self._items.column_chunks():
            kept.append(values.filter(pa.array(wanted[done : done + len(values)])))
            done += len(values)
        texts = pa.chunked_array(kept).take(pa.array(np.argsort(np.argsort(rows))))  # from file order to id order
        return pc.drop_null(texts).to_pylist()


class Folder:
    """The folder that a table's paths are relative to: where a file table lies, a folder table itself, a glob's part before its
    first wildcard, the working directory for standard input."""

    def __init__(self, source: Source, *, allow_outside: bool) -> None:
        self._allow_outside = allow_outside
        self._real: dict[str, str] = {}
        self._listed = any(isinstance(fragment, ImageFiles) for fragment in source.fragments)
        self._links: dict[str, frozenset[str]] = {}
        self._root, self._uri = "", ""
        location = fixed(source.location)
        if "://" in location:
            from pyarrow import fs

            path = fs.FileSystem.from_uri(location)[1]
            whole = [fragment.path for fragment in source.fragments] == [path]  # the location is one file
            if location.startswith("file://"):
                self._root = os.path.realpath(os.path.dirname(path) if whole else path)
            else:
                parts = urlsplit(location)
                self._uri = urlunsplit(parts._replace(path=(posixpath.dirname(parts.path) if whole else parts.path).rstrip("/")))
        elif location == "-":
            self._root = os.path.realpath(".")
        else:
            self._root = os.path.realpath(location if os.path.isdir(location) else os.path.dirname(location))

    def leaves(self, path: str | None) -> bool:
        """Does the path lead out of the folder, and may it not?"""
        try:
            if path is not None:
                self.file(path)
        except Outside:
            return True
        return False

    def file(self, path: str) -> File:
        """The file that a path names, links resolved. Raises Outside."""
        if path.startswith("file://"):
            path = unquote(urlsplit(path).path)
        if "://" in path:
            return self._in_store(path)
        if self._uri and not path.startswith("/"):
            self._refuse(".." in unquote(path).split("/"))
            return self._uri, path
        return "", self._on_disk(path)

    def _in_store(self, path: str) -> File:
        """A URI of its own: below the table if it begins as the table's does, else outside."""
        start = urlunsplit(urlsplit(self._uri)._replace(query="")) + "/"
        name = path[len(start) :]
        if self._uri and path.startswith(start) and ".." not in unquote(name).split("/"):
            return self._uri, name
        self._refuse(True)
        parts = urlsplit(path)
        return urlunsplit(parts._replace(path="")), parts.path.lstrip("/")

    def _on_disk(self, path: str) -> str:
        full = os.path.join(self._root, path) if self._root else path
        if "\0" in full:
            return full  # no file has such a name: opening it will say so
        folder, name = os.path.split(full)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        real = os.path.join(self._real[folder], name)
        if name in ("", ".", "..") or self._is_link(real):
            real = os.path.realpath(real)
        self._refuse(not self._root or not (real + "/").startswith(self._root.rstrip("/") + "/"))
        return real

    def _is_link(self, path: str) -> bool:
        """Is the file a link? Of a folder of images each folder is listed once."""
        if not self._listed:
            return os.path.islink(path)
        folder, name = os.path.split(path)
        if folder not in self._links:
            with os.scandir(folder) as entries:
                self._links[folder] = frozenset(entry.name for entry in entries if entry.is_symlink())
        return name in self._links[folder]

    def _refuse(self, outside: bool) -> None:
        if outside and not self._allow_outside:
            raise Outside
