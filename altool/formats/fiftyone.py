"""FiftyOne's `labels.json` of image classification: `classes`, and in `labels` a class by the name of each picture, without its ending.

Source: FiftyOne's manual, "FiftyOneImageClassificationDataset".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from altool.errors import InputError
from altool.labels.exchange import NO_TEXT, Answers, Export, Format, Naming, choice, json_text, of_rows

Row = dict[str, Any]


def recognizes(export: Export) -> bool:
    one = len(export.records) == 1 and {"classes", "labels"} <= set(export.columns)
    return one and isinstance(export.records[0].get("labels"), Mapping)


def read(export: Export, naming: Naming) -> Answers:
    """A row per picture. A class may be a number, whose name stands in `classes`; one with a confidence is the machine's.

    Raises InputError for `classes` that are no list of names.
    """
    record = export.records[0]
    classes = record.get("classes")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise InputError(f"{export.name}: its classes are no list of names", "export it again as FiftyOneImageClassificationDataset")
    rows = [{"id": name, "picture": name, "entry": 0, **_row(target, classes or [])} for name, target in record["labels"].items()]
    return of_rows(export, rows, naming)


def _row(target: Any, classes: list[str]) -> Row:
    machine = False
    if isinstance(target, Mapping):
        machine = target.get("confidence") is not None
        target = target.get("label")
    if isinstance(target, list):
        names = [_name(one, classes) for one in target]
        label, reason = choice(names)
        return {"label": label, "reason": NO_TEXT if None in names else reason}
    name = _name(target, classes)
    if name is None and target is not None:
        return {"label": json_text(target), "reason": NO_TEXT}
    label, reason = choice(name)
    return {"label": label, "reason": reason, "source": "auto" if machine and label is not None else None}


def _name(target: Any, classes: list[str]) -> str | None:
    """The name of a class that is given by name or by number; None where it has none."""
    if isinstance(target, int) and not isinstance(target, bool):
        return classes[target] if 0 <= target < len(classes) else None
    return target if isinstance(target, str) else None


FORMAT = Format("fiftyone", recognizes, read, order=8, reads="labels.json of an image classification dataset")
