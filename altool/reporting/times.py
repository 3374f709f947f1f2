"""What the rounds of simulated runs took of the processor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from altool.reporting.cost import Cells
from altool.reporting.run_tables import beside
from altool.tables.read import Reader

QUANTITIES = ("fit", "measure", "choose")


def read(reader: Reader, folders: Sequence[str]) -> dict[str, dict[str, float]]:
    """Of each run in folders of `altool simulate` the mean processor seconds of a round by QUANTITIES, 0 where none has any; empty where
    the folders have no times, as those that are not on this machine."""
    found = [source.read() for source in beside(reader, folders, "times")]
    if not found:
        return {}
    table = pa.concat_tables([part.select(["run", *(f"{name}_seconds" for name in QUANTITIES)]) for part in found])
    runs_ = np.array(table.column("run").to_pylist(), object)
    seconds = {name: np.array(table.column(f"{name}_seconds").to_pylist(), np.float64) for name in QUANTITIES}
    return {run: {name: _mean(values[runs_ == run]) for name, values in seconds.items()} for run in dict.fromkeys(runs_.tolist())}


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def table(found: dict[str, dict[str, float]], runs: Sequence[str]) -> Cells:
    """A row for each of the `runs` that has times: the head of a table, and its rows."""
    rows = [(run, [f"{found[run][name]:.3g}" for name in QUANTITIES]) for run in runs if run in found]
    return ["run", "fit s", "measure s", "choose s"], rows
