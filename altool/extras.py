"""The libraries that come with an extra of the installation: imported where they are needed, and what to type where one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from altool.errors import UsageError


def library(module: str, extra: str, who: str) -> Any:
    """The module of that name, which the extra `altool[extra]` installs. Raises UsageError, beginning with `who`, where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise UsageError(
                f"{who}: {package} cannot be imported ({' '.join(str(error).split())[:160]})",
                f"type: pip install --upgrade 'altool[{extra}]'",
            ) from error
        raise UsageError(f"{who} needs {package}, which is not installed", f"type: pip install 'altool[{extra}]'") from error
