"""The tables that `altool simulate` writes beside each run's history."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from altool.tables.read import Reader, Source


def beside(reader: Reader, folders: Sequence[str], kind: str) -> Iterator[Source]:
    """The tables of a `kind` in folders of `altool simulate`, run by run; none of folders that are not on this machine."""
    for folder in folders:
        runs = os.path.join(folder, "runs")
        names = sorted(os.listdir(runs)) if "://" not in folder and os.path.isdir(runs) else []
        paths = [os.path.join(runs, name, f"{kind}.parquet") for name in names]
        yield from (reader.open(path, kind) for path in paths if os.path.isfile(path))
