"""`altool status`: where a project stands."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from altool.console import Console
from altool.options import option
from altool.project import settings, standing
from altool.shared import RUN


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where a project stands."""

    project: str = option("The project's folder, with its altool.toml.", default=".", metavar="PROJECT", argument=True, panel=RUN)


def run(options: Options, console: Console) -> None:
    """Read the project's files, and say where it stands on standard output. Changes nothing, and waits for nobody."""
    wanted = settings.read(Path(os.path.abspath(options.project)), commands=False)
    found = standing.standing(wanted)
    if console.json_output:
        console.result(found, "")
        return
    for line in standing.lines(found, wanted):
        console.line(line)
