"""The formats of annotation tools: which one an export is in, and which can be written."""

from __future__ import annotations

from collections.abc import Sequence

from altool.errors import InputError, UsageError
from altool.labels import label_studio, table
from altool.labels.exchange import Answers, Export, Format, Naming, Task

FORMATS: tuple[Format, ...] = (*label_studio.FORMATS, *table.FORMATS)  # a tool's own shapes before the plain ones
NAMES = ("auto", *(form.name for form in FORMATS))


def read(export: Export, wanted: str, naming: Naming) -> Answers:
    """The answers in an export; `wanted` one of NAMES. Raises InputError for an export that is in no such format."""
    found = next(form for form in FORMATS if form.recognizes(export))
    if wanted not in ("auto", found.name):
        form = next(form for form in FORMATS if form.name == wanted)
        if not form.recognizes(export):
            raise InputError(f"{export.name}: it is not {wanted}; it looks like {found.name}", "leave --from out")
        found = form
    return found.read(export, naming)


def export(format: str, tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """The files that an annotation tool takes, by what follows the name that the user gave ("" is the file itself).

    `tasks` are in rank order, `classes` those to choose from (empty: unknown). The same tasks give the same bytes.
    Raises UsageError for a format that is not written, InputError for tasks that it cannot show.
    """
    writers = {form.name: form.write for form in FORMATS if form.write}
    if format not in writers:
        raise UsageError(f"--export: there is no {format!r}; there are {', '.join(sorted(writers))}", "for example --export csv=FILE")
    return writers[format](tasks, classes)
