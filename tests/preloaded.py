"""What the process that the tests' programs are forked from has imported: all of altool, and what its commands import as they go."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import weakref

import program  # noqa: F401  # what a fork begins with

import altool

LIBRARIES = (
    *("pyarrow.parquet", "pyarrow.compute", "pyarrow.dataset", "rich.table", "safetensors.numpy", "jinja2"),
    *("pydantic", "typer._adapters", "typer._click.decorators", "torch", "torchvision", "sklearn.linear_model", "sklearn.svm"),
)
MODULES = (module.name for module in pkgutil.walk_packages(altool.__path__, "altool."))

for name in (*LIBRARIES, *MODULES):
    if not name.endswith("__main__"):
        with contextlib.suppress(ImportError):  # of an extra, or of another version of a library
            importlib.import_module(name)

for finalizer in list(weakref.finalize._registry):  # torch's, which take longer than most runs
    finalizer.atexit = False
