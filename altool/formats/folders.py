"""A folder per class with pictures in it, as ImageNet has it, and CVAT, Roboflow, FiftyOne and others export it; also as a zip archive."""

from __future__ import annotations

from pathlib import PurePosixPath

from altool.errors import InputError
from altool.labels.exchange import Answers, Export, Format, Naming, choice, of_rows

NOBODY = ("no_label", "_unlabeled")  # where CVAT and FiftyOne put pictures without a class
SPLITS = {"train", "training", "valid", "val", "validation", "test", "images", "image", "data", "photos", "pictures", "default"}


def recognizes(export: Export) -> bool:
    return export.encoding == "folder"


def read(export: Export, naming: Naming) -> Answers:
    """A row per picture: the name of its folder is the class, its own name without the ending the id.

    Raises InputError where the folders are no classes: there is but one, which `--classes` does not have, or they are splits of the data.
    """
    found = {record["folder"] for record in export.records if record["folder"]} - set(NOBODY)
    named = bool(found) and found <= set(naming.classes)
    if not named and (len(found) < 2 or {name.casefold() for name in found} <= SPLITS):
        shown = f"those in {', '.join(sorted(found)[:3])}" if found else "none in a folder"
        raise InputError(
            f"{export.name}: pictures without a folder per class (found {shown})",
            "give the folder above those of the classes, or the classes: --classes A,B",
        )
    rows = []
    for record in export.records:
        path = PurePosixPath(record["path"])
        label, reason = choice(None if record["folder"] in NOBODY else record["folder"])
        rows.append({"id": path.stem, "path": path.name, "label": label, "reason": reason})
    return of_rows(export, rows, naming)


FORMAT = Format("folders", recognizes, read, order=10, reads="a folder of pictures per class, or a zip archive of them")
