"""The rows of an import that are refused: what is said of them, how they are mended, and where they are kept."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.labels import exchange, matching
from altool.labels.lookalikes import plain
from altool.labels.merge import CONFLICT, MISPLACED, OTHER_TEXT, UNKNOWN_CLASS, UNKNOWN_ID, Outcome
from altool.tables import check, places
from altool.tables.read import Reader
from altool.text import count

HINTS = {
    UNKNOWN_ID: "give the --queries of every round in the export, or --items; if ids were changed on the way: --match text, path or rank",
    UNKNOWN_CLASS: "correct them with --label-map old=new, or take them with --allow-new-classes",
    CONFLICT: "the same annotator gave another label; give labeled_at or a later --round to tell which is newer, or name the annotators "
    "(--annotator NAME or file)",
    MISPLACED: "did a spreadsheet change the ids? take the rows by their ranks: --match rank; or leave the check out: --columns rank=",
    OTHER_TEXT: "is the id the annotation tool's own number? name altool's: --id-col NAME, or --match text or path; if it is another "
    "column: --columns text=",
    exchange.NO_ID: "name the column or key that holds altool's id: --id-col NAME",
    exchange.NO_INTEGER_ID: "write ids as the other tables have them",
    exchange.NO_TEXT: "write the label as a text",
    exchange.SEVERAL: "altool takes one class per row; ask for a single choice",
    exchange.NO_TIME: check.HINTS["labeled_at"],
    exchange.NO_SECONDS: "write a number from 0",
    exchange.BROKEN: "correct the text in the annotation tool; it holds half of a surrogate pair",
    exchange.NO_SKIP: "mark a skip by skip, x, 1, yes or true; leave the cell empty, or write no, where there is none",
    exchange.BOTH: "leave one of them empty",
    exchange.NO_STATUS: "export with the statuses of the responses, flat: records.to_list(flatten=True)",
    **dict.fromkeys(matching.NO_MATCH.values(), "give the --items (for rank the --queries) of every round in the export"),
    **dict.fromkeys(matching.AMBIGUOUS.values(), "label these rows by their ids"),
    exchange.NO_VERDICT: "take the rows that count: --where NAME=VALUE",
}


def described(outcome: Outcome, reason: str) -> str:
    """`unknown id, 3 rows (ids a, b, c; sheet.csv line 4, sheet.csv line 7, …)`."""
    places = np.flatnonzero(np.asarray(pc.equal(outcome.rejects.column("reason"), reason)))
    rows = outcome.rejects.take(pa.array(places))
    of_class = reason == UNKNOWN_CLASS
    shown = check.first_ids(rows.column("label" if of_class else "id").drop_null().unique())
    what = (
        []
        if reason == exchange.NO_ID
        else [f"{'classes' if of_class else 'ids'} {check.naming([plain(name) if isinstance(name, str) else name for name in shown])}"]
    )
    first = places[:3].tolist()
    named = [named for place in first if (named := outcome.places[place])]
    what += [", ".join(named) + (", …" if len(places) > len(first) else "")] if named else []
    what += [f"ids {check.naming(rows.column('id').to_pylist()[:3])}"] if of_class else []
    what += [detail] if len(places) and (detail := outcome.details[first[0]]) and reason == MISPLACED else []
    return f"{reason}, {count(rows.num_rows, 'row')} ({'; '.join(what)})"


def folder(labels: str) -> str:
    """Where the refused rows of a label log are kept."""
    return places.beside(labels, ".rejects")


def unkept(labels: str, rejects: pa.Table) -> pa.Table:
    """The refused rows that are not kept yet, in order, each once."""
    rows = {tuple(row.values()) for row in rejects.to_pylist()}
    kept_in = folder(labels)
    if rows and places.is_folder(kept_in):
        kept = Reader().open(kept_in, "rejects", allow_empty=True).read()
        rows -= {tuple(row[name] for name in rejects.column_names) for row in kept.to_pylist()}
    ordered = sorted(rows, key=lambda row: tuple(value or "" for value in row))
    return pa.table({name: pa.array([row[i] for row in ordered], pa.string()) for i, name in enumerate(rejects.column_names)})
