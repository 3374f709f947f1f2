"""The rows that training reads of a table: the labeled ones, and for VAAL the pool around them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from altool.console import Console
from altool.engines import scratch
from altool.errors import InputError
from altool.models.companion import Pool
from altool.models.shape import Classifier, Model
from altool.payloads import pictures, pipeline
from altool.tables import align, arrays, check
from altool.tables.items import Items
from altool.tables.read import Source
from altool.tables.rows import read_rows
from altool.text import count

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Labeled:
    """Labeled rows that can be used, in id order: features (n, D), texts (n,) or pictures uint8 (n, H, W, 3); and their fingerprint."""

    ids: pa.Array
    rows: np.ndarray
    fingerprint: str


@dataclass(frozen=True)
class Pictures:
    """Rows of images in id order, `pixels` uint8 (n, H, W, 3), made by `recipe`; digests of what they were made of; and the reasons why
    one cannot be used, or None."""

    index: align.Index
    pixels: np.ndarray
    digests: np.ndarray
    reasons: list[str | None]
    recipe: pictures.Recipe

    @property
    def usable(self) -> np.ndarray:
        """bool (n,)"""
        return np.array([reason is None for reason in self.reasons])

    @property
    def fingerprint(self) -> str:
        """Of these rows alone."""
        return align.fingerprint(self.index, self.digests)

    def at(self, chosen: np.ndarray) -> Pictures:
        """Those of the rows that are chosen (bool (n,)); themselves where all are."""
        if chosen.all():
            return self
        import pyarrow as pa

        ids = align.Index(self.index.ids.filter(pa.array(chosen)), None)
        reasons = [reason for reason, one in zip(self.reasons, chosen, strict=True) if one]
        return Pictures(ids, self.pixels[chosen], self.digests[chosen], reasons, self.recipe)


@dataclass(frozen=True)
class Table:
    """The table of a run, of whose rows the classifier reads `column`, and how it is read: in so many `threads`, by `workers` processes."""

    source: Source
    column: str
    console: Console
    threads: int = 0
    workers: int | None = None
    strict: bool = False
    allow_outside: bool = False

    def labeled(
        self, record: Classifier, options: Mapping[str, Any], wanted: pa.Array, out: pa.Array | None
    ) -> tuple[Labeled, Pictures | None]:
        """The labeled rows (`wanted` ids) as a classifier with these options reads them. Where VAAL learns from all rows but for the ids in
        `out`, and from pictures that are made alike, also these, so that none is decoded twice."""
        if record.picture is None:
            return self.labeled_rows(wanted), None
        recipe = record.picture(options, True)
        both = out is not None and recipe == record.picture(options, False)
        read = self.pictures(recipe, wanted, out if both else None)
        return self.labeled_pictures(read, wanted), read if both else None

    def around(
        self,
        record: Classifier,
        options: Mapping[str, Any],
        wanted: pa.Array,
        out: pa.Array,
        labeled: Labeled,
        model: Model,
        read: Pictures | None,
    ) -> Pool:
        """What VAAL learns from: all rows but for the ids in `out` and images that cannot be used; `read` are pictures from before."""
        if record.picture is None:
            return self.pool(model, out, labeled.ids)
        read = read or self.pictures(record.picture(options, False), wanted, out)
        return self.pool_of_pictures(read, labeled.ids)

    def beside(self, items: Source, recipe: pictures.Recipe, out: pa.Array, labeled: pa.Array) -> Pool:
        """What VAAL learns from where a loss ranker reads this table's features, and VAAL the images of `items`: the rows of both but for
        the ids in `out` and images that cannot be used; `labeled` ids have a loss."""
        read = replace(self, source=items, column="image").pictures(recipe, labeled, out)
        whole = arrays.read_index(self.source, self.threads)
        kept = read.at(read.usable & (whole.positions(read.index.take(np.arange(len(read.index)))) >= 0))
        places = whole.positions(kept.index.take(np.arange(len(kept.index))))
        space = scratch.Scratch(scratch.available() // 2)
        (features,), _, _ = arrays.read_matrices(self.source, "features", whole, [places], space)
        return replace(self.pool_of_pictures(kept, labeled), ranked=features)

    def pictures_of(self, recipe: pictures.Recipe, ids: pa.Array) -> Pictures:
        """The images of these rows. Raises InputError where one has none that can be used."""
        import pyarrow as pa

        read = self.pictures(recipe, ids)
        usable = read.at(read.usable)
        if len(lost := ids.filter(pa.array(usable.index.positions(ids) < 0))):
            ids_ = check.naming(check.first_ids(lost))
            text = f"{self.source.name}: {count(len(lost), 'row')} without an image that can be used (ids {ids_})"
            raise InputError(text, "leave these rows out of the features too")
        return usable

    def pictures(self, recipe: pictures.Recipe, wanted: pa.Array, out: pa.Array | None = None) -> Pictures:
        """The labeled rows (`wanted` ids); or all rows but for the ids in `out`. Raises InputError where no labeled row is there."""
        import pyarrow as pa
        import pyarrow.compute as pc

        items = Items(self.source, ("image", "path"), allow_outside=self.allow_outside)
        chosen = np.asarray(pc.is_in(items.ids, value_set=wanted))
        if not chosen.any():
            raise self._no_labeled_row(wanted)
        if out is not None:
            chosen = ~np.asarray(pc.is_in(items.ids, value_set=out))
        index = align.index(items.ids.filter(pa.array(chosen)).chunks, self.source.name)
        places = np.arange(len(index))
        if index.order is not None:
            places[index.order] = np.arange(len(index))
        pixels = scratch.Scratch(scratch.available() // 2).empty((len(index), *recipe.shape), np.uint8)
        with self.console.progress(f"reading {self.source.name}", len(index)) as advance:
            load = partial(pictures.load, recipe)
            decoded = pipeline.decode(load, _chosen(items, chosen), places, pixels, workers=self.workers, advance=advance)
        return Pictures(align.Index(index.ids, None), pixels, *decoded, recipe)

    def labeled_pictures(self, read: Pictures, wanted: pa.Array) -> Labeled:
        """The labeled rows (`wanted` ids) among the pictures that were read. Raises InputError where none can be used."""
        labeled = read.at(read.index.mask(wanted))
        self._warn_missing(labeled.index, wanted)
        usable = labeled.usable
        if not usable.all():
            bad = np.flatnonzero(~usable)
            ids = labeled.index.take(bad[: check.SHOWN]).to_pylist()
            shown = "; ".join(f"{id_}: {labeled.reasons[row]}" for id_, row in zip(ids, bad, strict=False))
            column = "image" if "image" in self.source else "path"
            text = f"{self.source.name}, column {column!r}: {count(len(bad), 'labeled row')} cannot be used ({shown})"
            if not usable.any():
                raise InputError(text, f"if this is the wrong column, give --columns {column}=NAME")
            self.console.mismatch(text, "replace these images, or take their labels away", strict=self.strict)
        kept = labeled.at(usable)
        return Labeled(kept.index.take(np.arange(len(kept.index))), kept.pixels, labeled.fingerprint)

    def labeled_rows(self, wanted: pa.Array) -> Labeled:
        """The labeled rows (`wanted` ids) of a table of features or texts. Raises InputError where it holds none."""
        import pyarrow.compute as pc

        def work(batch: pa.RecordBatch) -> tuple[pa.Array, tuple[pa.Array, np.ndarray, np.ndarray] | None]:
            labeled = batch.filter(pc.is_in(batch.column("id"), value_set=wanted))
            rows = (labeled.column("id"), *read_rows(self.source, labeled, self.column)) if labeled.num_rows else None
            return batch.column("id"), rows

        scanned = list(self.source.scan(["id", self.column], work, threads=self.threads))
        align.index([ids for ids, _ in scanned], self.source.name)  # refuses ids that are there twice, labeled or not
        batches = [rows for _, rows in scanned if rows is not None]
        if not batches:
            raise self._no_labeled_row(wanted)
        ids, parts, sums = zip(*batches, strict=True)
        index = align.index(ids, self.source.name)
        self._warn_missing(index, wanted)
        widths = {part.shape[1] for part in parts if part.ndim == 2}
        if len(widths) > 1:
            text = f"{self.source.name}, column 'features': rows of {min(widths)} to {max(widths)} numbers"
            raise InputError(text, "embed all rows alike")
        rows = index.arrange(np.concatenate(parts))
        return Labeled(index.take(np.arange(len(index))), rows, align.fingerprint(index, np.concatenate(sums)))

    def pool_of_pictures(self, read: Pictures, labeled: pa.Array) -> Pool:
        """The pool of the pictures that were read, of which `labeled` ids have a label; those that cannot be used are left out."""
        kept = read.at(read.usable)
        return Pool(kept.pixels, kept.index.mask(labeled), kept.fingerprint, repr(kept.recipe))

    def pool(self, model: Model, out: pa.Array, labeled: pa.Array) -> Pool:
        """The pool of a table of features, or of the vectors that `model` makes of texts: its rows but for the ids in `out`."""
        whole = arrays.read_index(self.source, self.threads)
        kept = np.flatnonzero(~whole.mask(out))
        mask = whole.mask(labeled)[kept]
        if self.column == "features":
            space = scratch.Scratch(scratch.available() // 2)
            (features,), fingerprint, _ = arrays.read_matrices(self.source, "features", whole, [kept], space)
            return Pool(features, mask, fingerprint)

        def work(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
            texts, sums = read_rows(self.source, batch, self.column)
            return model.vectors(texts), sums

        parts = list(self.source.scan(["id", self.column], work, threads=self.threads))
        vectors, sums = (np.concatenate(each) for each in zip(*parts, strict=True))
        rows = whole.arrange(vectors)[kept]
        made = hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest()  # by a model that other options make another
        return Pool(rows, mask, align.fingerprint(whole, sums), made)

    def _warn_missing(self, index: align.Index, wanted: pa.Array) -> None:
        """Warn of labeled rows that the table does not hold."""
        import pyarrow as pa

        if len(index) < len(wanted):
            missing = wanted.filter(pa.array(index.positions(wanted) < 0))
            ids = check.naming(check.first_ids(missing))
            text = f"{self.source.name}: {count(len(missing), 'labeled row')} not in it (ids {ids})"
            self.console.mismatch(text, "it must hold these rows too", strict=self.strict)

    def _no_labeled_row(self, wanted: pa.Array) -> InputError:
        text = f"{self.source.name}: it holds none of {count(len(wanted), 'labeled row')}"
        return InputError(text, "give the table that the labels belong to")


def _chosen(items: Items, chosen: np.ndarray) -> Iterator[list[Any]]:
    """The payloads of the chosen rows (bool, in file order)."""
    done = 0
    for rows in items.payloads():
        yield [row for row, wanted in zip(rows, chosen[done : done + len(rows)], strict=True) if wanted]
        done += len(rows)
