"""A folder of pictures that lies beside a sheet: what altool wrote there, and whether that is still all."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Set
from pathlib import Path

from altool.errors import InputError
from altool.tables.objects import Place
from altool.tables.outside import LARGEST, load_json, read_bytes

CONTENTS = ".altool.json"  # {name: bytes} of what altool wrote into the folder
BY_THE_DESKTOP = frozenset((".DS_Store", "Thumbs.db", "desktop.ini"))


def write_pictures(files: Mapping[str, bytes], folder: Path) -> None:
    """Make the folder, with these files by name, and what tells later that they are altool's."""
    folder.mkdir()
    sizes = {name: len(content) for name, content in files.items()}
    for name, content in {**files, CONTENTS: json.dumps(sizes, indent=1).encode()}.items():
        (folder / name).write_bytes(content)


def are_pictures(folder: Path, names: Set[str]) -> bool:
    """Are these `names` of a folder the files that altool wrote, of the sizes that they had?"""
    try:
        written = load_json(read_bytes(folder / CONTENTS, "pictures"), "pictures")
    except InputError:
        return False
    if not isinstance(written, dict) or names - BY_THE_DESKTOP != {*written, CONTENTS}:
        return False
    found = {name: (folder / name).lstat() for name in written}
    return all(stat.S_ISREG(one.st_mode) and one.st_size == written[name] for name, one in found.items())


def are_remote_pictures(folder: Place, names: Set[str]) -> bool:
    """`are_pictures` in an object store, where a killed run may have left some of them without what tells of them: then they are not."""
    if CONTENTS not in names:
        return False
    try:
        written = load_json((folder / CONTENTS).read(LARGEST), "pictures")
    except InputError:
        return False
    return isinstance(written, dict) and names == {*written, CONTENTS}
