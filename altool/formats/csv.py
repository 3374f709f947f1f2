"""Plain CSV or TSV, and the sheet that annotators fill in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.labels import table
from altool.labels.exchange import Format, Task
from altool.tables.write import cell, csv_line

PAYLOAD = {"text": "text", "path": "path", "picture_file": "image"}  # of a task, and the column that shows it


def write(tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """A sheet with empty columns for the answers, in rank order. Cells are guarded against formulas.

    The payload is `text`, `path` and the `picture_file` of an encoded image (as the column `image`), each where any task has one.
    """
    columns = {name: column for name, column in PAYLOAD.items() if any(getattr(task, name) is not None for task in tasks)}
    header = [
        "altool_id",
        "altool_round",
        "altool_rank",
        *columns.values(),
        "suggestion",
        "suggestion_score",
        "tier",
        "label",
        "skip",
        "annotator",
        "comment",
    ]
    lines = [csv_line(header)]
    for task in tasks:
        shown = [getattr(task, name) for name in columns]
        score = None if task.suggested_probability is None else str(np.float32(task.suggested_probability))
        values = [task.id, task.round, task.rank, *shown, task.suggested_label, score, task.tier, None, None, None, None]
        lines.append(csv_line(map(cell, values)))
    return {"": "".join(lines).encode()}


FORMAT = Format(
    "csv",
    lambda export: export.encoding == "csv",
    table.read,
    write,
    plain=True,
    reads="CSV or TSV with columns of ids and labels",
    writes="a sheet with an empty column for the labels; .images",
    ending=".csv",
    pictures=".images",
)
