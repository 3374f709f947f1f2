"""The libraries that come with an extra of the installation: which they are, and what to type where one is missing."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from altool.errors import UsageError
from altool.text import brief

# The modules of each extra of pyproject.toml, but for `all`.
MODULES = {
    "torch": ("torch", "torchvision"),
    "fasttext": ("fasttext",),
    "timm": ("timm",),
    "clip": ("open_clip",),
    "st": ("sentence_transformers",),
    "hf": ("transformers",),
    "onnx": ("onnxruntime",),
    "lakes": ("deltalake", "pyiceberg"),
    "ray": ("ray",),
    "ann": ("usearch",),
}


def missing(extra: str) -> str:
    """The first of the extra's modules that is not installed, "" where all are. Imports none of them."""
    return next((name for name in MODULES.get(extra, ()) if importlib.util.find_spec(name) is None), "")


def line(extra: str) -> str:
    """What installs the extra."""
    return f"pip install 'altool[{extra}]'"


def mark(extra: str) -> str:
    """What a list says behind something that needs the extra: nothing where it is installed."""
    return f" (not installed: {line(extra)})" if missing(extra) else ""


def need(extra: str, who: str) -> None:
    """Raise UsageError, beginning with `who`, where a module of the extra is not installed. Imports none of them."""
    if package := missing(extra):
        raise _not_installed(package, extra, who)


def library(module: str, extra: str, who: str) -> Any:
    """The module of that name, which the extra `altool[extra]` installs. Raises UsageError, beginning with `who`, where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise UsageError(
                f"{who}: {package} cannot be imported ({brief(error)})",
                f"type: pip install --upgrade 'altool[{extra}]'",
            ) from error
        raise _not_installed(package, extra, who) from error


def _not_installed(package: str, extra: str, who: str) -> UsageError:
    return UsageError(f"{who} needs {package}, which is not installed", f"type: {line(extra)}")
