"""Who said it: one person under two names, as the export formats of one tool have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def one_name(table: pa.Table, log: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    """The rows of an export with each annotator under the name that the log has, and {name: the log's name}.

    Label Studio names a person by number in one format and by address in another. Two names are one person's where the same
    annotation is there under both: of one id, label, time and length. Of names new to the log the address is taken.
    """
    held = {name for name in pc.unique(log.column("annotator")).to_pylist() if name}
    said = {name for name in pc.unique(table.column("annotator")).to_pylist() if name}
    if not any(map(_number, held | said)) or not any(map(_address, held | said)):
        return table, {}
    names: dict[Any, set[str]] = {}
    for row in (*_dated(log), *_dated(table)):
        if row["annotator"]:
            names.setdefault((row["id"], row["label"], row["labeled_at"], row["seconds"]), set()).add(row["annotator"])
    pairs = {(number, address) for group in names.values() for number in filter(_number, group) for address in filter(_address, group)}
    numbers, addresses = [number for number, _ in pairs], [address for _, address in pairs]
    same = {}
    for number, address in pairs:
        if numbers.count(number) == addresses.count(address) == 1:
            kept = number if number in held and address not in held else address
            same[address if kept == number else number] = kept
    same = {name: other for name, other in same.items() if name in said}
    if same:
        renamed = pa.array([same.get(name, name) for name in table.column("annotator").to_pylist()], pa.string())
        table = table.set_column(table.column_names.index("annotator"), "annotator", renamed)
    return table, same


def strangers(rows: pa.Table, log: pa.Table) -> tuple[list[str], list[str]]:
    """Annotators of new rows who may be people of the log under another name: numbers there, addresses here, or the other way round."""
    log = log.filter(pc.is_in(log.column("id"), value_set=pc.unique(rows.column("id"))))
    new = _names(rows.column("annotator").to_pylist())
    old = _names(log.column("annotator").to_pylist())
    for kind, other in ((_number, _address), (_address, _number)):
        if new and old and all(map(kind, new)) and all(map(other, old)):
            return new, old
    return [], []


def _names(annotators: Iterable[str | None]) -> list[str]:
    return sorted({name for name in annotators if name})


def _dated(table: pa.Table) -> list[Mapping[str, Any]]:
    columns = ["id", "label", "labeled_at", "seconds", "annotator"]
    dated: list[Mapping[str, Any]] = table.select(columns).filter(table.column("labeled_at").is_valid()).to_pylist()
    return dated


def _number(name: str) -> bool:
    return name.isdigit()


def _address(name: str) -> bool:
    return "@" in name
