"""Features in object storage: embedded in the folder for temporary files, and put there when they are whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from altool.engines import placement
from altool.errors import UsageError
from altool.shared import numbers_of
from altool.tables import objects, ours, outputs, part_objects, space
from altool.tables.objects import Place
from altool.tables.outputs import Output

if TYPE_CHECKING:
    from altool.commands.embed import Options
    from altool.console import Console

REJECTS = ".rejects.parquet"


def run(options: Options, console: Console, embed: Callable[[str], None]) -> None:
    """Check the output, let `embed` write to a path, and put what it wrote. What a killed run embedded stays in the folder for temporary
    files, and the next one on this machine goes on from it. Raises UsageError."""
    place = Place(options.output)
    if options.shard is not None:
        with part_objects.shard(options.output, *numbers_of(options.shard), dry_run=console.dry_run) as part:
            embed(f"{part}/")
        return
    if options.update and options.overwrite:
        raise UsageError("--update adds rows to the output, --overwrite replaces it", "give one of them")
    kind = place.kind()
    parts = options.output.partition("?")[0].endswith("/") or kind == "folder"
    there = options.update and bool(kind)
    wanted = [
        Output("--output", options.output, "features", parts=parts, sidecar=there),
        Output("--output", objects.beside(options.output, REJECTS), "rejects", sidecar=True),
    ]
    outputs.check(wanted, outputs.given(options, "items", "like"), overwrite=options.overwrite)
    # Ray's workers leave what they embed in the working directory, which is that of all of them.
    folder = objects.stage(options.output, None if options.engine == placement.LOCAL else Path.cwd())
    target = folder / place.name
    if there:
        _fetch(options.output, target)
    embed(f"{target}/" if parts else str(target))
    if not console.dry_run:
        _put(options.output, target, parts)
        shutil.rmtree(folder)


def _fetch(location: str, target: Path) -> None:
    """Copy the features that an update adds rows to, their fit, and what could not be used."""
    for ending in (REJECTS, *(f".space{ending}" for ending in space.FITS.values())):
        beside = Place(objects.beside(location, ending))
        if beside.kind() == "file":
            beside.fetch(Path(objects.beside(str(target), ending)))
    copy = Path(objects.local_copy(location, f"features {location}"))
    if copy.is_dir():
        shutil.copytree(copy, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(copy, target)


def _put(location: str, target: Path, parts: bool) -> None:
    """Put the fit, then the features, then what could not be used."""
    place = Place(location)
    if parts:
        ours.refuse_foreign("features", location, parts=True, shown=str(place))
        folder = objects.Folder(place)
        for file in sorted(target.iterdir()):
            folder.put(file)
        folder.publish()
    else:
        for ending in space.FITS.values():
            objects.copy(Path(objects.beside(str(target), f".space{ending}")), objects.beside(location, f".space{ending}"))
        place.put(target)
    objects.copy(Path(objects.beside(str(target), REJECTS)), objects.beside(location, REJECTS))
