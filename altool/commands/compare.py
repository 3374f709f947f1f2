"""`altool compare`: which of the simulated runs, or of a project's rounds, took fewer labels to get how far?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from altool.console import Console
from altool.options import option, shared
from altool.reporting import comparison
from altool.reporting.cost import COST_ANSWER, COST_VERIFY
from altool.shared import COLUMNS, OUTPUT, OVERWRITE, SEED, STRICT, TABLES


@dataclass(frozen=True)
class Options:
    tables: Sequence[str] = option(
        "Folders of altool simulate, or metrics tables of a project.", argument=True, required=True, metavar="DIR…", panel=TABLES
    )
    output: str | None = shared(replace(OUTPUT, metavar="FILE", help="Also write an HTML page with plots."))
    summary_output: str | None = shared(comparison.SUMMARY_OUTPUT)
    baseline: str | None = shared(comparison.BASELINE)
    metric: str | None = shared(comparison.METRIC)
    area: str = shared(comparison.AREA)
    settings: bool = option("Each DIR is a data set of its own: sum up over them.", default=False, panel=comparison.PANEL)
    level: Sequence[float] | None = shared(comparison.LEVEL)
    tail_classes: str | None = shared(comparison.TAIL_CLASSES)
    tail_share: float | None = shared(comparison.TAIL_SHARE)
    exclude_classes: str | None = shared(comparison.EXCLUDE_CLASSES)
    cost_verify: float | None = shared(replace(COST_VERIFY, panel=comparison.PANEL))
    cost_answer: float | None = shared(replace(COST_ANSWER, panel=comparison.PANEL))
    columns: str | None = shared(COLUMNS)
    seed: int = shared(SEED)
    strict: bool = shared(STRICT)
    overwrite: bool = shared(OVERWRITE)


def run(options: Options, console: Console) -> None:
    """Compare what was tried: show it, and write the page and the table that are asked for."""
    comparison.compare(comparison.asked_by("compare", "DIR", options.tables, vars(options)), console)
