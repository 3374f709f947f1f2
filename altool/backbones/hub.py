"""Models of the Hugging Face hub: the folder that one lies in, and what identifies it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from altool.errors import InputError
from altool.extras import library
from altool.text import brief

TAKES = "NAME[@REVISION]|FOLDER"
READ = (".json", ".jinja", ".model", ".safetensors", ".spm", ".tiktoken", ".txt")  # endings of what a model is loaded from
OTHERS = ("onnx", "openvino")  # folders of the same weights for other programs
# What says that a folder tokenizes texts.
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")


def folder(given: str, family: str) -> Path:
    """The local folder of a model: the one that is `given`, or that of a name, which is downloaded unless it was before. No pickled weights
    are fetched where there are others.

    Raises InputError where there is none.
    """
    if os.path.isdir(given):
        return Path(given)
    who = f"--backbone {family}:{given}"
    if given.startswith(("/", ".", "~")) or given.endswith("/"):
        raise InputError(f"{who}: the folder does not exist", "correct the path, or give a model's name")
    name, _, revision = given.partition("@")
    download = library("huggingface_hub", family, who).snapshot_download
    ignored = [f"{one}/*" for one in OTHERS]
    wanted = [f"*{ending}" for ending in READ]
    try:
        found = Path(download(name, revision=revision or None, allow_patterns=wanted, ignore_patterns=ignored))
        if not any(found.rglob("*.safetensors")):
            download(name, revision=revision or None, allow_patterns=["*.bin"], ignore_patterns=ignored)
    except Exception as error:  # the hub's errors, a broken connection, a wrong name, a full disk: all end here
        raise InputError(
            f"{who}: {name} could not be fetched ({brief(error)})",
            f"look at the name and the connection, or give a folder: --backbone {family}:FOLDER",
        ) from error
    return found


def digest(path: Path) -> str:
    """The SHA-256 of what a model is loaded from: its weights, and what says how a row becomes their input. Neither the name nor the
    place of the folder has a part in it."""
    files = [file for file in sorted(path.rglob("*")) if file.suffix in (*READ, ".bin") and file.is_file()]
    files = [file for file in files if not {*OTHERS} & {*file.relative_to(path).parts} and not file.name.startswith(".")]
    safe = {file.parent for file in files if file.suffix == ".safetensors"}
    whole = hashlib.sha256()
    for file in files:
        if file.suffix == ".bin" and file.parent in safe:  # the same weights, pickled
            continue
        with open(file, "rb") as stream:
            own = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{own} {file.relative_to(path).as_posix()}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def facts(path: Path, name: str) -> dict[str, Any]:
    """What a JSON file of the folder says; nothing where it is not there, or says no object."""
    try:
        found = json.loads((path / name).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def quiet(transformers: Any) -> None:
    """Let transformers draw no bars and say no more than what is wrong."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
