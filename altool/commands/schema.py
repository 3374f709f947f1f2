"""`altool schema`: the JSON Schema of what a command prints with --json."""

from __future__ import annotations

import json
from dataclasses import dataclass

from altool.console import Console
from altool.options import option
from altool.reporting import summary

SCHEMAS = {"report": ("what altool report --json prints", summary.schema)}


@dataclass(frozen=True)
class Options:
    name: str | None = option("Print this one.", metavar="NAME", argument=True, flags=("NAME",), choices=tuple(SCHEMAS))


def run(options: Options, console: Console) -> None:
    """Print the schema of that name on standard output, or list what there is."""
    if options.name is None:
        if console.json_output:
            console.result({"command": "schema", "schemas": {name: meaning for name, (meaning, _) in SCHEMAS.items()}}, "")
        else:
            for name, (meaning, _) in SCHEMAS.items():
                console.line(f"{name}  {meaning}")
        return
    _, schema = SCHEMAS[options.name]
    for line in json.dumps(schema(), indent=1, ensure_ascii=False).splitlines():
        console.line(line)
