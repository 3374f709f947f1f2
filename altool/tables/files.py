"""Which files of a folder or a glob are those of a table, and which are only beside them."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from altool.errors import InputError
from altool.tables import check
from altool.tables.array_files import ARRAYS
from altool.tables.derived import reaching
from altool.tables.downloads import Downloads, downloads
from altool.tables.fragments import Fragment, MemoryFragment, NoTable, fragment
from altool.tables.image_files import image_rows, texts_beside
from altool.tables.listing import Listing, fixed, is_image_name, is_table_name, is_tar_name, naming, partition_values
from altool.tables.source import Source
from altool.tables.tar_index import BLOCK, is_tar
from altool.tables.tar_items import refuse_repeated, tar_items
from altool.text import count


@dataclass(frozen=True)
class Files:
    """The files that were `found` where `source` is to be, a table that has the columns `needed`; `ids` is the value of --ids."""

    source: Source
    found: Listing
    needed: Sequence[str]
    ids: str | None

    def fragments(self) -> list[Fragment]:
        """The files of a table. Of a folder, files that are none of its tables are left out, and named once. A folder or a glob of images
        without a table is one of items."""
        source, found = self.source, self.found
        label = source.name
        items = source.kind.name == "items"
        alone = not found.folder and len(found.paths) == 1 and "://" not in source.location and os.path.lexists(source.location)
        shown = "standard input" if source.location == "-" else source.location if alone else ""
        tars = [path for path in found.paths if is_tar_name(path) or (shown and _is_tar(path))] if items else []
        if shown and tars:
            return self._tars(tars, shown)
        if source.location == "-":
            return [fragment(label, found.paths[0], None, {}, shown=shown)]
        images = [path for path in found.paths if is_image_name(path)]
        if images and items and not found.folder and fixed(source.location) == source.location:
            folder = os.path.dirname(source.location) or "."
            raise InputError(f"{label}: found one image, expected a table or a folder of images", f"give its folder: --items {folder}")
        root = found.folder or (os.path.dirname(source.location) if alone else fixed(source.location))
        if not found.folder and (alone or not (images or tars)):
            self._say_left_out([])
            one_by_one = [fragment(label, path, found.filesystem, {}, shown=shown) for path in found.paths]
            return self._of_downloads([downloads(one, root) if items else one for one in one_by_one])
        start = fixed(source.location).rstrip("/")
        ending = os.path.splitext(images[0])[1] if images else ".tar"
        what = "images" if images else "tars"
        apart = f"to take the {what}: --items '{start}/**/*{ending}'" if items and (images or tars) else ""
        opened: list[Fragment] = []
        stray: dict[str, InputError] = {}
        beside = _beside(found, tars)
        for path in found.paths:
            taken = path in tars or path in beside or self._are_ids(path, found.filesystem)
            if is_image_name(path) or taken or (images and items and not is_table_name(path)):
                continue
            try:
                one = fragment(label, path, found.filesystem, partition_values(path, found.folder))
                opened.append(downloads(one, root) if items else one)
            except InputError as error:
                if is_table_name(path) and not path.endswith(".json") and not isinstance(error, NoTable):
                    raise (InputError(error.message, f"{error.hint}; or {apart}") if apart else error) from error
                stray[path] = error
        # A text file may be a note beside the tables: it is one of them only if it has their columns.
        fitting = [not isinstance(one, MemoryFragment) or self._fits(one) for one in opened]
        kept = [one for one, fits in zip(opened, fitting, strict=True) if fits]
        if images and not (kept if items else opened):
            return [self._images(images)]
        if tars and not kept:
            return self._tars(tars, "", beside)
        arrays = [one.path for one in opened if one not in kept and ARRAYS in (one.schema.metadata or {})]
        if kept and arrays and not any(self._fits(one) for one in kept):
            problem = (
                f"it holds arrays ({naming(arrays, found.folder)}) beside tables of another kind ({naming([kept[0].path], found.folder)})"
            )
            place = os.path.dirname(arrays[0])
            ending = os.path.splitext(arrays[0])[1]
            raise InputError(
                f"{label}: {problem}", f"if these have their ids: --{source.kind.name} '{place}/*{ending}' --ids {kept[0].path}"
            )
        kept = kept or opened
        if stray and not kept:
            path, cause = next(iter(stray.items()))
            raise InputError(cause.message, f"{cause.hint}; or give a file, or a glob of the table's own files")
        used = {one.path for one in kept} | {path for one in kept if isinstance(one, Downloads) for path in found.paths if one.owns(path)}
        both = f"; it holds tables and {count(len(images or tars), what[:-1])}: the tables are taken; {apart}" if apart else ""
        left = [path for path in found.paths if path not in used]
        self._say_left_out(left, both if set(images or tars) - used else "")
        return self._of_downloads(kept)

    def _tars(self, tars: Sequence[str], shown: str, beside: Collection[str] = ()) -> list[Fragment]:
        """Tars as a table of items. Raises InputError for compressed ones, in a store, and for a key that is in several."""
        source, found, console = self.source, self.found, self.source.console
        label = source.name
        if found.filesystem is not None:
            raise InputError(f"{label}: tars are read on this machine alone", "copy them to a folder, or mount the store")
        for path in tars:
            if not shown.startswith("standard") and not path.lower().endswith(".tar") and not _is_tar(path):
                raise InputError(
                    f"{label}: {naming([path], found.folder)} is a compressed tar, of which no member can be read alone",
                    "unpack it to a tar: gunzip, bunzip2, unxz or zstd -d",
                )
        root = found.folder or (os.path.dirname(source.location) if shown else fixed(source.location))
        read = [tar_items(label, path, os.path.relpath(path, root or "."), shown) for path in tars]
        opened = [one for one, _ in read]
        if source.names.get("id") is None:
            refuse_repeated(label, opened)
        if console is not None:
            odd = [name for _, names in read for name in names]
            if odd:
                console.warn(f"{label}: left out {count(len(odd), 'member')} without a dot in the name ({check.naming(odd)})")
            alone = [key for one in opened for key in one.without_image()]
            if alone:
                console.info(f"{label}: {count(len(alone), 'key')} without an image ({check.naming(alone)})")
        self._say_left_out([path for path in found.paths if path not in {*tars, *beside}])
        return list(opened)

    def _of_downloads(self, kept: list[Fragment]) -> list[Fragment]:
        """The files as they are; it is said how many rows of img2dataset's were not fetched."""
        lost = sum(one.lost for one in kept if isinstance(one, Downloads))
        if lost and self.source.console is not None:
            self.source.console.info(f"{self.source.name}: left out {count(lost, 'row')} that img2dataset could not fetch")
        return kept

    def _are_ids(self, path: str, filesystem: Any) -> bool:
        """Is it the file that --ids names, which may lie beside those of the table?"""
        return self.ids is not None and filesystem is None and os.path.isfile(self.ids) and os.path.samefile(path, self.ids)

    def _images(self, images: Sequence[str]) -> Fragment:
        """The images of a folder as a table of items. Raises InputError where it is to be another one."""
        source, found = self.source, self.found
        label, kind = source.name, source.kind.name
        if kind != "items":
            problem = f"found {count(len(images), 'image')} ({naming(images, found.folder)}), expected a table of {kind}"
            raise InputError(f"{label}: {problem}", f"give the table of {kind}; a folder of images is for --items")
        ending = source.names.get("text") or ""
        texts = texts_beside(images, ending) if ending and found.filesystem is None else {}
        taken = {*images, *texts.values()}
        self._say_left_out([path for path in found.paths if path not in taken], images=True)
        return image_rows(label, source.location, found, images, {ending: texts} if texts else {})

    def _fits(self, one: Fragment) -> bool:
        """Has the file the columns that its table needs?"""
        source = self.source
        try:
            Source(
                source.kind, source.location, [reaching(one, source.names)], source.names, None, {}, source.declared, layout=source.layout
            ).require(*self.needed)
        except InputError:
            return False
        return True

    def _say_left_out(self, stray: Sequence[str], advice: str = "", *, images: bool = False) -> None:
        """Name the files of a folder that are none of its tables (or of its `images`), and those that only a hidden name keeps out."""
        source, found = self.source, self.found
        parts = []
        hidden = [path for path in found.hidden if is_image_name(path) == images]
        for paths, what in ((stray, "without an image's name" if images else "not part of it"), (hidden, "with a hidden name")):
            if paths:
                parts.append(f"{count(len(paths), 'file')} {what} ({naming(paths, found.folder)})")
        if parts and source.console is not None:
            source.console.warn(f"{source.name}: left out {' and '.join(parts)}{advice}")


def _is_tar(path: str) -> bool:
    with open(path, "rb") as file:
        return is_tar(file.read(BLOCK))


def _beside(found: Listing, tars: Sequence[str]) -> set[str]:
    """What img2dataset writes beside each tar about its rows: the tar holds it too."""
    stems = {os.path.splitext(path)[0] for path in tars}
    return {path for path in found.paths if path not in tars and os.path.splitext(path)[0].removesuffix("_stats") in stems}
