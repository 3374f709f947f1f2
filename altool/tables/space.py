"""What vector space features are of. Equal numbers of two spaces mean different things, and only their widths could tell.

`altool embed` writes two keys into a table's metadata: `altool.space_facts`, a JSON object of everything that gives a vector its meaning
(backbone, weights, image size, type, projection, and the digest of what was learned from the items), and `altool.space`, the SHA-256 of
that text. What leaves the meaning as it is has no part in it: the items, the device, the minibatch, threads, and versions of libraries.
What was learned, the fit, lies beside the table in a file of its own, or in its folder; a model has a copy.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altool.errors import InputError
from altool.tables import align
from altool.tables.objects import local_copy
from altool.text import count

if TYPE_CHECKING:
    from altool.console import Console
    from altool.tables.read import Source

SPACE, FACTS = "altool.space", "altool.space_facts"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
FITS = {"hashing": ".safetensors", "fasttext": ".bin"}  # backbones that may learn, and the endings of the files that keep it
BESIDE = (*(f".space{ending}" for ending in FITS.values()), ".rejects.parquet")  # what `embed` puts beside a table: no rows of a folder
AGAIN = "embed all of the items again, with altool embed"


@dataclass(frozen=True)
class Space:
    """A vector space. `text` is the JSON of its facts, of which `digest` is the SHA-256; `of` is the file or model that said so."""

    digest: str
    text: str
    of: str

    @property
    def facts(self) -> dict[str, Any]:
        """What the space is made of. Raises InputError where the text is not the one that the digest is of."""
        with contextlib.suppress(ValueError, RecursionError):
            facts = json.loads(self.text)
            if isinstance(facts, dict) and _digest(self.text) == self.digest:
                return facts
        raise InputError(f"{self.of}: {FACTS} is not what {SPACE} is the digest of", AGAIN)

    @property
    def place(self) -> str:
        """folder or file, where its backbone is one of some machine (timm:FOLDER), which must be given again; else ""."""
        found = str(self.facts.get("backbone", "")).rpartition(":")[2]
        return found.lower() if found in ("FOLDER", "FILE") else ""

    @property
    def metadata(self) -> dict[str, str]:
        """What a table of this space says in its metadata."""
        return {SPACE: self.digest, FACTS: self.text}

    def __str__(self) -> str:
        name = ""
        with contextlib.suppress(InputError):
            name = str(self.facts.get("backbone") or self.facts.get("classifier") or "")
        return f"{self.digest[:19]}…" + (f" ({name})" if name else "")


def made(facts: Mapping[str, Any], of: str) -> Space:
    """The space of these facts."""
    text = _text(facts)
    return Space(_digest(text), text, of)


def apart(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """In what the facts of two spaces differ: `found` as against those that are `wanted`."""
    names = (name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name))
    return "; ".join(f"{name} {found.get(name)}, not {wanted.get(name)}" for name in names)


def of(source: Source) -> Space | None:
    """The space that the files of a features table say they are of; None where none says any.

    Raises InputError where they are of several, or where one says what is no digest.
    """
    first: Space | None = None
    others: list[Space] = []
    for fragment in source.fragments:
        found = _stated(fragment.facts, f"{source.name}: {fragment.path}", fragment.path)
        if found is None:
            continue
        first = first or found
        if found.digest != first.digest:
            others.append(found)
    if first and others:
        of_others = (
            f"{len(others):,} of its {count(len(source.fragments), 'file')} {'is' if len(others) == 1 else 'are'} of another vector space"
        )
        raise InputError(
            f"{source.name}: {of_others}, and vectors of two cannot be compared: {first.of} is of {first}, {others[0].of} of {others[0]}",
            f"embed their items again, in one space: altool embed --items … --like {first.of} -o {others[0].of} --overwrite",
        )
    return first


def told(source: Source, console: Console) -> Space | None:
    """`of`, with a warning where only some of the files say it."""
    found = of(source)
    silent = [fragment.path for fragment in source.fragments if "space" not in fragment.facts]
    if found is not None and silent:
        console.warn(
            f"{source.name}: {len(silent):,} of its {count(len(source.fragments), 'file')} without a vector space (such as {silent[0]}); "
            f"it is taken to be that of {found.of}"
        )
    return found


def of_model(facts: Mapping[str, Any], location: str) -> Space | None:
    """The space of the features that a model was trained on, as its `model.json` says it; None where it says none."""
    if facts.get("space") is None:
        return None
    return _stated({"space": str(facts["space"]), "space_facts": _text(facts.get("space_facts"))}, f"model {location}", location)


def made_by(facts: Mapping[str, Any], location: str) -> Space:
    """The space of the vectors that a model itself makes (`score --features-output`): its weights', and that of what it reads."""
    weights = align.file_digest(os.path.join(local_copy(location, f"model {location}"), "weights.safetensors"))
    return made({"classifier": facts["classifier"], "weights": weights, "reads": facts.get("space"), "dtype": "float32"}, location)


def match(own: Space | None, source: Source, theirs: Space | None, model: str, console: Console) -> None:
    """Refuse features of another space than the model's. Where only one of the two says its space, it is said that nobody can tell."""
    if own is not None and theirs is not None and own.digest != theirs.digest:
        raise InputError(
            f"{source.name} is of another vector space than model {model}, and vectors of two cannot be compared: "
            f"it is of {own}, the model's is {theirs}",
            f"embed its items in the model's: altool embed --items … --like {model} -o FEATURES"
            if "backbone" in theirs.facts
            else "let the model that made its features make these: altool score --model … --items … -o … --features-output FEATURES",
        )
    if (own is None) != (theirs is None):
        silent = source.name if own is None else f"model {model}"
        console.info(f"note: {silent} names no vector space, so whether features and model belong together is not checked")


def fit(space: Space, paths: Sequence[str]) -> Path | None:
    """The file that keeps what the space's backbone learned; None for one that learns nothing.

    `paths` are the files of the table, or the model's folder. Raises InputError where it is not there, or is another one.
    """
    digest = space.facts.get("fit")
    if digest is None:
        return None
    ending = FITS.get(str(space.facts.get("backbone")))
    endings = FITS.values() if ending is None else (ending,)  # another package's backbone may have either
    wanted = list(dict.fromkeys(place for path in paths for one in endings for place in _places(path, one)))
    there = [path for path in wanted if path.is_file()]
    for path in there:
        if align.file_digest(str(path)) == digest:
            return path
    if there:
        raise InputError(f"{space.of}: {there[0]} is not the fit of its vector space {space}", f"put the right file there, or {AGAIN}")
    raise InputError(
        f"{space.of}: the fit of its vector space {space} is not there ({wanted[-1]})", f"put the file there again, or {AGAIN}"
    )


def keep(path: Path, target: Path) -> None:
    """Put a fit at `target` too: another name of the same file where the file system can do that, since no fit is ever changed."""
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _places(path: str, ending: str) -> list[Path]:
    """Where the fit of a table's file, or of a model's folder, may lie."""
    place = Path(path)
    if place.is_dir():
        return [place / f"space{ending}"]
    return [place.with_name(f"_space{ending}"), place.with_name(place.name.removesuffix(".parquet") + f".space{ending}")]


def _stated(facts: Mapping[str, str], who: str, of: str) -> Space | None:
    digest = facts.get("space")
    if digest is None:
        return None
    if not DIGEST.fullmatch(digest):
        raise InputError(f"{who}: {SPACE} is not a SHA-256 digest ({digest[:40]!r})", AGAIN)
    return Space(digest, facts.get("space_facts", ""), of)


def _text(facts: Any) -> str:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
