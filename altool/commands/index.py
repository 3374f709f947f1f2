"""`altool index`: build an index of features, in which `select --within-neighbours` finds the nearest rows of labeled ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

from altool.console import Console
from altool.engines.local import limited
from altool.errors import UsageError
from altool.extras import need
from altool.options import option, shared
from altool.shared import COLUMNS, FEATURE_PREFIX, FEATURES, IDS, OUTPUT, OVERWRITE, RUN, SCALE, THREADS
from altool.tables import neighbours, outputs, write
from altool.tables.outputs import Output
from altool.tables.read import Reader, vector_shape
from altool.text import count


@dataclass(frozen=True)
class Options:
    features: str = shared(replace(FEATURES, required=True))
    output: str | None = shared(replace(OUTPUT, help="Where to write.", metavar="INDEX", shown="beside the features, FEATURES.index"))
    metric: str = option(
        "What is near: by cosine, or by Euclidean distance.", default="cosine", choices=tuple(neighbours.METRICS), metavar="NAME", panel=RUN
    )
    columns: str | None = shared(COLUMNS)
    ids: str | None = shared(IDS)
    feature_prefix: str | None = shared(FEATURE_PREFIX)
    scale: str | None = shared(SCALE)
    threads: int = shared(THREADS)
    overwrite: bool = shared(OVERWRITE)


def run(options: Options, console: Console) -> None:
    """Read the features, and write their index."""
    need("ann", "altool index")
    output = options.output or neighbours.place(options.features)
    if output == "-":
        raise UsageError("--output -: an index is a file that is mapped", "write it to a path")
    read = outputs.given(options, "features", "ids")
    outputs.check([Output("--output", output, "index")], read, overwrite=options.overwrite, json=console.json_output)
    reader = Reader(options.columns, console=console, ids=options.ids, vectors=vector_shape(options))
    source = reader.open(options.features, "features")
    reader.match_ids()
    rows = source.num_rows
    if console.dry_run:
        facts = {"command": "index", "rows": rows, "metric": options.metric, "output": output}
        console.rehearsed(facts, f"index {count(rows, 'row')} by {options.metric} -> {output}")
        return
    with write.replacing(output, "index") as path, console.progress(f"indexing {source.name}", rows) as advance, limited(options.threads):
        made = neighbours.build(source, options.metric, path, advance=advance)
    summary = {"command": "index", **{name: made[name] for name in ("rows", "width", "metric", "fingerprint", "library")}, "output": output}
    console.result(summary, f"indexed {count(rows, 'row')} of {count(made['width'], 'number')} by {options.metric} -> {output}")
