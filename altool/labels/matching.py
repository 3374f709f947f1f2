"""`--match`: which item a row of an export is, by its text, its picture's path or its rank, where the tool gave back no id of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from altool.labels.exchange import NO_ID, NO_INTEGER_ID
from altool.labels.pairing import key, ranks
from altool.labels.pictures import parts

MATCHES = ("text", "path", "rank")
NO_MATCH = {by: f"no item with its {by}" for by in MATCHES}
AMBIGUOUS = {by: f"ambiguous {by}" for by in MATCHES}
UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")  # Label Studio puts it before the names of uploaded files
ROBOFLOW = re.compile(r"(.+)_([a-zA-Z]{3,4})\.rf\.[0-9a-zA-Z]+\.[a-zA-Z]+")


def matched(answers: pa.Table, by: str, shown: pa.Table | None, queries: pa.Table | None) -> pa.Table:
    """The answers with the ids of the items that they are: those of the only item with the same `text`, of the only one with the same
    picture, or of the query of the same rank and round. Rows of no item, of several, and of one that has another path in another row, get
    that for a reason and a null id.

    `answers` as `exchange.with_ids` gives them; `shown` has `id` and `text` or `path` of all items.
    """
    find = _by_rank(answers, queries) if by == "rank" else _by_path(answers, shown) if by == "path" else _by_text(answers, shown)
    ids: list[Any] = []
    reasons: list[str | None] = []
    for row, reason in enumerate(answers.column("reason").to_pylist()):
        found = find(row)
        ids.append(found[0] if len(found) == 1 else None)
        why = None if len(found) == 1 else (AMBIGUOUS if found else NO_MATCH)[by]
        reasons.append(why if reason in (None, NO_ID, NO_INTEGER_ID) else reason)
    columns = {"id": pa.array(ids, answers.schema.field("id").type), "reason": pa.array(reasons, pa.string())}
    for name, column in columns.items():
        answers = answers.set_column(answers.column_names.index(name), name, column)
    return answers


def _by_text(answers: pa.Table, shown: pa.Table | None) -> Callable[[int], list[Any]]:
    items = _index(shown, "text", key)
    texts = answers.column("text").to_pylist()
    return lambda row: [] if not texts[row] else items.get(key(texts[row]), [])


def _by_path(answers: pa.Table, shown: pa.Table | None) -> Callable[[int], list[Any]]:
    """By the name of the file; where several items have it, by the folders above it."""
    items = _index(shown, "path", lambda path: (parts(path) or [""])[-1])
    folders = {} if shown is None or "path" not in shown.column_names else dict(_pairs(shown, "path"))
    paths = [path or picture for path, picture in zip(*(answers.column(name).to_pylist() for name in ("path", "picture")), strict=True)]

    def candidates(row: int) -> list[Any]:
        path = parts(paths[row] or "")
        for name in names(path[-1]) if path else ():
            if found := items.get(name):
                shared = [_shared([*path[:-1], name], parts(folders[id_])) for id_ in found]
                return [id_ for id_, common in zip(found, shared, strict=True) if common == max(shared)]
        return []

    every = [candidates(row) for row in range(len(paths))]
    claims: dict[Any, set[str | None]] = {}
    for path, found in zip(paths, every, strict=True):
        if len(found) == 1:
            claims.setdefault(found[0], set()).add(path)
    return lambda row: every[row] * 2 if len(every[row]) == 1 and len(claims[every[row][0]]) > 1 else every[row]


def _by_rank(answers: pa.Table, queries: pa.Table | None) -> Callable[[int], list[Any]]:
    found = ranks(answers.column("round").to_pylist(), answers.column("rank").to_pylist(), queries)
    return lambda row: found[row]


def _index(shown: pa.Table | None, name: str, of: Callable[[str], str]) -> Mapping[str, list[Any]]:
    items: dict[str, list[Any]] = {}
    for id_, value in _pairs(shown, name):
        items.setdefault(of(value), []).append(id_)
    return items


def _pairs(shown: pa.Table | None, name: str) -> Iterable[tuple[Any, str]]:
    if shown is None or name not in shown.column_names:
        return ()
    return ((id_, value) for id_, value in zip(*(shown.column(one).to_pylist() for one in ("id", name)), strict=True) if value)


def names(name: str) -> Iterable[str]:
    """The name of a file, and what it was before a tool renamed it."""
    yield name
    if match := UPLOADED.fullmatch(name):
        yield match[1]
    if match := ROBOFLOW.fullmatch(name):
        yield f"{match[1]}.{match[2]}"


def _shared(one: list[str], other: list[str]) -> int:
    """How many names at the end of two paths are the same."""
    same = [a == b for a, b in zip(reversed(one), reversed(other), strict=False)]
    return same.index(False) if False in same else len(same)
